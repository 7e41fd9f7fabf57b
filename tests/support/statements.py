"""Counts the statements that something has the store run: what is sent to a database, not what it does with it.

Nothing says who asked for a statement, so whoever counts asks one thing at a time of an engine that is otherwise idle,
and waits until the store's writer has nothing left (`StatementCount.of`). Counted apart is what channels commit: that
is a group's, whoever waits for it, and what a workflow batch writes for its channels; and not at all what they read
when they are used again after a while. Beginning and ending a transaction is no statement, and rows that an INSERT
takes in portions (`engine.stores.tables.bulk`) are one: a store whose statements travel sends them together.
"""

from __future__ import annotations

import dataclasses
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import pytest
import trio.testing

from engine.stores import Retention, Store
from engine.stores.sqlite.file import CACHE_BYTES, Database
from engine.stores.sqlite.open import open_database
from engine.stores.tables import progress

T = TypeVar("T")
BRACKETS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
# Answers are written, sockets are read and threads end within this; nothing of an idle engine comes by itself so soon.
QUIET_S = 0.005
# Set in the task that recalls a channel, and so in the thread that reads for it.
is_recalling: ContextVar[bool] = ContextVar("is_recalling", default=False)


class Taken(NamedTuple):
    """The statements that something took: its own, and those of each group of commits."""

    own: list[str]
    groups: list[list[str]]


class StatementCount:
    """What was executed on the connections of one store."""

    def __init__(self) -> None:
        self._executed: list[str] = []
        self._groups: list[list[str]] = []
        self._store: Any = None

    def open_store(self, url: str, **settings: Any) -> AbstractAsyncContextManager[Store]:
        """As `engine.stores.open_store`, with every connection watched: `World(open_store=count.open_store)`."""
        return self._opened(Database.of_url(url), **settings)

    @asynccontextmanager
    async def _opened(
        self,
        database: Database,
        retention: Retention | None,
        clock: Callable[[], int],
        on_commit: Any,
        cache_bytes: int | None,
        foreign: Any,
    ) -> AsyncIterator[Store]:
        watched = dataclasses.replace(
            database, connection_class=_watched(self._executed), cache_bytes=cache_bytes or CACHE_BYTES
        )
        with pytest.MonkeyPatch.context() as patch:
            # A workflow batch commits for many channels at once: a statement for each table there, too.
            for name in ("_place", "_write"):
                patch.setattr(progress, name, self._apart(getattr(progress, name)))
            async with open_database(watched, retention or Retention(), clock, on_commit) as self._store:
                self._set_apart(self._store)
                yield self._store

    def _set_apart(self, store: Any) -> None:
        """What channels do for themselves: their commits, in the writer's thread, and what they recall."""
        committer = store._writer._committer
        committer.commit = self._apart(committer.commit)
        store.recall, store.history = of_a_channel(store.recall), of_a_channel(store.history)

    def _apart(self, write: Callable[..., T]) -> Callable[..., T]:
        """The same; what it takes is a group's."""

        def watched(*arguments: Any) -> T:
            before = len(self._executed)
            done = write(*arguments)
            self._groups.append(self._executed[before:])
            del self._executed[before:]
            return done

        return watched

    async def settle(self) -> None:
        """Waits until nothing that was begun is still going on: neither a task, nor a thread of the store's."""
        seen = None
        while seen != (seen := (len(self._executed), len(self._groups))) or self._store._writer._give_way.under_way:
            await trio.testing.wait_all_tasks_blocked(QUIET_S)

    async def of(self, asking: Callable[[], Any]) -> tuple[Taken, Any]:
        """The statements that asking this took, and its answer."""
        await self.settle()
        self._executed.clear()
        self._groups.clear()
        answer = await asking()
        await self.settle()
        return Taken(counted(self._executed), [counted(group) for group in self._groups]), answer


def of_a_channel(read: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """The same, marked as what a channel reads."""

    async def marked(*arguments: Any) -> T:
        token = is_recalling.set(True)
        try:
            return await read(*arguments)
        finally:
            is_recalling.reset(token)

    return marked


def counted(executed: list[str]) -> list[str]:
    """Those that count."""
    found: list[str] = []
    last: tuple[str, int] = ("", 0)
    for sql in executed:
        head, rows = _shape(sql)
        # One row after the other is what we are looking for; many, then fewer, are portions.
        is_portion = head == last[0] and 1 < last[1] >= rows
        last = head, rows
        if not is_portion and not sql.lstrip().upper().startswith(BRACKETS):
            found.append(sql)
    return found


def _shape(sql: str) -> tuple[str, int]:
    """What a statement inserts into, and how many rows it has values for."""
    head, _, values = sql.partition(" VALUES ")
    return head, len(re.findall(r"\(\?[^)]*\)", values))


def _watched(executed: list[str]) -> type[sqlite3.Connection]:
    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if not is_recalling.get():
                executed.append(sql)
            return super().execute(sql, *parameters)

        def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            executed.append(sql)
            return super().executemany(sql, *parameters)

    return Watched
