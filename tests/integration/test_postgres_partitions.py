"""Partitions by time: made ahead, nothing lost without one, dropped when they are empty; by the engine's own role."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from engine.stores import open_store
from tests.support.postgres_rows import fill, in_transaction
from tests.support.postgres_server import PostgresDatabase

DAY_US = 86_400_000_000


@pytest.fixture
def filled(postgres_database: PostgresDatabase) -> PostgresDatabase:
    """An event and a row of readings of two workspaces, long ago."""
    asyncio.run(in_transaction(postgres_database.url, "*", fill))
    return postgres_database


def ask(database: PostgresDatabase, sql: str, *values: Any, setting: str = "*", url: str = "") -> list[tuple[Any, ...]]:
    async def asking(connection: asyncpg.Connection) -> Any:
        return [tuple(row) for row in await connection.fetch(sql, *values)]

    rows: list[tuple[Any, ...]] = asyncio.run(in_transaction(url or database.url, setting, asking))
    return rows


def first_day(database: PostgresDatabase) -> int:
    """When the day began on which its first partitions were made (microseconds). That may have been yesterday: it is a
    copy of one that was migrated when the tests began."""
    return int(database.server.sql("SELECT min(since) FROM tocsin_partitions('reading')", database.name)[0][0])


def tend(database: PostgresDatabase, now_us: int) -> tuple[int, int]:
    (done,) = ask(database, "SELECT * FROM tocsin_tend_partitions($1)", now_us)
    made, dropped, put_off = done
    assert put_off == 0
    return made, dropped


def add_event(database: PostgresDatabase, offset: int, at: int) -> None:
    ask(database, "INSERT INTO event VALUES (901, $1, 901, $1, $2, '{}')", offset, at)


def held_in(database: PostgresDatabase) -> dict[str, list[int]]:
    """Which offsets of acme stand in which partition; nothing of time in the names."""
    rows = ask(
        database,
        "SELECT tableoid::regclass::text, channel_offset FROM event WHERE workspace = 901 ORDER BY 2",
        url=database.keeper_url,
    )
    found: dict[str, list[int]] = {}
    for name, offset in rows:
        found.setdefault("default" if name == "event_default" else "by time", []).append(offset)
    return found


def test_they_are_made_ahead_once(postgres_database: PostgresDatabase) -> None:
    now = first_day(postgres_database)
    later = now + 1_000 * DAY_US
    assert tend(postgres_database, now) == (0, 0)  # the migration has made them
    assert tend(postgres_database, later)[0] == 6
    assert tend(postgres_database, later) == (0, 0)


def test_an_event_of_now_is_in_the_partition_of_its_time_and_one_of_no_partition_is_kept_all_the_same(
    filled: PostgresDatabase,
) -> None:
    add_event(filled, 2, first_day(filled))
    assert held_in(filled) == {"default": [1], "by time": [2]}
    assert ask(filled, "SELECT count(*) FROM event", setting='["acme"]') == [(2,)]


def test_what_came_before_its_partition_moves_into_it(filled: PostgresDatabase) -> None:
    later = first_day(filled) + 100 * DAY_US
    add_event(filled, 2, later)
    assert held_in(filled) == {"default": [1, 2]}
    tend(filled, later)
    assert held_in(filled) == {"default": [1], "by time": [2]}


def test_more_than_can_be_moved_in_a_second_stays_where_it_is_and_the_next_partitions_are_made(
    filled: PostgresDatabase,
) -> None:
    later = first_day(filled) + 100 * DAY_US
    ask(filled, "INSERT INTO event SELECT 901, n, 901, n, $1, '{}' FROM generate_series(2, 20002) AS n", later)
    made, _, put_off = ask(filled, "SELECT * FROM tocsin_tend_partitions($1)", later)[0]
    assert (made, put_off) == (5, 1)
    assert [len(offsets) for offsets in held_in(filled).values()] == [20_002]
    assert ask(filled, "SELECT count(*) FROM event", setting='["acme"]') == [(20_002,)]
    add_event(filled, 20_003, later + 7 * DAY_US)
    assert held_in(filled)["by time"] == [20_003]


def test_an_empty_one_is_dropped_when_its_time_is_over_and_one_that_holds_something_is_not(
    filled: PostgresDatabase,
) -> None:
    add_event(filled, 2, first_day(filled))
    later = first_day(filled) + 30 * DAY_US
    made, dropped = tend(filled, later)
    assert (made, dropped) == (6, 5)  # all but the one of the event
    assert held_in(filled) == {"default": [1], "by time": [2]}
    ask(filled, "DELETE FROM event WHERE channel_offset = 2")
    assert tend(filled, later) == (0, 1)


def test_a_very_old_one_is_folded_into_the_default_with_what_it_holds(filled: PostgresDatabase) -> None:
    add_event(filled, 2, first_day(filled))
    tend(filled, first_day(filled) + 120 * DAY_US)
    assert held_in(filled) == {"default": [1, 2]}


def test_a_new_partition_keeps_workspaces_apart_like_its_parent(filled: PostgresDatabase) -> None:
    later = first_day(filled) + 100 * DAY_US
    tend(filled, later)
    add_event(filled, 2, later)
    assert ask(filled, "SELECT count(*) FROM event WHERE at = $1", later, setting='["umbrella"]') == [(0,)]
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        ask(filled, "INSERT INTO event VALUES (902, 9, 901, 9, $1, '{}')", later)


def test_tending_leaves_a_transactions_workspaces_as_they_were(filled: PostgresDatabase) -> None:
    later = first_day(filled) + 100 * DAY_US

    async def tend_and_ask(connection: asyncpg.Connection) -> Any:
        await connection.fetch("SELECT tocsin_tend_partitions($1)", later)
        return await connection.fetchval("SELECT count(*) FROM event")

    assert asyncio.run(in_transaction(filled.url, '["acme"]', tend_and_ask)) == 1
    assert asyncio.run(in_transaction(filled.url, None, tend_and_ask)) == 0


def test_two_nodes_do_not_wait_for_each_other(filled: PostgresDatabase) -> None:
    later = first_day(filled) + 100 * DAY_US

    async def both(first: asyncpg.Connection) -> Any:
        done = await first.fetchrow("SELECT * FROM tocsin_tend_partitions($1)", later)
        second = await asyncpg.connect(filled.url)
        try:
            return tuple(done), tuple(await second.fetchrow("SELECT * FROM tocsin_tend_partitions($1)", later))
        finally:
            await second.close()

    (made, _, _), second = asyncio.run(in_transaction(filled.url, "*", both))
    assert made == 6
    assert second == (0, 0, 0)


def test_one_that_cannot_be_had_at_once_is_left_for_the_next_time(filled: PostgresDatabase) -> None:
    later = first_day(filled) + 100 * DAY_US

    async def meanwhile(reader: asyncpg.Connection) -> Any:
        await reader.fetch("SELECT * FROM event")  # holds every partition until its transaction ends
        other = await asyncpg.connect(filled.url)
        try:
            return tuple(await other.fetchrow("SELECT * FROM tocsin_tend_partitions($1)", later))
        finally:
            await other.close()

    made, dropped, put_off = asyncio.run(in_transaction(filled.url, "*", meanwhile))
    # Those of readings: nobody reads them. Of events three were to be made and three to be dropped.
    assert (made, dropped, put_off) == (3, 3, 6)
    assert tend(filled, later) == (3, 3)


async def test_a_store_tends_them_when_it_trims(postgres_database: PostgresDatabase) -> None:
    later = first_day(postgres_database) + 100 * DAY_US
    async with open_store(postgres_database.url) as store:
        await store.trim(later)
    connection = postgres_database.server.sql("SELECT count(*) FROM tocsin_partitions('event')", postgres_database.name)
    assert connection == [["3"]]
    named = postgres_database.server.sql("SELECT max(until) FROM tocsin_partitions('event')", postgres_database.name)
    assert int(named[0][0]) > later + 7 * DAY_US
