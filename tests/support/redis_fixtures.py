"""Fixtures with a real Redis: one server for the session, lent to each test as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis_server import RedisServer, serve


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The session's server, started when first asked for. Tests take `redis`."""
    yield from serve()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The session's server, running and empty, to do with as the test likes."""
    redis_server.mend()
    yield redis_server
    redis_server.thaw()
