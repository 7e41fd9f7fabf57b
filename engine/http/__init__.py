"""The HTTP door: the same verbs as on the socket, for programs that post and people who ask."""
