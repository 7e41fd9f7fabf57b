"""Row-level security on the live database: with wrong, missing, empty and NULL settings, in every table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from tests.support.catalogue import Catalogue, place_of
from tests.support.postgres_rows import MADE, OWN, ROWS, UMBRELLA, ask, fill, in_transaction, values
from tests.support.postgres_server import PostgresDatabase, PostgresServer

NO_ROWS = [None, "", "[]", '[""]', '["nobody"]', '["*"]', "[null]"]
# What somebody may set by hand: no list of names, or none that a text can hold.
JUNK = [
    "acme",
    "{}",
    '"*"',
    '{"acme": 1}',
    "[1",
    "**",
    "junk",
    "[",
    '["acme"',
    '["acme",]',
    '["acme", 1]',
    '["acme"] ["acme"]',
]
JUNK += [r'["acme", "\u0000"]', r'["acme", "\ud83d"]', r'["acme", "\x"]', '["acme", "\n"]', "*\n"]


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresDatabase]:
    """A row of acme and one of umbrella in each table."""

    database = PostgresDatabase(postgres_server, postgres_server.new_database(postgres_template))
    asyncio.run(in_transaction(database.url, "*", fill))
    yield database
    postgres_server.drop_database(database.name)


def own(database: PostgresDatabase) -> list[str]:
    """The tables of workspaces that the engine may use."""
    catalogue = Catalogue(database.keeper_url)
    return [name for name in catalogue.workspaces_own if not catalogue.tables[name]["relispartition"]]


async def _seen(connection: asyncpg.Connection, tables: list[str]) -> dict[str, list[Any]]:
    return {
        name: [row[0] for row in await connection.fetch(f'SELECT DISTINCT "{place_of(name)}" FROM {name}')]
        for name in tables
    }


def test_every_table_of_workspaces_is_tried(filled: PostgresDatabase) -> None:
    tables = own(filled)
    assert set(tables) == set(ROWS) | MADE
    everything = ask(filled, "*", lambda connection: _seen(connection, tables))
    assert {name: sorted(seen) for name, seen in everything.items()} == {
        name: sorted(["acme", "umbrella"] if isinstance(seen[0], str) else [901, 902])
        for name, seen in everything.items()
    }


def test_a_transaction_sees_its_own_workspaces_rows_and_no_others(filled: PostgresDatabase) -> None:
    seen = ask(filled, '["acme"]', lambda connection: _seen(connection, OWN))
    assert {name: rows for name, rows in seen.items() if rows not in (["acme"], [901])} == {}


@pytest.mark.parametrize("setting", [*NO_ROWS, *JUNK])
def test_a_transaction_that_names_no_workspace_sees_nothing_at_all(
    filled: PostgresDatabase, setting: str | None
) -> None:
    seen = ask(filled, setting, lambda connection: _seen(connection, OWN))
    assert {name: rows for name, rows in seen.items() if rows} == {}


@pytest.mark.parametrize(
    "name", ["acme", "o'neill", 'say "hi"', "a\\b", "süd", "東京", "🔔", "a, b", "[x]", "tab\there"]
)
def test_a_workspace_may_be_called_anything_that_json_can_say(filled: PostgresDatabase, name: str) -> None:
    for names in ([name], ["acme", name], [name, "zulu"]):
        for setting in (json.dumps(names), json.dumps(names, ensure_ascii=False)):
            assert ask(filled, setting, lambda connection: connection.fetchval("SELECT tocsin_workspaces()")) == names


@pytest.mark.parametrize("setting", JUNK)
def test_what_is_no_list_of_names_names_nobody_and_is_no_error(filled: PostgresDatabase, setting: str) -> None:
    assert ask(filled, setting, lambda connection: connection.fetchval("SELECT tocsin_workspaces()")) == []


def test_a_setting_that_is_null_shows_nothing(filled: PostgresDatabase) -> None:
    async def seen(connection: asyncpg.Connection) -> Any:
        await connection.execute("SELECT set_config('tocsin.workspaces', NULL, true)")
        return await _seen(connection, OWN)

    assert {name: rows for name, rows in ask(filled, None, seen).items() if rows} == {}


def test_nothing_of_another_workspace_is_changed_or_deleted(filled: PostgresDatabase) -> None:
    async def change(connection: asyncpg.Connection) -> list[str]:
        told = []
        for name in set(ROWS) - {"audit", "administrative_act", "object_version"}:
            told.append(await connection.execute(f"UPDATE {name} SET {place_of(name)} = {place_of(name)}"))
        for name in ("alert", "job", "delivery", "object", "tracker", "revocation", "entry", "event", "rollup"):
            told.append(await connection.execute(f"DELETE FROM {name}"))
        return told

    told = ask(filled, '["nobody"]', change)
    assert {line.split()[1] for line in told} == {"0"}
    everything = ask(filled, "*", lambda connection: _seen(connection, OWN))
    assert {len(seen) for seen in everything.values()} == {2}


@pytest.mark.parametrize("table", sorted(set(ROWS) - {"workspace_name", "workspace", "channel", "person"}))
def test_no_row_is_written_for_another_workspace(filled: PostgresDatabase, table: str) -> None:
    sql = ROWS[table]
    # What says a channel only finds none, so that the row has no workspace.
    refusals = (asyncpg.InsufficientPrivilegeError, asyncpg.NotNullViolationError)
    with pytest.raises(refusals):
        ask(filled, '["acme"]', lambda connection: connection.execute(sql, *values(sql, UMBRELLA)))


def test_no_row_of_ones_own_is_given_to_another_workspace(filled: PostgresDatabase) -> None:
    for sql in ("UPDATE object SET workspace = 'umbrella'", "UPDATE alert SET workspace = 902, channel = 902"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            ask(filled, '["acme"]', lambda connection, sql=sql: connection.execute(sql))


def test_no_row_hangs_on_another_workspaces_channel(filled: PostgresDatabase) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        ask(filled, '["acme"]', lambda connection: connection.execute("UPDATE alert SET channel = 902"))


def test_a_key_that_another_workspace_has_is_free(filled: PostgresDatabase) -> None:
    async def put(connection: asyncpg.Connection) -> Any:
        once = " ON CONFLICT (ukey, workspace) WHERE ukey IS NOT NULL DO NOTHING RETURNING id"
        return await connection.fetch(ROWS["job"] + once, "third")

    assert len(ask(filled, '["third"]', put)) == 1


def test_a_view_shows_what_the_one_who_asks_may_see(filled: PostgresDatabase) -> None:
    async def seen(connection: asyncpg.Connection) -> Any:
        return [row[0] for row in await connection.fetch("SELECT DISTINCT workspace_id FROM alert_job_state")]

    assert ask(filled, '["acme"]', seen) == ["acme"]
    assert ask(filled, None, seen) == []


def test_a_setting_ends_with_its_transaction(filled: PostgresDatabase) -> None:
    async def run() -> list[int]:
        connection = await asyncpg.connect(filled.url)
        counts = []
        for setting in ('["acme"]', None):
            async with connection.transaction():
                if setting:
                    await connection.execute("SELECT set_config('tocsin.workspaces', $1, true)", setting)
                counts.append(await connection.fetchval("SELECT count(*) FROM alert"))
        await connection.close()
        return counts

    assert asyncio.run(run()) == [1, 0]


def test_owners_see_no_rows_either(filled: PostgresDatabase) -> None:
    seen = asyncio.run(in_transaction(filled.owner_url, None, lambda connection: _seen(connection, OWN)))
    assert {name: rows for name, rows in seen.items() if rows} == {}


def test_partitions_are_reached_through_their_parents_alone(filled: PostgresDatabase) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(filled, "*", lambda connection: connection.fetch("SELECT * FROM event_default"))


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE alert DISABLE ROW LEVEL SECURITY",
        "DROP POLICY workspaces_apart ON alert",
        "CREATE TABLE mine (n int)",
        "TRUNCATE alert",
        "SELECT tocsin_drop_partition('event', 'event_default'::regclass, false)",
        "CALL tocsin_grant('tocsin_app')",
        "ALTER TABLE alert DISABLE TRIGGER ALL",
        "SET ROLE tocsin_owner",
        "UPDATE migration SET checksum = ''",
        "DELETE FROM row_audit",
        "INSERT INTO row_audit (at, relation, verb, key, login) VALUES (1, 'alert', 'UPDATE', '{}', 'me')",
        "UPDATE audit SET by = 'somebody else'",
        "DELETE FROM object_version",
        "SET session_replication_role = replica",
    ],
)
def test_the_engines_role_cannot_step_out_or_rewrite_a_trail(filled: PostgresDatabase, sql: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(filled, "*", lambda connection: connection.execute(sql))
