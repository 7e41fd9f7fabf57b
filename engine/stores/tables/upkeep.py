"""What the writer does besides commits: the record of connections, and the retention of events.

Trimming goes in small transactions, so that a commit waits for one of them at most. Only events that are both old and
not among the newest of their channel go, from the oldest on, and never those of a channel's last batch (it may have
to be answered again). The derived streams lose the same events: their floors are the highest offsets that went.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from engine.stores import Retention
from engine.stores.connections import ConnectionChange, ConnectionEvent
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from engine.stores.tables.holding import hold_workspace

# About 5 ms of the writer's time.
TRIMMED_AT_ONCE = 500
_OPENED = Bulk(
    "INSERT INTO websocket_connections"
    " (client_id, user_id, workspace_id, framework_id, connected_at, last_activity_at, status, node)",
    "ttttiitt",
    "ON CONFLICT (client_id) DO UPDATE SET user_id = excluded.user_id, workspace_id = excluded.workspace_id,"
    " framework_id = excluded.framework_id, connected_at = excluded.connected_at,"
    " last_activity_at = excluded.last_activity_at, status = excluded.status,"
    " node = excluded.node",
)
_CHANGED = Bulk(
    "UPDATE websocket_connections SET framework_id = coalesce(new.column2, framework_id),"
    " last_activity_at = new.column3, status = new.column4 FROM (",
    "ttit",
    ") AS new WHERE client_id = new.column1",
)
NEXT_LONG_CHANNEL = (
    "SELECT id, workspace, floor, min(last_offset - ?2, last_base) FROM channel"
    " WHERE id >= ?1 AND min(last_offset - ?2, last_base) > floor ORDER BY id LIMIT 1"
)
FIRST_YOUNG_EVENT = (
    "SELECT min(channel_offset) FROM event WHERE channel = ? AND channel_offset > ? AND channel_offset <= ? AND at >= ?"
)
DELETE_EVENTS = (
    "DELETE FROM event WHERE channel = ? AND channel_offset > ? AND channel_offset <= ? RETURNING workspace_offset"
)
DELETE_ENTRIES = (
    "DELETE FROM entry WHERE workspace = ? AND workspace_offset IN (SELECT CAST(value AS INTEGER) FROM json_each(?))"
    " RETURNING person, person_offset"
)
# Of each stream that has lost events: marks of what is gone. One row of `gone` for each such stream.
GONE_MARKS = (
    "DELETE FROM recipient_mark WHERE id IN (SELECT mark.id FROM ("
    "SELECT 0 AS scope, id AS stream, floor FROM channel WHERE floor > 0"
    " UNION ALL SELECT 1, id, floor FROM workspace WHERE floor > 0"
    " UNION ALL SELECT 2, id, floor FROM person WHERE floor > 0"
    ") AS gone CROSS JOIN recipient_mark AS mark"
    " ON mark.scope = gone.scope AND mark.stream = gone.stream AND mark.until <= gone.floor LIMIT ?) RETURNING 1"
)
OLD_CONNECTIONS = (
    "DELETE FROM websocket_connections WHERE client_id IN (SELECT client_id FROM websocket_connections"
    " WHERE status = 'disconnected' AND last_activity_at < ? LIMIT ?) RETURNING 1"
)


class Trimmed(NamedTuple):
    """One step of trimming: how many events went, and the number of the channel to go on with (None: done)."""

    events: int
    channel: int | None


def write_connections(connection: Connection, changes: Sequence[ConnectionChange]) -> None:
    """Writes changes of connections: what happened to one client within the batch becomes one row."""
    opened: dict[str, list[str | int | None]] = {}
    changed: dict[str, list[str | int | None]] = {}
    for change in changes:
        if change.kind is ConnectionEvent.OPENED:
            times = change.at, change.at
            opened[change.client_id] = [change.user, change.workspace, change.framework, *times, "active", change.node]
            changed.pop(change.client_id, None)
            continue
        status = "disconnected" if change.kind is ConnectionEvent.CLOSED else None
        if row := opened.get(change.client_id):
            row[2], row[4], row[5] = change.framework or row[2], change.at, status or row[5]
        else:
            # It is there, unless this says or said that it is over: another node may have thought us gone.
            before = changed.get(change.client_id, [None, 0, "active"])
            changed[change.client_id] = [change.framework or before[0], change.at, status or before[2]]
    _OPENED.run(connection, [value for client, row in opened.items() for value in (client, *row)])
    _CHANGED.run(connection, [value for client, row in changed.items() for value in (client, *row)])


def disconnect_all(connection: Connection) -> None:
    """After a start nobody is connected: what a killed process left as active is not."""
    connection.execute("UPDATE websocket_connections SET status = 'disconnected' WHERE status = 'active'")


def trim_events(connection: Connection, retention: Retention, now_us: int, channel: int) -> Trimmed:
    """One step: from the first channel (of this number or higher) that has too many events."""
    young = now_us - int(retention.events_s * 1_000_000)
    rows = connection.execute(NEXT_LONG_CHANNEL, (channel, retention.events_per_channel)).fetchall()
    if not rows:
        return Trimmed(0, None)
    number, workspace, floor, keep_after = rows[0]
    hold_workspace(connection, workspace)
    until = min(floor + TRIMMED_AT_ONCE, keep_after)
    ((first_young,),) = connection.execute(FIRST_YOUNG_EVENT, (number, floor, until, young)).fetchall()
    if first_young is not None:
        until = first_young - 1
    gone = [offset for (offset,) in connection.execute(DELETE_EVENTS, (number, floor, until)).fetchall()]
    # Also if nothing is there to be deleted: else the next step would be this one again, for ever.
    if until > floor:
        connection.execute("UPDATE channel SET floor = ? WHERE id = ?", (until, number))
    if gone:
        connection.execute("UPDATE workspace SET floor = max(floor, ?) WHERE id = ?", (max(gone), workspace))
        entries = sorted(connection.execute(DELETE_ENTRIES, (workspace, json.dumps(gone))).fetchall())
        for person, offset in dict(entries).items():
            connection.execute("UPDATE person SET floor = max(floor, ?) WHERE id = ?", (offset, person))
    return Trimmed(len(gone), number + 1 if first_young is not None else number)


def trim_marks(connection: Connection) -> int:
    """One step: deletes marks of events that are gone; how many went."""
    return len(connection.execute(GONE_MARKS, (TRIMMED_AT_ONCE,)).fetchall())


def trim_connections(connection: Connection, retention: Retention, now_us: int) -> int:
    """One step: deletes closed connections older than the retention; how many went."""
    before = now_us - int(retention.events_s * 1_000_000)
    return len(connection.execute(OLD_CONNECTIONS, (before, TRIMMED_AT_ONCE)).fetchall())
