"""What the engine says of itself: figures for Prometheus, log lines, the loop's lag, memory, and the watchdog."""
