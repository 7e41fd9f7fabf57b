"""The processes: who runs, who owns what, who restarts whom. Knows the words of `protocol/`, not their meaning."""
