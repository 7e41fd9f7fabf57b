"""The words: what two ends, or two layers, say to each other. Values and pure functions only; no process, no I/O."""
