"""Fixtures for tests that need Postgres: one server for the session, databases for each test. See postgres_server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that all tests share: not to be stopped or frozen (start one of your own for that)."""
    server = PostgresServer.start()
    yield server
    server.remove()


@pytest.fixture
def empty_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database without anything in it, for the test alone."""
    name = postgres_server.new_database()
    yield name
    postgres_server.drop_database(name)
