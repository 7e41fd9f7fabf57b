"""The doors for foreign systems: each answers in its sender's own words and status codes."""
