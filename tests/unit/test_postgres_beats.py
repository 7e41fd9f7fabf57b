"""A node's beat waits for nobody who writes: else a lock that is held for seconds takes every node for dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import trio

from engine.foreign import ForeignLoop
from engine.stores.nodes import NodeRow
from engine.stores.postgres.commit import PostgresCommitter
from engine.stores.postgres.sessions import COMMITTING, Sessions, opening
from engine.stores.postgres.writer import PostgresWriter
from engine.stores.tables.nodes import NodeTable


class Here:
    """In the place of the foreign loop: calls are awaited where they are made."""

    is_running = True

    async def call(self, make: Callable[[], Awaitable[Any]]) -> Any:
        return await make()


class Transactions:
    """In the place of `Sessions`: writes down how each begins."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    async def transact(self, begin: str, job: Callable[[Any], Any]) -> Any:
        self.begun.append(begin)
        return job(None)


class Busy:
    """A committer whose lock somebody else holds."""

    async def run_together(self, _: object) -> None:
        await trio.sleep_forever()

    async def run_apart(self, job: Callable[[Any], Any]) -> Any:
        return job(Nobody())


class Nobody:
    """A connection to a store that has the row of this node alone."""

    def execute(self, sql: str, parameters: object = ()) -> Any:
        if sql.startswith("SELECT id"):
            return iter([("a", "", "", 0, 0, 5)])
        return Newcomer()


class Newcomer:
    """What is found of a node that was never there."""

    def fetchone(self) -> None:
        return None


class Nodes(NodeTable):
    def __init__(self, writer: PostgresWriter) -> None:
        self._writer = writer
        self._clock = lambda: 5


async def test_the_beat_of_a_node_waits_for_nobody_who_writes(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    writer = PostgresWriter(cast(ForeignLoop, Here()), cast(PostgresCommitter, Busy()), None, lambda _: None)
    nursery.start_soon(writer.work)
    nursery.start_soon(writer.run, lambda connection: connection)
    await trio.testing.wait_all_tasks_blocked()
    with trio.fail_after(1):
        (seen,) = await Nodes(writer).renew_node(NodeRow(id="a"))
    assert seen.node.id == "a"
    nursery.cancel_scope.cancel()


def test_a_beat_does_not_ask_for_the_lock() -> None:
    changes = Transactions()
    assert (
        asyncio.run(PostgresCommitter(cast(Sessions, Transactions()), cast(Sessions, changes)).run_apart(lambda _: 1))
        == 1
    )
    assert changes.begun == [opening(COMMITTING, None)]
