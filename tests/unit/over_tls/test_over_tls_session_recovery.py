"""tests/unit/test_session_recovery.py over TLS."""

from tests.unit.test_session_recovery import *  # noqa: F403
