"""tests/unit/test_session_messages.py over TLS."""

from tests.unit.test_session_messages import *  # noqa: F403
