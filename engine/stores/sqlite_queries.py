"""The questions that a store answers, each a function of a connection. Each is served by an index; a test explains it.

SQL joins the stored JSON bodies into one text and msgspec decodes it: one step of the statement instead of one for
each row, each of which would wait for Python's lock beside a busy loop. Decoding keeps that lock, so it is done for
at most `DECODED_AT_ONCE` rows at a time (about 2 ms).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from sqlite3 import Connection
from typing import Any

from engine.stores import PAGE_MAX_ALERTS, AlertPage, AlertQuery
from engine.stores.sqlite_rows import (
    SEVERITIES,
    STATES,
    decode_alerts,
    decode_events,
    decode_results,
    decode_rows,
)
from protocol.effects import OpenAlerts, Recalled, Row
from protocol.errors import BadRequest
from protocol.model import OPEN_STATES, Alert, AlertState, ChannelKey, DerivedKey, Event, Severity, StreamKey

_OPEN = tuple(state for state in AlertState if state in OPEN_STATES)
DECODED_AT_ONCE = 500
# One seek each; beyond that (a long allow-list) the workspace's newest are read and the others skipped.
ARMS_MAX = 64
# Ids are made from the clock when a batch is, times of alerts when it is decided: never a day apart.
_ID_SLACK_US = 86_400 * 1_000_000
_ID_TIME_MAX_MS = (1 << 48) - 1

_PLACE = (
    "SELECT channel.id, channel.last_offset, channel.floor, last_batch, last_results FROM workspace"
    " JOIN channel ON channel.workspace = workspace.id WHERE workspace.name = ? AND framework = ?"
)
# Open ones; closed ones whose window still suppresses; closed ones that owe a receipt.
_HELD = (
    "SELECT json_group_array(number) FROM ("
    "SELECT rowid AS number FROM alert WHERE channel = ?1 AND state IN (0, 1, 2)"
    " UNION ALL SELECT rowid FROM alert INDEXED BY alert_cooling"
    " WHERE channel = ?1 AND state >= 3 AND window_until > ?2"
    " UNION ALL SELECT rowid FROM alert INDEXED BY alert_owed"
    " WHERE channel = ?1 AND window_count > 0 AND state >= 3 AND window_until <= ?2)"
)
_SOURCED = (
    "SELECT json_group_array(alert.rowid) FROM workspace JOIN alert INDEXED BY alert_sourced"
    " ON alert.workspace = workspace.id AND has_sources = 1 AND state < 3 WHERE workspace.name = ?"
)
_BODIES = "SELECT group_concat(body) FROM alert WHERE rowid IN (SELECT value FROM json_each(?))"
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
    """SELECT group_concat('{"workspace_offset":' || workspace_offset || ',"user_offset":' || person_offset || ',' ||"""
    " substr(body, 2)) FROM (SELECT workspace_offset, person_offset, body"
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
    SELECT COUNT(*) AS times FROM alert WHERE state < 3 GROUP BY channel, identity HAVING times > 1
)
"""
_UNSETTLED = (
    "SELECT json_group_array(json_array(workspace.name, framework)) FROM channel"
    " JOIN workspace ON workspace.id = channel.workspace WHERE channel.id IN ("
    "SELECT channel FROM alert INDEXED BY alert_owed WHERE window_count > 0"
    " UNION SELECT channel FROM alert INDEXED BY alert_sourced WHERE has_sources = 1 AND state < 3)"
)
_LOCATE = (
    "SELECT json_group_array(json_array(alert.id, framework)) FROM workspace"
    " JOIN alert ON alert.workspace = workspace.id JOIN channel ON channel.id = alert.channel"
    " WHERE workspace.name = ? AND alert.id IN (SELECT value FROM json_each(?))"
)
_ALERT = (
    "SELECT framework, body FROM workspace JOIN alert ON alert.workspace = workspace.id"
    " JOIN channel ON channel.id = alert.channel WHERE workspace.name = ? AND alert.id = ?"
)
_CHANNEL_NUMBERS = (
    "SELECT json_group_array(id) FROM channel WHERE workspace = ? AND framework IN (SELECT value FROM json_each(?))"
)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Several statements that see one state of the database."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def recall(connection: Connection, epoch: str, key: ChannelKey, now_us: int) -> Recalled:
    """What a channel's machine continues from."""
    with snapshot(connection):
        places = connection.execute(_PLACE, key).fetchall()
        if not places:
            return Recalled(epoch=epoch, offset=0)
        number, offset, floor, last_batch, last_results = places[0]
        return Recalled(
            epoch=epoch,
            offset=offset,
            floor=floor,
            rows=tuple(_rows(connection, _numbers(connection, _HELD, (number, now_us)))),
            last_batch=last_batch,
            last_results=decode_results(last_results),
        )


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
    with snapshot(connection):
        places = connection.execute(_PLACE, key).fetchall()
        return channel_history(connection, places[0][0], after, limit) if places else []


def channel_history(connection: Connection, channel: int, after: int, limit: int) -> list[Event]:
    """Events of a channel that is known by number; several statements."""
    return _stretch(connection, _CHANNEL_EVENTS, channel, lambda event: event.offset, after, limit)


def derived_history(connection: Connection, stream: DerivedKey, after: int, limit: int) -> list[Event]:
    """Events of a derived stream, in its order."""
    with snapshot(connection):
        number, _, _ = derived_place(connection, stream)
        if stream.user is None:
            return _stretch(connection, _WORKSPACE_EVENTS, number, lambda event: event.workspace_offset, after, limit)
        return _stretch(connection, _USER_EVENTS, number, lambda event: event.user_offset, after, limit)


def open_sources(connection: Connection, workspace: str) -> list[Row]:
    """Open alerts that have sources."""
    with snapshot(connection):
        return list(_rows(connection, _numbers(connection, _SOURCED, (workspace,))))


def unsettled(connection: Connection) -> list[ChannelKey]:
    """Channels that owe receipts or expiries."""
    return [ChannelKey(*names) for names in _numbers(connection, _UNSETTLED, ())]


def duplicates(connection: Connection) -> int:
    """Open alerts beyond the first of their identity."""
    ((count,),) = connection.execute(_DUPLICATES).fetchall()
    return int(count)


def locate(connection: Connection, workspace: str, alert_ids: Sequence[str]) -> dict[str, ChannelKey]:
    """Channels of alerts."""
    found = _numbers(connection, _LOCATE, (workspace, json.dumps(list(alert_ids))))
    return {alert_id: ChannelKey(workspace, framework) for alert_id, framework in found}


def alert(connection: Connection, workspace: str, alert_id: str) -> tuple[ChannelKey, Alert] | None:
    """One alert and its channel."""
    for framework, body in connection.execute(_ALERT, (workspace, alert_id)).fetchall():
        return ChannelKey(workspace, framework), decode_alerts(f"[{body}]")[0].alert
    return None


def alerts(connection: Connection, query: AlertQuery) -> AlertPage:
    """A page of alerts. Raises BadRequest."""
    if not 1 <= query.limit <= PAGE_MAX_ALERTS:
        raise BadRequest(f"limit {query.limit} is not allowed: use 1 to {PAGE_MAX_ALERTS}")
    with snapshot(connection):
        found = _list(connection, query)
    items = found[: query.limit]
    return AlertPage(items=items, next_cursor=cursor_of(items[-1].id) if len(found) > query.limit else None)


def open_alerts(
    connection: Connection, stream: StreamKey, min_severity: Severity, before: str | None, limit: int
) -> OpenAlerts:
    """A page of a stream's open alerts, newest first, and where the stream stood then."""
    query = AlertQuery(
        workspace=stream.workspace,
        framework=stream.framework if isinstance(stream, ChannelKey) else None,
        assigned_to=None if isinstance(stream, ChannelKey) else stream.user,
        states=_OPEN,
        severities=tuple(severity for severity in Severity if severity.rank >= min_severity.rank),
        cursor=None if before is None else cursor_of(before),
        limit=limit,
    )
    with snapshot(connection):
        if isinstance(stream, ChannelKey):
            places = connection.execute(_PLACE, stream).fetchall()
            offset = places[0][1] if places else 0
        else:
            _, offset, _ = derived_place(connection, stream)
        found = _list(connection, query)
    return OpenAlerts(offset=offset, alerts=tuple(found[:limit]), last=len(found) <= limit)


def _list(connection: Connection, query: AlertQuery) -> list[Alert]:
    """The alerts of a page, and one more if there is one."""
    sql, values = list_statement(connection, query)
    found = decode_alerts(f"[{connection.execute(sql, values).fetchall()[0][0] or ''}]")
    return [row.alert for row in found]


def list_statement(connection: Connection, query: AlertQuery) -> tuple[str, list[Any]]:
    """The statement for a page and one alert more, with its values: a seek for each combination, merged by id."""
    workspace = _workspace_number(connection, query.workspace)
    condition, values = _conditions(query)
    channels = _visible_channels(connection, workspace, query)
    states = [STATES[state] for state in dict.fromkeys(query.states)] or list(STATES.values())
    severities = [SEVERITIES[severity] for severity in dict.fromkeys(query.severities)] or list(SEVERITIES.values())
    arms: list[list[Any]]
    if query.assigned_to is not None:
        head = "workspace = ? AND assigned_to = ? AND state = ? AND severity = ?"
        arms = [[workspace, query.assigned_to, *a] for a in product(states, severities)]
    elif channels is not None and len(channels) * len(states) * len(severities) <= ARMS_MAX:
        head, arms = "channel = ? AND state = ? AND severity = ?", [[*a] for a in product(channels, states, severities)]
    else:
        head, arms = "workspace = ?", [[workspace]]
        if query.states or query.severities:
            head += " AND state = ? AND severity = ?"
            arms = [[workspace, *a] for a in product(states, severities)]
    if channels is not None and not head.startswith("channel"):
        condition += " AND channel IN (SELECT value FROM json_each(?))"
        values = [*values, json.dumps(channels)]
    arm = f"SELECT id, body FROM alert WHERE {head}{condition}"  # noqa: S608  # our own words, values are parameters
    union = " UNION ALL ".join([arm] * len(arms)) or "SELECT id, body FROM alert WHERE false"
    sql = f"SELECT group_concat(body) FROM (SELECT body FROM ({union} ORDER BY id DESC LIMIT ?))"  # noqa: S608
    return sql, [value for first in arms for value in (*first, *values)] + [query.limit + 1]


def _conditions(query: AlertQuery) -> tuple[str, list[Any]]:
    """What holds besides the columns of the index."""
    found: list[tuple[str, Any]] = []
    if query.cursor is not None:
        found.append(("id < ?", place_of(query.cursor)))
    if query.rule_id is not None:
        found.append(("rule_id = ?", query.rule_id))
    if query.since_us is not None:
        found += [("triggered_at >= ?", query.since_us), ("id >= ?", _id_at(query.since_us - _ID_SLACK_US))]
    if query.until_us is not None:
        found += [("triggered_at < ?", query.until_us), ("id < ?", _id_at(query.until_us + _ID_SLACK_US))]
    return "".join(f" AND {text}" for text, _ in found), [value for _, value in found]


def _visible_channels(connection: Connection, workspace: int, query: AlertQuery) -> list[int] | None:
    """Numbers of the channels that are asked for and may be seen; None: all."""
    if query.framework is None and query.frameworks is None:
        return None
    names = {query.framework} if query.framework is not None else set(query.frameworks or ())
    names &= names if query.frameworks is None else set(query.frameworks)
    return _numbers(connection, _CHANNEL_NUMBERS, (workspace, json.dumps(sorted(names))))


def _workspace_number(connection: Connection, name: str) -> int:
    """The number of a workspace; 0, which none has, if it is unknown."""
    rows = connection.execute("SELECT id FROM workspace WHERE name = ?", (name,)).fetchall()
    return int(rows[0][0]) if rows else 0


def _numbers(connection: Connection, sql: str, values: Sequence[Any]) -> list[Any]:
    return list(json.loads(connection.execute(sql, values).fetchall()[0][0]))


def _rows(connection: Connection, numbers: Sequence[int]) -> Iterator[Row]:
    for start in range(0, len(numbers), DECODED_AT_ONCE):
        chunk = json.dumps(numbers[start : start + DECODED_AT_ONCE])
        yield from decode_rows(f"[{connection.execute(_BODIES, (chunk,)).fetchall()[0][0]}]")


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


def _id_at(at_us: int) -> str:
    """The least UUIDv7 of a moment (RFC 9562, section 5.7: 48 bits of milliseconds first)."""
    digits = f"{min(max(at_us // 1_000, 0), _ID_TIME_MAX_MS):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def cursor_of(place: str) -> str:
    """What a page is asked for that goes on after this place."""
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def place_of(cursor: str) -> str:
    """The place that a cursor means. Raises BadRequest."""
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as fault:
        raise BadRequest("cursor is not one of ours: use next_cursor of the page before, or none") from fault
