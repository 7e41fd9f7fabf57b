"""The record of connections, when a node has gone without closing its own: somebody else says that they are over.

Owns nothing. Done by the owner of the workspace without a name, whenever nodes have come or gone, and now and then
besides: one that had been drained may have died unnoticed by whoever owns anything. Who is gone is the store's to say,
by its own clock. Waits for the store; while that is away nobody can look at the record either. If it crashes its
supervisor starts it again, and it looks anew.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from actors.bell import Bell
from actors.patience import answered
from actors.supervisor import Started
from engine.nodes.membership import LIVE_S
from engine.stores.nodes import NodeStore

log = structlog.get_logger()

LOOK_S = 600.0


class Record:
    """Keeps the record of connections true to who is there."""

    def __init__(self, store: NodeStore, is_ours: Callable[[], bool]) -> None:
        self._store = store
        self._is_ours = is_ours
        self._bell = Bell()
        # Connections that ended with their nodes.
        self.lost = 0

    def look(self) -> None:
        """Nodes have come or gone."""
        self._bell.ring()

    async def run(self, status: Started) -> None:
        """Looks for ever."""
        status.started()
        while True:
            if self._is_ours():
                lost = await answered(
                    lambda: self._store.lose_connections(LIVE_S), "connections of nodes that are gone"
                )
                self.lost += lost
                if lost:
                    log.info("connections_of_gone_nodes", lost=lost)
            await self._bell.wait(LOOK_S)
