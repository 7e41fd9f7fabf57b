"""Rules: the book of one channel, and one file per kind of rule. Pure."""
