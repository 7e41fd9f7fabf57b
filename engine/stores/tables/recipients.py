"""Who has received which message of a stream: marks are written in batches, and asked by alert.

A mark says that a person received (or saw) a stretch of one stream. An alert stands in up to three streams, its
channel's, its workspace's and one person's, at the places where it was told first; whoever marked one of these places
has received it. People are found one by one in the index (skip scan), so a page costs a few seeks for each of them,
however many marks they have made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.pages import Cursors, Name
from engine.stores import RecipientPage
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from engine.stores.tables.queries import CHANNEL_PLACE, derived_place
from protocol.effects import AlertRecipient, RecipientMark
from protocol.model import ChannelKey, Severity, StreamKey
from protocol.times import rfc3339

# Of a page: the name of its last person.
CURSORS = Cursors("recipients", tuple[Name])
# Which kind of stream a number belongs to.
CHANNEL, WORKSPACE, PERSON = range(3)
MARKS = Bulk(
    "INSERT INTO recipient_mark (scope, stream, user, is_seen, min_severity, after, until, at)",
    "iitiiiii",
    "ON CONFLICT DO NOTHING",
)
KNOWN_MARK = (
    "SELECT 1 FROM recipient_mark WHERE scope = ? AND stream = ? AND user = ? AND is_seen = ? AND until >= ?"
    " AND after <= ? AND after >= 0 AND min_severity <= ? LIMIT 1"
)
ALERT_PLACES = (
    "SELECT channel, first_offset, alert.workspace, first_workspace_offset, resolved_at,"
    " (SELECT json_extract(event.body, '$.alert.severity') FROM event"
    " WHERE event.channel = alert.channel AND channel_offset = first_offset)"
    " FROM workspace JOIN alert ON alert.workspace = workspace.id WHERE workspace.name = ? AND alert.id = ?"
)
ALERT_ENTRIES = "SELECT person, person_offset FROM entry WHERE workspace = ? AND workspace_offset = ?"
_NEXT_READER = (
    "SELECT min((SELECT m.user FROM recipient_mark AS m WHERE m.scope = place.scope AND m.stream = place.stream"
    " AND m.user > {after} ORDER BY m.user LIMIT 1)) FROM place"
)
_FIRST_MARK = (
    "SELECT min((SELECT m.at FROM recipient_mark AS m WHERE m.scope = place.scope AND m.stream = place.stream"
    " AND m.user = reader.user AND m.is_seen = {is_seen} AND m.until >= place.told AND m.min_severity <= ?4"
    " AND (m.after BETWEEN 0 AND place.told - 1 OR (m.after = -1 AND (CAST(?5 AS INTEGER) IS NULL OR m.at <= ?5)))"
    " ORDER BY m.until LIMIT 1)) FROM place"
)
RECIPIENTS = (
    "WITH RECURSIVE place (scope, stream, told) AS MATERIALIZED ("  # noqa: S608  # our own words
    "SELECT CAST(value ->> 0 AS INTEGER), CAST(value ->> 1 AS INTEGER), CAST(value ->> 2 AS INTEGER)"
    " FROM json_each(?1)"
    f"), reader (user) AS ({_NEXT_READER.format(after='?2')}"
    f" UNION ALL SELECT ({_NEXT_READER.format(after='reader.user')}) FROM reader WHERE reader.user IS NOT NULL)"
    f" SELECT user, received, seen FROM (SELECT user, ({_FIRST_MARK.format(is_seen=0)}) AS received,"
    f" ({_FIRST_MARK.format(is_seen=1)}) AS seen FROM reader WHERE user IS NOT NULL)"
    " WHERE coalesce(received, seen) IS NOT NULL LIMIT ?3"
)


def write_marks(connection: Connection, marks: Sequence[RecipientMark]) -> None:
    """Writes marks; one that says nothing new, and one of a stream that there is not, is left out."""
    places: dict[StreamKey | None, tuple[int, int]] = {}
    values: list[Any] = []
    for mark in marks:
        if mark.stream not in places:
            places[mark.stream] = _place(connection, mark.stream)
        scope, stream = places[mark.stream]
        known = (scope, stream, mark.user, int(mark.is_seen), mark.until, mark.after, mark.min_severity.rank)
        if stream and not connection.execute(KNOWN_MARK, known).fetchall():
            values += (
                scope,
                stream,
                mark.user,
                int(mark.is_seen),
                mark.min_severity.rank,
                mark.after,
                mark.until,
                mark.at,
            )
    MARKS.run(connection, values)


def recipients(connection: Connection, workspace: str, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
    """Who has received an alert, in the order of their names. Raises BadRequest for a bad cursor."""
    after = "" if cursor is None else CURSORS.place(cursor)[0]
    places, severity, over_at = _places(connection, workspace, alert_id)
    found = connection.execute(RECIPIENTS, (json.dumps(places), after, limit + 1, severity, over_at)).fetchall()
    items = [
        AlertRecipient(user=user, received_at=_moment(_earlier(received, seen)), seen_at=_moment(seen))
        for user, received, seen in found[:limit]
    ]
    return RecipientPage(items=items, next_cursor=CURSORS.following(found, limit, lambda row: row[:1]))


def _places(
    connection: Connection, workspace: str, alert_id: str
) -> tuple[list[tuple[int, int, int]], int, int | None]:
    """Where an alert was told first (scope, stream, offset), how severe it was then, and when it was resolved."""
    rows = connection.execute(ALERT_PLACES, (workspace, alert_id)).fetchall()
    # Without its first event (trimmed, or never told) nobody is known to have received it.
    if not rows or rows[0][5] is None:
        return [], 0, None
    channel, offset, number, workspace_offset, over_at, severity = rows[0]
    entries = connection.execute(ALERT_ENTRIES, (number, workspace_offset)).fetchall()
    places = [(CHANNEL, channel, offset), (WORKSPACE, number, workspace_offset)]
    return [*places, *((PERSON, person, place) for person, place in entries)], Severity(severity).rank, over_at


def _place(connection: Connection, stream: StreamKey) -> tuple[int, int]:
    """Scope and number of a stream; number 0: there is none."""
    if isinstance(stream, ChannelKey):
        rows = connection.execute(CHANNEL_PLACE, stream).fetchall()
        return CHANNEL, rows[0][0] if rows else 0
    return WORKSPACE if stream.user is None else PERSON, derived_place(connection, stream)[0]


def _earlier(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else min(one, other)


def _moment(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
