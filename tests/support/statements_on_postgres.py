"""Counts the statements that something sends to a Postgres: each is a trip, whichever session it goes over.

As `tests.support.statements` does for SQLite: apart are what channels commit and what they recall; not counted at all
are the beats of the node, which nobody has asked for. Beginning and ending a transaction is a trip too, and no
statement here, so that the same bound holds for both stores.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
import trio.testing

from engine.stores import Store, open_store
from engine.stores.postgres.connection import PostgresConnection
from tests.support.statements import QUIET_S, StatementCount, is_recalling, of_a_channel

# Where what is sent is noted; None: with what is counted. Over there too: a call carries its caller's context.
noted_in: ContextVar[list[str] | None] = ContextVar("noted_in", default=None)


class PostgresStatementCount(StatementCount):
    """What was sent over the sessions of one store."""

    def open_store(self, url: str, **settings: Any) -> AbstractAsyncContextManager[Store]:
        """As `engine.stores.open_store`, with every session watched."""
        return self._opened_there(url, **settings)

    @asynccontextmanager
    async def _opened_there(self, url: str, **settings: Any) -> AsyncIterator[Store]:
        send = PostgresConnection._ask

        async def watched(connection: PostgresConnection, text: str, values: Any) -> Any:
            if not is_recalling.get():
                (self._executed if (apart := noted_in.get()) is None else apart).append(text)
            return await send(connection, text, values)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PostgresConnection, "_ask", watched)
            async with open_store(url, **settings) as self._store:
                self._set_apart(self._store)
                yield self._store

    def _set_apart(self, store: Any) -> None:
        """What channels commit, group by group, and what they recall; and what the node does by itself."""
        committer = store._writer._committer
        commit, run_apart = committer.commit, committer.run_apart

        async def a_group(*arguments: Any) -> Any:
            group: list[str] = []
            noted_in.set(group)
            try:
                return await commit(*arguments)
            finally:
                self._groups.append(group)

        async def a_beat(job: Any) -> Any:
            noted_in.set([])
            return await run_apart(job)

        committer.commit, committer.run_apart = a_group, a_beat
        store.recall, store.history = of_a_channel(store.recall), of_a_channel(store.history)

    async def settle(self) -> None:
        """Waits until nothing that was begun is still going on, here or over there."""
        seen = None
        there = self._store._writer._foreign._give_way
        while seen != (seen := (len(self._executed), len(self._groups))) or there.under_way:
            await trio.testing.wait_all_tasks_blocked(QUIET_S)
