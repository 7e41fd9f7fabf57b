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
# What has no node was written by a version that did not say it, and is left to that node.
LOST_CONNECTIONS = """
UPDATE websocket_connections SET status = 'disconnected' WHERE client_id IN (
    SELECT client_id FROM websocket_connections AS open
    WHERE status = 'active' AND open.node IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM node WHERE node.id = open.node AND node.seen_at >= ?)
    LIMIT ?) RETURNING 1
"""
# Some 20 ms of the writer's time.
LOST_AT_ONCE = 1_000
_ALL = "SELECT id, address, version, started_at, is_draining, seen_at FROM node ORDER BY id"


class NodeTable:
    """Beats are small transactions apart from all others: a node that waits behind another one's work with its beat
    would be taken for dead while it lives, and all others with it."""

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

    async def lose_connections(self, silent_s: float) -> int:
        """Ends, in the record, connections of nodes that are gone; how many. Raises StoreUnavailable."""
        step = partial(lose, silent_s=silent_s, now_sql=self.now_sql, clock=self._clock)
        lost = 0
        while some := await self._writer.run(step):
            lost += some
        return lost


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


def lose(connection: Connection, silent_s: float, now_sql: str, clock: Callable[[], int]) -> int:
    """One step: some connections of nodes that are gone are over; how many."""
    since = store_time(connection, now_sql, clock) - int(silent_s * SECOND_US)
    return len(connection.execute(LOST_CONNECTIONS, (since, LOST_AT_ONCE)).fetchall())


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
