"""Reads beside the writer: a few connections that cannot write, used by trio's worker threads.

Owns the idle connections and the limit on threads; waits for neither the writer nor a slow disk longer than the
deadline. A read that is cancelled or late goes on in its thread until SQLite notices; its connection is then thrown
away. WAL lets readers see the last commit while the writer writes the next.

A question sees one moment, however many statements it is made of: it is asked in a transaction. (A job that ended
between two statements was in none of the two tables, or in both.) That costs nothing that could be measured, neither
beside an idle loop nor beside a busy one. Decided against: a transaction only where a question says that it needs one;
that was forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from engine.give_way import GiveWay
from engine.stores.sqlite.file import Database
from engine.stores.tables.connection import Connection
from engine.stores.tables.readers import Readers
from protocol.errors import StoreUnavailable

T = TypeVar("T")

# Reads are rare (recall, old history, lists); two keep one slow list from stopping a recall.
READ_THREADS = 2
READ_MAX_S = 5.0
# More cannot be answered within the deadline anyway; another value would not change that, so it is no setting.
READS_WAITING_MAX = 1_000
# How often SQLite asks whether the read is still wanted: about every millisecond.
_STEPS_BETWEEN_QUESTIONS = 20_000


class _Read:
    """Tells a thread whether its answer is still wanted."""

    is_over = False


class ThreadedReaders(Readers):
    """Readers of a file."""

    def __init__(self, database: Database, give_way: GiveWay) -> None:
        self._give_way = give_way
        self._database = database
        self._idle: list[sqlite3.Connection] = []
        self._limiter = trio.CapacityLimiter(READ_THREADS)
        self._closed = False

    async def read(self, question: Callable[[Connection], T], workspace: str | None = None) -> T:
        """Asks in a thread. Raises StoreUnavailable after `READ_MAX_S`, or when too many wait already."""
        waiting = self._limiter.statistics().tasks_waiting
        if self._closed or waiting >= READS_WAITING_MAX:
            await trio.lowlevel.checkpoint()
            full = f"{waiting} reads are waiting, limit {READS_WAITING_MAX}; try again in a moment"
            raise StoreUnavailable("the store is closed" if self._closed else full)
        read = _Read()
        self._give_way.under_way += 1
        try:
            with trio.fail_after(READ_MAX_S):
                return await trio.to_thread.run_sync(
                    self._ask, question, read, abandon_on_cancel=True, limiter=self._limiter
                )
        except trio.TooSlowError as fault:
            raise StoreUnavailable(f"no answer within {READ_MAX_S} s") from fault
        except sqlite3.Error as fault:
            raise StoreUnavailable(f"the store cannot be read: {fault}") from fault
        finally:
            self._give_way.under_way -= 1
            read.is_over = True

    async def aclose(self) -> None:
        """Stops running reads, waits for them at most `READ_MAX_S`, and closes what is idle."""
        self._closed = True
        with trio.move_on_after(READ_MAX_S, shield=True):
            for _ in range(READ_THREADS):
                await self._limiter.acquire_on_behalf_of(object())
        while self._idle:
            self._idle.pop().close()

    def _ask(self, question: Callable[[Connection], T], read: _Read) -> T:
        connection = self._idle.pop() if self._idle else self._database.connect_reader()
        connection.set_progress_handler(lambda: read.is_over or self._closed, _STEPS_BETWEEN_QUESTIONS)
        try:
            with one_moment(connection):
                answer = question(connection)
        except sqlite3.Error:
            connection.close()
            raise
        except BaseException:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer


@contextmanager
def one_moment(connection: sqlite3.Connection) -> Iterator[None]:
    """Several statements that see one state of the database, which is held no longer than that."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


class InlineReaders(Readers):
    """Readers of a database in memory: its only connection, on the loop, where nobody writes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def read(self, question: Callable[[Connection], T], workspace: str | None = None) -> T:
        """Asks at once."""
        await trio.lowlevel.checkpoint()
        return question(self._connection)

    async def aclose(self) -> None:
        """Nothing of its own to close."""
        await trio.lowlevel.cancel_shielded_checkpoint()
