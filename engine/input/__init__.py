"""What others send, made ours: words, times, severities and bodies, and what is said of one that does not fit."""
