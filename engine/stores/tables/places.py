"""Where channels, workspaces and people stand in their streams, as the writer remembers it between transactions.

Nobody else writes while we hold the lock on the file, so what was read once holds until we change it. Belongs to the
`Committer`, in its thread. Whoever rolls back must `forget`: what the transaction changed here is not so any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.stores.tables.connection import Connection
from engine.stores.tables.progress import Streamed
from protocol.model import ChannelKey

# About 10 MB. Past it all are forgotten and read again when they commit.
PLACES_REMEMBERED = 20_000
CHANNEL_COLUMNS = "id, last_offset, last_batch, last_base, log_seq, log_settled"
_FIND_CHANNEL = f"SELECT {CHANNEL_COLUMNS} FROM channel WHERE workspace = ? AND framework = ?"  # noqa: S608  # our own words
_MAKE_CHANNEL = f"INSERT INTO channel (workspace, framework) VALUES (?, ?) RETURNING {CHANNEL_COLUMNS}"  # noqa: S608
_FIND_WORKSPACE = "SELECT id, last_offset FROM workspace WHERE name = ?"
_MAKE_WORKSPACE = "INSERT INTO workspace (name) VALUES (?) RETURNING id, last_offset"
_FIND_PERSON = "SELECT id, last_offset FROM person WHERE workspace = ? AND name = ?"
_MAKE_PERSON = "INSERT INTO person (workspace, name) VALUES (?, ?) RETURNING id, last_offset"


@dataclass(slots=True)
class Place:
    """A derived stream: a workspace's, or a person's."""

    number: int
    offset: int


@dataclass(slots=True)
class ChannelPlace:
    """A channel: its stream, its last batch, and its log of readings."""

    number: int
    workspace: Place
    offset: int
    last_batch: str
    last_base: int
    # Of the log of readings, and up to where stored rule states have seen it.
    seq: int
    settled: int


class Places:
    """What is remembered. Who has no row yet gets one, in the transaction that is under way."""

    def __init__(self) -> None:
        self._channels: dict[ChannelKey, ChannelPlace] = {}
        self._workspaces: dict[str, Place] = {}
        self._people: dict[tuple[int, str], Place] = {}

    def channel(self, connection: Connection, key: ChannelKey) -> ChannelPlace:
        """Where a channel stands."""
        known = self._channels.get(key)
        if known is not None:
            return known
        workspace = self._workspace(connection, key.workspace)
        number, *place = _row(connection, _FIND_CHANNEL, _MAKE_CHANNEL, (workspace.number, key.framework))
        self._channels[key] = fresh = ChannelPlace(number, workspace, *place)
        return fresh

    def known(self, key: ChannelKey) -> ChannelPlace:
        """Where a channel stands that was asked about in this transaction."""
        return self._channels[key]

    def person(self, connection: Connection, workspace: int, name: str) -> Place:
        """Where a person's stream stands."""
        known = self._people.get((workspace, name))
        if known is None:
            known = Place(*_row(connection, _FIND_PERSON, _MAKE_PERSON, (workspace, name)))
            self._people[workspace, name] = known
        return known

    def moved(self, by: Streamed) -> None:
        """A job has put events on streams: those that are remembered stand further on now."""
        for key, offset in by.channels.items():
            if key in self._channels:
                self._channels[key].offset = offset
        name, offset = by.workspace
        if name in self._workspaces:
            self._workspaces[name].offset = offset
        for person, offset in by.people.items():
            if person in self._people:
                self._people[person].offset = offset

    def forget_too_many(self) -> None:
        """Between transactions: keeps what is remembered within its bound."""
        if len(self._channels) + len(self._people) > PLACES_REMEMBERED:
            self.forget()

    def forget(self) -> None:
        """Has everything read anew."""
        self._channels.clear()
        self._workspaces.clear()
        self._people.clear()

    def _workspace(self, connection: Connection, name: str) -> Place:
        known = self._workspaces.get(name)
        if known is None:
            known = self._workspaces[name] = Place(*_row(connection, _FIND_WORKSPACE, _MAKE_WORKSPACE, (name,)))
        return known


def _row(connection: Connection, find: str, make: str, values: Sequence[Any]) -> Sequence[Any]:
    rows = connection.execute(find, values).fetchall() or connection.execute(make, values).fetchall()
    row: Sequence[Any] = rows[0]
    return row
