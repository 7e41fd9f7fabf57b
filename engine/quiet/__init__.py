"""What is quieted: silences, maintenance and storms, in memory for the channels, and kept by the store."""
