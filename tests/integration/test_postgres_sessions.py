"""Sessions that were there before the tables were changed: an older node goes on while a migration runs."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from structlog.testing import capture_logs

from engine.stores.postgres import connection as ours
from engine.stores.postgres.connection import PostgresConnection
from engine.stores.postgres.sessions import COMMITTING, READING, SETTINGS, Reachability, Sessions, opening
from tests.support.postgres_server import PostgresDatabase

BOTH = 2


def columns(connection: PostgresConnection) -> int:
    connection.execute("INSERT INTO bus (topic, at, body) VALUES ('seen', 1, '')")
    connection.execute("INSERT INTO node VALUES ('a', '', '', 1, 0, 1) ON CONFLICT DO NOTHING")
    return len(connection.execute("SELECT * FROM node").fetchone())


def rows_of_bus(connection: PostgresConnection) -> int:
    return connection.execute("SELECT count(*) FROM bus").fetchone()[0]


async def changed_under(database: PostgresDatabase) -> list[int]:
    """What one sees in both sessions before a migration, and after it."""
    sessions = Sessions(database.url, BOTH, Reachability())
    begin = opening(COMMITTING, None)
    try:
        found = list(await asyncio.gather(*[sessions.transact(begin, columns) for _ in range(BOTH)]))
        assert sessions.opened == BOTH
        owner = await asyncpg.connect(database.owner_url)
        await owner.execute("ALTER TABLE node ADD COLUMN zone text")
        await owner.close()
        for _ in range(BOTH):
            found.append(await sessions.transact(begin, columns))
        found.append(await sessions.transact(opening(READING, None), rows_of_bus))
        return [*found, sessions.opened]
    finally:
        await sessions.aclose()


def test_a_statement_whose_columns_a_migration_changed_is_asked_again_in_a_new_session_and_done_once(
    postgres_database: PostgresDatabase,
) -> None:
    with capture_logs() as logs:
        *before, once_more, again, rows, opened = asyncio.run(changed_under(postgres_database))
    assert before == [6, 6]
    assert [once_more, again] == [7, 7]
    # Both old sessions are gone at the first sign, and what was undone with them is not there twice.
    assert (rows, opened) == (4, BOTH + 1)
    assert [entry["event"] for entry in logs] == ["store_sessions_out_of_date"]


KEPT = "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%FROM bus'"


async def asked_again(database: PostgresDatabase, times: int) -> list[tuple[int, ...]]:
    """What the server itself says of a statement that was asked so often: once for each that it keeps."""
    sessions = Sessions(database.url, 1, Reachability())
    try:
        for _ in range(times):
            await sessions.transact(opening(READING, None), rows_of_bus)
        return await sessions.transact(opening(READING, None), lambda it: it.execute(KEPT).fetchall())
    finally:
        await sessions.aclose()


def test_a_statement_is_prepared_once_and_kept_by_the_server(postgres_database: PostgresDatabase) -> None:
    assert asyncio.run(asked_again(postgres_database, 8)) == [(8,)]


def test_plans_that_are_made_anew_are_those_of_the_same_statement(
    postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "PLANS_FIRST_S", 0.0)
    assert asyncio.run(asked_again(postgres_database, 8)) == [(8,)]


def in_force(connection: PostgresConnection) -> dict[str, str]:
    return {
        name: connection.execute("SELECT current_setting(?)", (name,)).fetchone()[0]
        for name in (*SETTINGS, "application_name")
    }


def test_what_is_set_for_a_session_is_in_force_in_its_transactions(postgres_database: PostgresDatabase) -> None:
    async def ask() -> dict[str, str]:
        sessions = Sessions(postgres_database.url, 1, Reachability())
        try:
            await sessions.transact(opening(READING, None), rows_of_bus)
            return await sessions.transact(opening(COMMITTING, None), in_force)
        finally:
            await sessions.aclose()

    assert asyncio.run(ask()) == SETTINGS | {"application_name": "tocsin"}


async def many_asked(database: PostgresDatabase, texts: int) -> int:
    """How many statements a server keeps of a session that asked so many, each once."""
    sessions = Sessions(database.url, 1, Reachability())

    def ask(connection: PostgresConnection) -> int:
        for number in range(texts):
            connection.execute(f"SELECT {number}")
        return connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()[0]

    try:
        return await sessions.transact(opening(READING, None), ask)
    finally:
        await sessions.aclose()


def test_a_statement_that_is_forgotten_is_so_by_the_server(
    postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "STATEMENTS_KEPT", 5)
    # One more than is kept, and the one whose end the server hears of with the next.
    assert asyncio.run(many_asked(postgres_database, 30)) <= 5 + 2


async def written_after_only_reading(database: PostgresDatabase) -> tuple[str, int]:
    """What a write is told by a server that only reads, as after a failover; and how many rows there are in the end."""
    name = database.url.rpartition("/")[2]
    owner = await asyncpg.connect(database.owner_url)
    sessions = Sessions(database.url, 1, Reachability())
    begin = opening(COMMITTING, None)
    told = ""
    try:
        await owner.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        try:
            await sessions.transact(begin, columns)
        except asyncpg.ReadOnlySQLTransactionError as fault:
            told = str(fault)
        await owner.execute("SET default_transaction_read_only = off")
        await owner.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await sessions.transact(begin, columns)
        return told, await sessions.transact(opening(READING, None), rows_of_bus)
    finally:
        await sessions.aclose()
        await owner.close()


def test_a_session_that_was_opened_while_its_server_only_read_is_not_kept(postgres_database: PostgresDatabase) -> None:
    told, rows = asyncio.run(written_after_only_reading(postgres_database))
    assert "read-only" in told
    assert rows == 1
