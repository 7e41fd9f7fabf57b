"""Keeps the record of connections in the store, for operators: who is connected since when, to what.

Owns: what has changed and is not written yet, at most one entry per kind of change and connection. Sessions note their
changes and go on; a task writes them once a second in one transaction. While the store is away the notes wait; a
connection that came and went meanwhile is still recorded.
"""

from __future__ import annotations

import random

import structlog
import trio

from actors.ports import Clock
from actors.restart import STORE_RETRY, backoff_s
from actors.supervisor import Started
from engine.stores import ConnectionChange, ConnectionEvent, Store
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Principal

log = structlog.get_logger()

# A wave of a thousand reconnects is a handful of transactions, not a thousand.
WRITE_EVERY_S = 1.0
# Beyond this (an hour of a store away under constant reconnects) the oldest notes are dropped and counted.
NOTES_MAX = 100_000


class PresenceLog:
    """Notes connections and writes them in batches."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._notes: dict[tuple[str, ConnectionEvent], ConnectionChange] = {}
        self._noted = trio.Event()
        self.dropped = 0

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
        """Writes what is noted, for ever; at the end writes the rest, if the store takes it at once."""
        status.started()
        attempt = 0
        try:
            while True:
                await self._noted.wait()
                await trio.sleep(WRITE_EVERY_S)
                try:
                    await self._write()
                    attempt = 0
                except StoreUnavailable as fault:
                    attempt += 1
                    log.warning("presence_not_written", cause=str(fault), notes=len(self._notes))
                    await trio.sleep(backoff_s(STORE_RETRY, attempt, random.random()))  # noqa: S311  # jitter
        finally:
            # Shutdown: who was connected is marked disconnected; whoever is killed is marked at the next start.
            with trio.move_on_after(WRITE_EVERY_S, shield=True):
                try:
                    await self._write()
                except StoreUnavailable as fault:
                    log.warning("presence_not_written", cause=str(fault), notes=len(self._notes))

    async def _write(self) -> None:
        notes, self._notes = self._notes, {}
        self._noted = trio.Event()
        if not notes:
            return
        try:
            await self._store.connection_changes(list(notes.values()))
        except BaseException:  # also when cancelled: the last write of a shutdown still has them
            self._notes = {key: note for key, note in notes.items() if key not in self._notes} | self._notes
            self._forget_oldest(NOTES_MAX)
            self._noted.set()
            raise

    def _note(
        self, kind: ConnectionEvent, client_id: str, user: str = "", workspace: str = "", framework: str | None = None
    ) -> None:
        # Noted anew at the end: a batch is in order of time.
        self._notes.pop((client_id, kind), None)
        self._forget_oldest(NOTES_MAX - 1)
        self._notes[client_id, kind] = ConnectionChange(
            kind=kind, client_id=client_id, at=self._clock(), user=user, workspace=workspace, framework=framework
        )
        self._noted.set()

    def _forget_oldest(self, keep: int) -> None:
        while len(self._notes) > keep:
            self._notes.pop(next(iter(self._notes)))
            self.dropped += 1
