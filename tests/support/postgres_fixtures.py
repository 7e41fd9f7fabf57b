"""Fixtures for tests that need Postgres: one server for the session, databases for each test. See postgres_server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from engine.configuration.fields import Secret
from engine.stores.postgres import migrations
from engine.stores.postgres.roles import EngineRole
from tests.support.postgres_server import APP, OWNER, PASSWORD, PostgresDatabase, PostgresServer

ROLE = EngineRole(APP, Secret(PASSWORD))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server that all tests share: not to be stopped or frozen (start one of your own for that)."""
    server = PostgresServer.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a database that was migrated, to make others from; half a second, once."""
    return migrated_template(postgres_server)


@pytest.fixture
def empty_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a database without anything in it, for the test alone."""
    name = postgres_server.new_database()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def postgres_database(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresDatabase]:
    """A database that was migrated, for the test alone: `url` is the engine's, `owner_url` the owner's."""
    database = PostgresDatabase(postgres_server, postgres_server.new_database(postgres_template))
    yield database
    postgres_server.drop_database(database.name)


def migrated_template(server: PostgresServer) -> str:
    """Makes a database with all migrations, and the engine's role."""
    name = server.new_database()
    asyncio.run(migrations.migrate(server.url(name, OWNER), ROLE))
    return name
