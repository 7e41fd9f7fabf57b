"""Notifications: who is told of an alert, how it is said, how it is sent, and what became of it."""
