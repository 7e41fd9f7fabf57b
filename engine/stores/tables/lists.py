"""Lists of alerts: pages with filters, and pages of what is open in a stream.

A page is one seek in an index for each combination of channel, state and severity that is asked for, merged by id, so
it costs the same however many alerts there are.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from msgspec.structs import replace

from engine.pages import PAGE_MAX, Cursors, Name
from engine.stores import AlertPage, AlertQuery, RowPage
from engine.stores.tables.connection import Connection
from engine.stores.tables.queries import CHANNEL_PLACE, derived_place, numbers, workspace_number
from engine.stores.tables.rows import QUIETED, SEVERITIES, STATES, decode_alerts, decode_rows
from protocol.effects import OpenAlerts
from protocol.errors import BadRequest
from protocol.model import OPEN_STATES, Alert, AlertState, ChannelKey, Severity, StreamKey

# Of a page of alerts: the id of its last one.
CURSORS = Cursors("alerts", tuple[Name])
_OPEN = tuple(state for state in AlertState if state in OPEN_STATES)
# One seek each; beyond that (a long allow-list) the workspace's newest are read and the others skipped.
ARMS_MAX = 64
# Ids are made from the clock when a batch is, times of alerts when it is decided: never a day apart.
ID_SLACK_US = 86_400 * 1_000_000
_ID_TIME_MAX_MS = (1 << 48) - 1

_WHOLE, _IDS = "group_concat(shown)", "json_group_array(id)"
_CHANNEL_NUMBERS = (
    "SELECT json_group_array(id) FROM channel WHERE workspace = ? AND framework IN (SELECT value FROM json_each(?))"
)


def alerts(connection: Connection, query: AlertQuery) -> AlertPage:
    """A page of alerts. Raises BadRequest."""
    _check_limit(query)
    found = _list(connection, query)
    items = found[: query.limit]
    return AlertPage(items=items, next_cursor=CURSORS.following(found, query.limit, lambda alert: (alert.id,)))


def open_rows(connection: Connection, query: AlertQuery) -> RowPage:
    """A page of open alerts with all that is kept of them. Raises BadRequest."""
    _check_limit(query)
    found = decode_rows(_bodies(connection, replace(query, states=_OPEN)))
    items = found[: query.limit]
    return RowPage(items=items, next_cursor=CURSORS.following(found, query.limit, lambda row: (row.alert.id,)))


def _check_limit(query: AlertQuery) -> None:
    if not 1 <= query.limit <= PAGE_MAX:
        raise BadRequest(f"limit {query.limit} is not allowed: use 1 to {PAGE_MAX}")


def matching(connection: Connection, query: AlertQuery, limit: int) -> list[str]:
    """The ids of at most `limit` alerts, newest first."""
    query = replace(query, cursor=None, limit=limit - 1)  # the statement is for one more than a page
    sql, values = list_statement(connection, query, _IDS)
    return numbers(connection, sql, values)


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
        cursor=None if before is None else CURSORS.after((before,)),
        limit=limit,
    )
    if isinstance(stream, ChannelKey):
        places = connection.execute(CHANNEL_PLACE, stream).fetchall()
        offset = places[0][1] if places else 0
    else:
        _, offset, _ = derived_place(connection, stream)
    found = _list(connection, query)
    return OpenAlerts(offset=offset, alerts=tuple(found[:limit]), last=len(found) <= limit)


def _list(connection: Connection, query: AlertQuery) -> list[Alert]:
    """The alerts of a page, and one more if there is one."""
    return [row.alert for row in decode_alerts(_bodies(connection, query))]


def _bodies(connection: Connection, query: AlertQuery) -> str:
    sql, values = list_statement(connection, query)
    return f"[{connection.execute(sql, values).fetchall()[0][0] or ''}]"


def list_statement(connection: Connection, query: AlertQuery, shown: str = _WHOLE) -> tuple[str, list[Any]]:
    """The statement for a page and one alert more, with its values: a seek for each combination, merged by id.

    `shown` says what of the alerts is wanted: `_WHOLE` or `_IDS`.
    """
    workspace = workspace_number(connection, query.workspace)
    condition, values = _conditions(query)
    channels = _visible_channels(connection, workspace, query)
    states = [STATES[state] for state in dict.fromkeys(query.states)] or list(STATES.values())
    severities = [SEVERITIES[severity] for severity in dict.fromkeys(query.severities)] or list(SEVERITIES.values())
    arms: list[list[Any]]
    if query.quieted:
        head = "workspace = ? AND quieted = ? AND state = ? AND severity = ?"
        reasons = [QUIETED[reason] for reason in dict.fromkeys(query.quieted)]
        arms = [[workspace, *a] for a in product(reasons, states, severities)]
    elif query.assigned_to is not None:
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
        condition += " AND channel IN (SELECT CAST(value AS INTEGER) FROM json_each(?))"
        values = [*values, json.dumps(channels)]
    column = "body" if shown is _WHOLE else "1"
    arm = f"SELECT id, {column} AS shown FROM alert WHERE {head}{condition}"  # noqa: S608  # our own words
    union = " UNION ALL ".join([arm] * len(arms)) or f"SELECT id, {column} AS shown FROM alert WHERE false"  # noqa: S608
    sql = f"SELECT {shown} FROM (SELECT id, shown FROM ({union} ORDER BY id DESC LIMIT ?))"  # noqa: S608
    return sql, [value for first in arms for value in (*first, *values)] + [query.limit + 1]


def _conditions(query: AlertQuery) -> tuple[str, list[Any]]:
    """What holds besides the columns of the index."""
    found: list[tuple[str, Any]] = []
    if query.cursor is not None:
        found.append(("id < ?", CURSORS.place(query.cursor)[0]))
    if query.quieted and query.assigned_to is not None:
        found.append(("assigned_to = ?", query.assigned_to))
    if query.rule_id is not None:
        found.append(("rule_id = ?", query.rule_id))
    if query.since_us is not None:
        found += [("triggered_at >= ?", query.since_us), ("id >= ?", id_at(query.since_us - ID_SLACK_US))]
    if query.until_us is not None:
        found += [("triggered_at < ?", query.until_us), ("id < ?", id_at(query.until_us + ID_SLACK_US))]
    return "".join(f" AND {text}" for text, _ in found), [value for _, value in found]


def _visible_channels(connection: Connection, workspace: int, query: AlertQuery) -> list[int] | None:
    """Numbers of the channels that are asked for and may be seen; None: all."""
    if query.framework is None and query.frameworks is None:
        return None
    names = {query.framework} if query.framework is not None else set(query.frameworks or ())
    names &= names if query.frameworks is None else set(query.frameworks)
    return numbers(connection, _CHANNEL_NUMBERS, (workspace, json.dumps(sorted(names))))


def id_at(at_us: int) -> str:
    """The least UUIDv7 of a moment (RFC 9562, section 5.7: 48 bits of milliseconds first)."""
    digits = f"{min(max(at_us // 1_000, 0), _ID_TIME_MAX_MS):012x}"
    return f"{digits[:8]}-{digits[8:]}"
