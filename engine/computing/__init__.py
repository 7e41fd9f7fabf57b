"""Computing that takes longer than 5 ms: in processes of its own, never on the loop nor in a thread."""
