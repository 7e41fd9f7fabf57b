"""What an operator sets: the record tree, where each value is read from, and what is said of a wrong one."""
