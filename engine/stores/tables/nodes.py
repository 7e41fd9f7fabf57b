"""Who runs on this store: a row for each node, renewed by the store's clock (`engine.stores.nodes`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.clocks import StoreClock
from engine.stores.nodes import FORGOTTEN_S, NodeRow, NodeSeen
from engine.stores.tables.connection import Connection
from engine.stores.tables.writer import Writer
from protocol.times import SECOND_US

_RENEW = """
INSERT INTO node (id, address, version, started_at, is_draining, seen_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    address = excluded.address, version = excluded.version, started_at = excluded.started_at,
    is_draining = excluded.is_draining, seen_at = excluded.seen_at
"""
_OWN = "SELECT seen_at FROM node WHERE id = ?"
# The clock was set back: a row of the future would be that of a live node until the clock is there again.
_NOT_LATER = "UPDATE node SET seen_at = ? WHERE seen_at > ?"
_FORGET_OLD = "DELETE FROM node WHERE seen_at < ?"
_FORGET = "DELETE FROM node WHERE id = ?"
_ALL = "SELECT id, address, version, started_at, is_draining, seen_at FROM node ORDER BY id"


class NodeTable:
    """Each method is one small transaction, apart from all others: a node that waits behind another one's work with its
    beat would be taken for dead while it lives, and all others with it."""

    _writer: Writer
    _clock: Callable[[], int]
    # What asks the store for its time (microseconds); empty: it has none of its own, and this process's is as good.
    now_sql = ""

    async def renew_node(self, node: NodeRow) -> list[NodeSeen]:
        """Writes this node's row anew, and says who is there. Raises StoreUnavailable."""
        return await self._writer.run_apart(partial(renew, node=node, now_sql=self.now_sql, clock=self._clock))

    async def forget_node(self, node: str) -> None:
        """Deletes a node's row. Raises StoreUnavailable."""
        await self._writer.run_apart(partial(forget, node=node))


def renew(connection: Connection, node: NodeRow, now_sql: str, clock: Callable[[], int]) -> list[NodeSeen]:
    """The row of this node as of now; all rows, with their ages."""
    now = store_time(connection, now_sql, clock)
    before = connection.execute(_OWN, (node.id,)).fetchone()
    values = (node.id, node.address, node.version, node.started_at, int(node.is_draining), now)
    connection.execute(_RENEW, values)
    connection.execute(_NOT_LATER, (now, now + SECOND_US))
    connection.execute(_FORGET_OLD, (now - int(FORGOTTEN_S * SECOND_US),))
    return [
        NodeSeen(
            node=NodeRow(id=id_, address=address, version=version, started_at=started, is_draining=bool(draining)),
            age_s=max(0, now - seen) / SECOND_US,
            before_s=None if before is None or id_ != node.id else max(0, now - before[0]) / SECOND_US,
        )
        for id_, address, version, started, draining, seen in connection.execute(_ALL)
    ]


def store_time(connection: Connection, now_sql: str, clock: Callable[[], int]) -> int:
    """The store's time, if it has one of its own; our clock is set by it."""
    if not now_sql:
        return clock()

    def look() -> int:
        return int(connection.execute(now_sql).fetchone()[0])

    return clock.ask(look) if isinstance(clock, StoreClock) else look()


def forget(connection: Connection, node: str) -> None:
    """The row goes."""
    connection.execute(_FORGET, (node,))
