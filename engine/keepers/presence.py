"""Keeps the record of connections in the store, for operators: who is connected since when, to what.

Owns: nothing but a notebook, with at most one note per kind of change and connection. Sessions note their changes and
go on; a connection that came and went while the store was away is still recorded. Whoever is connected at a shutdown
is marked disconnected by the notebook's last write; whoever is killed is marked at the next start, or by another node
(`engine.nodes.record`).
"""

from __future__ import annotations

from actors.ports import Clock
from actors.supervisor import Started
from engine.keepers.notebook import Notebook
from engine.stores import Store
from engine.stores.connections import ConnectionChange, ConnectionEvent
from protocol.model import ChannelKey, Principal


class PresenceLog:
    """Notes connections and writes them in batches."""

    def __init__(self, store: Store, clock: Clock, node: str = "") -> None:
        """`node`: whose connections these are, among several."""
        self._clock = clock
        self._node = node or None
        self._book: Notebook[tuple[str, ConnectionEvent], ConnectionChange] = Notebook(
            "presence", store.connection_changes, lambda older, newer: newer
        )

    @property
    def dropped(self) -> int:
        """Changes that were never written, because too many waited for the store."""
        return self._book.dropped

    def opened(self, client_id: str, who: Principal) -> None:
        """A connection has authenticated."""
        self._note(ConnectionEvent.OPENED, client_id, user=who.user, workspace=who.workspace)

    def subscribed(self, client_id: str, key: ChannelKey) -> None:
        """A connection follows this channel now."""
        self._note(ConnectionEvent.SUBSCRIBED, client_id, framework=key.framework)

    def active(self, client_id: str) -> None:
        """Something was heard from a connection."""
        self._note(ConnectionEvent.ACTIVE, client_id)

    def closed(self, client_id: str) -> None:
        """An authenticated connection is over."""
        self._note(ConnectionEvent.CLOSED, client_id)

    async def run(self, status: Started) -> None:
        """Writes what is noted, for ever."""
        await self._book.run(status)

    def _note(
        self, kind: ConnectionEvent, client_id: str, user: str = "", workspace: str = "", framework: str | None = None
    ) -> None:
        change = ConnectionChange(
            kind=kind,
            client_id=client_id,
            at=self._clock(),
            user=user,
            workspace=workspace,
            framework=framework,
            node=self._node if kind is ConnectionEvent.OPENED else None,
        )
        self._book.note((client_id, kind), change)
