"""The questions that a store answers, each a function of a connection. Each is served by an index; a test explains it.

SQL joins the stored JSON bodies into one text and msgspec decodes it: one step of the statement instead of one for
each row, each of which would wait for Python's lock beside a busy loop. Decoding keeps that lock, so it is done for
at most `DECODED_AT_ONCE` rows at a time (about 2 ms).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.stores import Located
from engine.stores.tables import log
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.quiet import storm_of
from engine.stores.tables.rows import (
    decode_alerts,
    decode_events,
    decode_places,
    decode_results,
    decode_rows,
)
from protocol.effects import Recalled
from protocol.model import Alert, ChannelKey, DerivedKey, Event
from protocol.rows import Row

DECODED_AT_ONCE = 500
CHANNEL_PLACE = (
    "SELECT channel.id, channel.last_offset, channel.floor, last_batch, last_results,"
    " log_seq, log_settled FROM workspace"
    " JOIN channel ON channel.workspace = workspace.id WHERE workspace.name = ? AND framework = ?"
)
_CHANNEL_POSITION = (
    "SELECT channel.last_offset, channel.floor, last_batch FROM workspace"
    " JOIN channel ON channel.workspace = workspace.id WHERE workspace.name = ? AND framework = ?"
)
# Open ones; closed ones whose window still suppresses; closed ones that owe a receipt.
# Named by what is nearest at hand: SQLite's indexes have the number of the row in them, Postgres has no such number.
_NUMBER = either(sqlite="rowid AS number", postgres="id AS number")
_HELD = (
    "SELECT json_group_array(number) FROM ("  # noqa: S608  # our own words
    f"SELECT {_NUMBER} FROM alert WHERE channel = ?1 AND state IN (1, 2)"
    f" UNION ALL SELECT {_NUMBER} FROM alert INDEXED BY alert_cooling"
    " WHERE channel = ?1 AND state >= 3 AND window_until > ?2"
    f" UNION ALL SELECT {_NUMBER} FROM alert INDEXED BY alert_owed"
    " WHERE channel = ?1 AND window_count > 0 AND state >= 3 AND window_until <= ?2)"
)
_SOURCED = (
    "SELECT json_group_array(json_array(framework, channel.id)) FROM channel WHERE id IN (SELECT channel FROM alert"
    " INDEXED BY alert_sourced WHERE workspace = ? AND has_sources = 1 AND state < 3)"
)
_WHERE_OPEN = (
    "SELECT json_group_array(value ->> 0) FROM json_each(?) CROSS JOIN alert INDEXED BY alert_sourced"
    " ON workspace = ? AND channel = CAST(value ->> 1 AS INTEGER) AND identity = value ->> 2"
    " AND has_sources = 1 AND state < 3"
)
_BODIES = either(
    sqlite="SELECT group_concat(body) FROM alert WHERE rowid IN (SELECT value FROM json_each(?2)) AND +channel = ?1",
    postgres="SELECT group_concat(body) FROM alert WHERE workspace = (SELECT workspace FROM channel WHERE id = ?1)"
    " AND id IN (SELECT value FROM json_each(?2))",
)
_NUMBERED_BODY = """group_concat('{"workspace_offset":' || workspace_offset || ',' || substr(body, 2))"""
_CHANNEL_EVENTS = (
    f"SELECT {_NUMBERED_BODY} FROM (SELECT workspace_offset, body FROM event"  # noqa: S608  # our own words
    " WHERE channel = ? AND channel_offset > ? ORDER BY channel_offset LIMIT ?)"
)
_WORKSPACE_EVENTS = (
    f"SELECT {_NUMBERED_BODY} FROM (SELECT workspace_offset, body FROM event"  # noqa: S608
    " WHERE workspace = ? AND workspace_offset > ? ORDER BY workspace_offset LIMIT ?)"
)
_USER_EVENTS = (
    """SELECT group_concat('{"workspace_offset":' || workspace_offset || ',"user_offsets":' || places || ',' ||"""
    " substr(body, 2)) FROM (SELECT workspace_offset, body,"
    " json_object((SELECT name FROM person WHERE id = person), person_offset) AS places"
    " FROM entry JOIN event USING (workspace, workspace_offset)"
    " WHERE person = ? AND person_offset > ? ORDER BY person_offset LIMIT ?)"
)
_PERSON = (
    "SELECT person.id, person.last_offset, person.floor FROM workspace"
    " JOIN person ON person.workspace = workspace.id WHERE workspace.name = ? AND person.name = ?"
)
_WORKSPACE = "SELECT id, last_offset, floor FROM workspace WHERE name = ?"
_DUPLICATES = """
SELECT COALESCE(SUM(times - 1), 0) FROM (
    SELECT COUNT(*) AS times FROM alert WHERE state < 3 GROUP BY channel, identity HAVING COUNT(*) > 1
)
"""
_UNSETTLED = (
    "SELECT json_group_array(json_array(workspace.name, framework)) FROM channel"
    " JOIN workspace ON workspace.id = channel.workspace WHERE channel.id IN ("
    "SELECT channel FROM alert INDEXED BY alert_owed WHERE window_count > 0"
    " UNION SELECT channel FROM alert INDEXED BY alert_sourced WHERE has_sources = 1 AND state < 3"
    " UNION SELECT channel FROM alert INDEXED BY alert_quieted_open WHERE quieted IS NOT NULL AND state < 3"
    " UNION SELECT channel FROM alert INDEXED BY alert_taken WHERE state = 2"
    " UNION SELECT channel FROM rule_state INDEXED BY rule_state_waiting WHERE due IS NOT NULL"
    " UNION SELECT id FROM channel INDEXED BY channel_unsettled WHERE log_settled < log_seq)"
)
# One after the other, for a reason that `deliveries.OF_THESE` has.
THESE = either(
    sqlite="alert WHERE workspace = (SELECT id FROM workspace WHERE name = ?1)"
    " AND id IN (SELECT value FROM json_each(?2))",
    postgres="(SELECT DISTINCT jsonb_array_elements_text(?2::text::jsonb)) AS asked (one), LATERAL (SELECT * FROM alert"
    " WHERE workspace = (SELECT id FROM workspace WHERE name = ?1) AND id = asked.one OFFSET 0) AS alert",
)
_LOCATE = (
    "SELECT json_group_array(json_array(alert_id, framework, json(CASE WHEN state >= 3 THEN body END))) FROM"  # noqa: S608
    f" (SELECT alert.id AS alert_id, alert.channel AS place, state, body FROM {THESE})"
    " JOIN channel ON channel.id = place"
)
_ALERT = (
    "SELECT framework, body FROM alert JOIN channel ON channel.id = alert.channel"
    " WHERE alert.workspace = (SELECT id FROM workspace WHERE name = ?) AND alert.id = ?"
)

ALERTS_NAMED = f"SELECT group_concat(body) FROM {THESE}"  # noqa: S608


def recall(connection: Connection, epoch: str, key: ChannelKey, now_us: int) -> Recalled:
    """What a channel's machine continues from."""
    places = connection.execute(CHANNEL_PLACE, key).fetchall()
    if not places:
        return Recalled(epoch=epoch, offset=0)
    number, offset, floor, last_batch, last_results, seq, settled = places[0]
    return Recalled(
        epoch=epoch,
        offset=offset,
        floor=floor,
        rows=tuple(_rows(connection, number, numbers(connection, _HELD, (number, now_us)))),
        last_batch=last_batch,
        last_results=decode_results(last_results),
        storm=storm_of(connection, number),
        seq=seq,
        series=log.series_of(connection, number),
        states=log.states_of(connection, number),
        readings=log.rows_after(connection, number, settled),
    )


def position(connection: Connection, epoch: str, key: ChannelKey) -> Recalled:
    """Where a channel stands, and nothing of what is in it."""
    places = connection.execute(_CHANNEL_POSITION, key).fetchall()
    offset, floor, last_batch = places[0] if places else (0, 0, "")
    return Recalled(epoch=epoch, offset=offset, floor=floor, last_batch=last_batch)


def derived_position(connection: Connection, epoch: str, stream: DerivedKey) -> Recalled:
    """Where a derived stream stands."""
    _, offset, floor = derived_place(connection, stream)
    return Recalled(epoch=epoch, offset=offset, floor=floor)


def derived_place(connection: Connection, stream: DerivedKey) -> tuple[int, int, int]:
    """Number (of the workspace, or of the person), last offset and floor of a derived stream; 0s if it is unknown."""
    if stream.user is None:
        rows = connection.execute(_WORKSPACE, (stream.workspace,)).fetchall()
    else:
        rows = connection.execute(_PERSON, (stream.workspace, stream.user)).fetchall()
    return rows[0] if rows else (0, 0, 0)


def history(connection: Connection, key: ChannelKey, after: int, limit: int) -> list[Event]:
    """Events of a channel, in order."""
    places = connection.execute(CHANNEL_PLACE, key).fetchall()
    return channel_history(connection, places[0][0], after, limit) if places else []


def channel_history(connection: Connection, channel: int, after: int, limit: int) -> list[Event]:
    """Events of a channel that is known by number; several statements."""
    return _stretch(connection, _CHANNEL_EVENTS, channel, lambda event: event.offset, after, limit)


def derived_history(connection: Connection, stream: DerivedKey, after: int, limit: int) -> list[Event]:
    """Events of a derived stream, in its order."""
    number, _, _ = derived_place(connection, stream)
    if stream.user is None:
        return _stretch(connection, _WORKSPACE_EVENTS, number, lambda event: event.workspace_offset, after, limit)
    user = stream.user
    return _stretch(connection, _USER_EVENTS, number, lambda event: event.user_offsets[user], after, limit)


def where_open(connection: Connection, workspace: str, identity_in: Callable[[str], str]) -> list[str]:
    """The frameworks where an open alert that a source reported has this identity: a seek for each that has any."""
    number = workspace_number(connection, workspace)
    places = [[name, channel, identity_in(name)] for name, channel in numbers(connection, _SOURCED, (number,))]
    return sorted(numbers(connection, _WHERE_OPEN, (json.dumps(places), number)))


def unsettled(connection: Connection) -> list[ChannelKey]:
    """Channels that owe receipts or expiries."""
    return [ChannelKey(*names) for names in numbers(connection, _UNSETTLED, ())]


def duplicates(connection: Connection) -> int:
    """Open alerts beyond the first of their identity."""
    ((count,),) = connection.execute(_DUPLICATES).fetchall()
    return int(count)


def locate(connection: Connection, workspace: str, alert_ids: Sequence[str]) -> dict[str, Located]:
    """Channels of alerts, and the rows of those that are closed."""
    found: dict[str, Located] = {}
    for start in range(0, len(alert_ids), DECODED_AT_ONCE):
        wanted = json.dumps(list(alert_ids[start : start + DECODED_AT_ONCE]))
        ((places,),) = connection.execute(_LOCATE, (workspace, wanted)).fetchall()
        for place in decode_places(places):
            found[place.alert_id] = Located(key=ChannelKey(workspace, place.framework), closed=place.closed)
    return found


def alert(connection: Connection, workspace: str, alert_id: str) -> tuple[ChannelKey, Alert] | None:
    """One alert and its channel."""
    for framework, body in connection.execute(_ALERT, (workspace, alert_id)).fetchall():
        return ChannelKey(workspace, framework), decode_alerts(f"[{body}]")[0].alert
    return None


def alerts_named(connection: Connection, workspace: str, alert_ids: Sequence[str]) -> dict[str, Alert]:
    """Those of these that there are."""
    found: dict[str, Alert] = {}
    for start in range(0, len(alert_ids), DECODED_AT_ONCE):
        wanted = json.dumps(list(alert_ids[start : start + DECODED_AT_ONCE]))
        ((bodies,),) = connection.execute(ALERTS_NAMED, (workspace, wanted)).fetchall()
        found |= {row.alert.id: row.alert for row in decode_alerts(f"[{bodies or ''}]")}
    return found


def workspace_number(connection: Connection, name: str) -> int:
    """The number of a workspace; 0, which none has, if it is unknown."""
    rows = connection.execute("SELECT id FROM workspace WHERE name = ?", (name,)).fetchall()
    return int(rows[0][0]) if rows else 0


def numbers(connection: Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    """What a question answers that gives one JSON list."""
    return list(json.loads(connection.execute(sql, values).fetchall()[0][0]))


def _rows(connection: Connection, channel: int, numbers: Sequence[int | str]) -> Iterator[Row]:
    for start in range(0, len(numbers), DECODED_AT_ONCE):
        chunk = json.dumps(numbers[start : start + DECODED_AT_ONCE])
        yield from decode_rows(f"[{connection.execute(_BODIES, (channel, chunk)).fetchall()[0][0]}]")


def _stretch(
    connection: Connection, sql: str, number: int, offset_of: Callable[[Event], int], after: int, limit: int
) -> list[Event]:
    """Events of the stream of this number after an offset, at most `limit`; few enough at a time to be decoded."""
    found: list[Event] = []
    while True:
        wanted = min(limit - len(found), DECODED_AT_ONCE)
        fresh = _events(connection, sql, (number, offset_of(found[-1]) if found else after, wanted))
        found += fresh
        if len(fresh) < wanted or len(found) == limit:
            return found


def _events(connection: Connection, sql: str, values: Sequence[int]) -> list[Event]:
    return decode_events(f"[{connection.execute(sql, values).fetchall()[0][0] or ''}]")
