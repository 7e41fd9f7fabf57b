"""Traces: what became of a request, from the door to the last notification. Switched off, nothing of it is loaded."""
