"""tests/unit/test_session_actor.py over TLS."""

from tests.unit.test_session_actor import *  # noqa: F403
