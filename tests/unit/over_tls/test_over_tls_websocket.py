"""tests/unit/test_websocket.py over TLS."""

from tests.unit.test_websocket import *  # noqa: F403
