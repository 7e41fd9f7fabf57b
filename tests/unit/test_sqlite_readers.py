"""Reads: beside the writer, bounded in time and number."""

from __future__ import annotations

import math
import sqlite3
import threading
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.give_way import GiveWay
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.readers import READ_MAX_S, READ_THREADS, ThreadedReaders
from protocol.errors import StoreUnavailable

ENDLESS = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "store.db")
    with database.locked(), database.connect() as connection:
        connection.execute("CREATE TABLE fact (number)")
        connection.execute("INSERT INTO fact VALUES (42)")
    return database


def fact(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT number FROM fact").fetchone()[0])


def endless(connection: sqlite3.Connection) -> int:
    return int(connection.execute(ENDLESS).fetchone()[0])


async def test_a_reader_cannot_write(database: Database) -> None:
    readers = ThreadedReaders(database, GiveWay())
    with pytest.raises(StoreUnavailable, match="readonly"):
        await readers.read(lambda connection: connection.execute("DELETE FROM fact"))
    assert await readers.read(fact) == 42
    await readers.aclose()


async def test_a_question_of_several_statements_sees_one_moment(database: Database) -> None:
    readers = ThreadedReaders(database, GiveWay())

    def ask_twice(connection: sqlite3.Connection) -> tuple[int, int]:
        before = fact(connection)
        with closing(database.connect()) as writer:
            writer.execute("UPDATE fact SET number = number + 1")
        return before, fact(connection)

    assert [await readers.read(ask_twice) for _ in range(2)] == [(42, 42), (43, 43)]
    await readers.aclose()


@pytest.mark.parametrize("fault", [None, KeyError, sqlite3.OperationalError])
async def test_a_moment_is_held_no_longer_than_its_question(database: Database, fault: type[Exception] | None) -> None:
    readers = ThreadedReaders(database, GiveWay())

    def ask(connection: sqlite3.Connection) -> None:
        fact(connection)
        if fault is not None:
            raise fault

    with nullcontext() if fault is None else pytest.raises((KeyError, StoreUnavailable)):
        await readers.read(ask)
    with closing(database.connect()) as writer:
        writer.execute("UPDATE fact SET number = number + 1")
        # Busy is 1 while anybody still sees an older state: the log could not be begun anew, and would grow.
        assert writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0
    await readers.aclose()


async def test_connections_are_used_again_also_after_a_question_failed(database: Database) -> None:
    readers = ThreadedReaders(database, GiveWay())
    seen = set()

    def ask(connection: sqlite3.Connection) -> None:
        seen.add(id(connection))
        raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            await readers.read(ask)
    assert len(seen) == 1
    await readers.aclose()


async def test_a_read_that_takes_too_long_is_stopped(database: Database, autojump_clock: MockClock) -> None:
    readers = ThreadedReaders(database, GiveWay())
    started = trio.current_time()
    with pytest.raises(StoreUnavailable, match="no answer within"):
        await readers.read(endless)
    assert trio.current_time() - started == READ_MAX_S
    # Were the endless one still running, closing would not get both of the places back. Threads live in real time.
    autojump_clock.autojump_threshold = math.inf
    await readers.aclose()


async def test_a_cancelled_read_leaves_its_thread_free_for_the_next(database: Database) -> None:
    readers = ThreadedReaders(database, GiveWay())
    for _ in range(READ_THREADS + 1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(readers.read, endless)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert await readers.read(fact) == 42
    await readers.aclose()


async def test_too_many_waiting_reads_are_refused_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.stores.sqlite.readers.READS_WAITING_MAX", 3)
    readers = ThreadedReaders(database, GiveWay())
    hold = threading.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(READ_THREADS + 3):
            nursery.start_soon(readers.read, lambda _: hold.wait(60))
        await wait_all_tasks_blocked()
        with pytest.raises(StoreUnavailable, match="3 reads are waiting, limit 3"):
            await readers.read(fact)
        hold.set()
    assert await readers.read(fact) == 42
    await readers.aclose()
    with pytest.raises(StoreUnavailable, match="closed"):
        await readers.read(fact)


async def test_a_lost_file_is_unavailable(database: Database) -> None:
    assert database.path is not None
    database.path.unlink()
    readers = ThreadedReaders(database, GiveWay())
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await readers.read(fact)
    await readers.aclose()
