"""Several nodes on one store: who is there, who owns what, and what passes between them (`docs/nodes.md`)."""
