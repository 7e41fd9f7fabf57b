"""Small jobs of the writer that share a transaction, and what one that breaks off means for the others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio

from engine.stores import Retention
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.file import Database
from engine.stores.sqlite.open import open_database
from protocol.errors import CommitInvalid, StoreUnavailable
from protocol.jobs import Queue
from tests.support.jobs import a_job
from tests.support.stores import NOW, Breakable, failing


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    yield
    Breakable.mend()


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(Database(None).connect()) as connection:
        connection.execute("CREATE TABLE note (word TEXT)")
        yield connection


def write(word: str) -> object:
    return lambda connection: connection.execute("INSERT INTO note VALUES (?)", (word,)).rowcount


def refuse(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO note VALUES ('half')")
    raise CommitInvalid("no")


def notes(connection: sqlite3.Connection) -> list[str]:
    return [word for (word,) in connection.execute("SELECT word FROM note ORDER BY rowid")]


def test_of_jobs_in_one_transaction_only_the_one_that_is_refused_is_not_done(connection: sqlite3.Connection) -> None:
    first, refused, last = Committer(Database(None), connection).run_together([write("a"), refuse, write("b")])
    assert (first, last, type(refused)) == (1, 1, CommitInvalid)
    assert notes(connection) == ["a", "b"]


def test_a_bug_in_one_of_them_leaves_no_half_of_it(connection: sqlite3.Connection) -> None:
    def bug(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO note VALUES ('half')")
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        Committer(Database(None), connection).run_together([write("a"), bug])
    assert notes(connection) == ["a"]


def test_all_of_them_are_answered_when_the_store_is_away(connection: sqlite3.Connection) -> None:
    def away(connection: sqlite3.Connection) -> None:
        failing(sqlite3.SQLITE_BUSY)()

    answers = Committer(Database(None), connection).run_together([write("a"), away, write("b")])
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    assert notes(connection) == []


class Gate:
    """Where a statement waits, and who waits until it does: the writer's thread has its own pace."""

    def __init__(self) -> None:
        self._entered, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._entered.set()
        assert self._open.wait(60)

    async def until_entered(self) -> None:
        assert await trio.to_thread.run_sync(self._entered.wait, 60)

    def open(self) -> None:
        self._open.set()


async def test_what_workers_ask_while_the_disk_is_busy_is_one_commit(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db", connection_class=Breakable)
    commits, gate = [], Gate()
    async with open_database(database, Retention(), lambda: NOW, None) as store:
        await store.enqueue([a_job()])
        (claimed,) = await store.claim("n1", {Queue.ALERT: 1}, 30.0)
        Breakable.breaks["BEGIN"] = gate
        Breakable.breaks["COMMIT"] = lambda: commits.append(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.pause, Queue.PREDICTION, True)
            await gate.until_entered()
            for _ in range(5):
                nursery.start_soon(store.enqueue, [a_job()])
            nursery.start_soon(store.renew, "n1", [claimed.lease], 30.0)
            nursery.start_soon(store.claim, "n1", {Queue.ALERT: 1}, 30.0)
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert len(commits) == 2
        alert = (await store.queue_counts())[Queue.ALERT]
        assert alert.waiting + alert.active == 6


async def test_what_a_claim_saw_to_be_due_next_needs_no_reader_until_something_is_written(tmp_path: Path) -> None:
    async with open_database(Database(tmp_path / "store.db"), Retention(), lambda: NOW, None) as store:
        await store.enqueue([a_job(run_at=NOW + 2_000_000)])
        await store.claim("n1", {Queue.ALERT: 1}, 30.0)
        await store._readers.aclose()
        assert await store.next_due() == NOW + 2_000_000
        await store.enqueue([a_job(run_at=NOW + 1_000_000)])
        with pytest.raises(StoreUnavailable):
            await store.next_due()
        await store.claim("n1", {Queue.ALERT: 1}, 30.0)
        assert await store.next_due() == NOW + 1_000_000


async def test_what_joins_a_claim_in_its_transaction_is_seen_by_who_asks_what_is_due_next(tmp_path: Path) -> None:
    database = Database(tmp_path / "store.db", connection_class=Breakable)
    gate = Gate()
    async with open_database(database, Retention(), lambda: NOW, None) as store:
        Breakable.breaks["BEGIN"] = gate
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.pause, Queue.PREDICTION, True)
            await gate.until_entered()
            nursery.start_soon(store.claim, "n1", {Queue.ALERT: 1}, 30.0)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(store.enqueue, [a_job(run_at=NOW + 1_000_000)])
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert await store.next_due() == NOW + 1_000_000
