"""Where channels and workspaces stand, read under the locks of the workspaces' rows. For one transaction.

Two statements for a whole group, if all of it is known; what is new is made under the same locks. People of a workspace
are moved under its lock too, so they are only read.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.stores.postgres.connection import PostgresConnection
from engine.stores.tables.places import CHANNEL_COLUMNS, ChannelPlace, Place, Places
from protocol.model import ChannelKey

# Not FOR UPDATE: that would also wait for everybody who only refers to the row.
_LOCK = "SELECT id, name, last_offset FROM workspace WHERE name = ANY($1::text[]) ORDER BY id FOR NO KEY UPDATE"
_MAKE = "INSERT INTO workspace (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING"
_CHANNELS = f"""
SELECT workspace, framework, {CHANNEL_COLUMNS} FROM channel
JOIN unnest($1::bigint[], $2::text[]) AS wanted (workspace, framework) USING (workspace, framework)
"""  # noqa: S608  # our own words


class LockedPlaces(Places):
    """Places that hold as long as the transaction."""

    def __init__(self, connection: PostgresConnection, keys: Sequence[ChannelKey]) -> None:
        super().__init__()
        names = sorted({key.workspace for key in keys})
        rows = connection.ask(_LOCK, [names]).fetchall()
        if len(rows) < len(names):
            connection.ask(_MAKE, [names])
            rows = connection.ask(_LOCK, [names]).fetchall()
        self._workspaces = {name: Place(number, offset) for number, name, offset in rows}
        numbers = [self._workspaces[key.workspace].number for key in keys]
        by_number = {number: name for number, name, _ in rows}
        found = connection.ask(_CHANNELS, [numbers, [key.framework for key in keys]]).fetchall()
        for workspace, framework, number, *place in found:
            key = ChannelKey(by_number[workspace], framework)
            self._channels[key] = ChannelPlace(number, self._workspaces[key.workspace], *place)
