"""Trackers and the alerts of steps, as lists: each page is a seek in an index, or one for each state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.pages import Cursors, Name, Number
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.queries import workspace_number
from engine.stores.tables.rows import STATES, decode_alerts
from engine.stores.workflows import StepAlertPage, StepAlertQuery, TrackerPage, TrackerQuery
from protocol.times import parse_rfc3339
from protocol.workflows import Tracker, Workflow

DEFINITIONS = (
    "SELECT group_concat(body) FROM object WHERE kind = 'workflow' AND workspace = ?"
    " AND id IN (SELECT value FROM json_each(?))"
)
_CHANNEL = "SELECT id FROM channel WHERE workspace = ? AND framework = ?"
_CHANNELS = "(SELECT id FROM channel WHERE workspace = ? AND framework IN (SELECT value FROM json_each(?)))"
# Where a page ended. Of trackers: the project; of late ones the time before that.
CURSORS = Cursors("trackers", tuple[Name])
LATE_CURSORS = Cursors("late trackers", tuple[Number, Name])
# Of alerts: the time, and what tells apart those of the same time.
ALERT_CURSORS = Cursors("step alerts", tuple[Number, Number, Number | Name])
_LAST = either(sqlite="rowid", postgres="id")  # what tells apart those of the same time

_trackers = msgspec.json.Decoder(list[Tracker]).decode
_definitions = msgspec.json.Decoder(list[Workflow]).decode


def trackers(connection: Connection, query: TrackerQuery) -> TrackerPage:
    """A page of trackers, and the definitions that they follow. Raises BadRequest for a bad cursor."""
    sql, values = tracker_statement(query)
    found = _trackers(f"[{connection.execute(sql, values).fetchone()[0] or ''}]")
    items = found[: query.limit]
    ids = json.dumps(list(dict.fromkeys(item.workflow_id for item in items)))
    definitions = connection.execute(DEFINITIONS, (query.workspace, ids)).fetchone()[0]
    return TrackerPage(
        items=items,
        workflows={each.id: each for each in _definitions(f"[{definitions or ''}]")},
        next_cursor=_following(query, found),
    )


def tracker_statement(query: TrackerQuery) -> tuple[str, list[Any]]:
    """The statement for a page and one tracker more, with its values."""
    where, values = "workspace = ?", list[Any]([query.workspace])
    for column, wanted in (("project", query.project_id), ("item", query.item_id), ("workflow", query.workflow_id)):
        if wanted is not None:
            where += f" AND {column} = ?"
            values.append(wanted)
    if query.projects is not None:
        where += " AND project IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(query.projects))
    order = "project"
    if query.late_before_us is not None:
        order = "late_at, project"
        where += " AND late_at < ?"
        values.append(query.late_before_us)
    if query.cursor is not None:
        cursors: Cursors[Any] = CURSORS if query.late_before_us is None else LATE_CURSORS
        place = cursors.place(query.cursor)
        where += f" AND ({order}) > ({','.join('?' * len(place))})"
        values += place
    sql = f"SELECT group_concat(body) FROM (SELECT body FROM tracker WHERE {where} ORDER BY {order} LIMIT ?)"  # noqa: S608
    return sql, [*values, query.limit + 1]


def step_alerts(connection: Connection, query: StepAlertQuery) -> StepAlertPage:
    """A page of the alerts about steps, newest first. Raises BadRequest for a bad cursor."""
    workspace = workspace_number(connection, query.workspace)
    sql, values = step_alert_statement(query, workspace, _channel_of(connection, query, workspace))
    found = connection.execute(sql, values).fetchall()
    items = [row.alert for row in decode_alerts(f"[{','.join(body for body, *_ in found[: query.limit])}]")]
    return StepAlertPage(items=items, next_cursor=ALERT_CURSORS.following(found, query.limit, lambda row: row[1:]))


def step_alert_statement(query: StepAlertQuery, workspace: int, channel: int) -> tuple[str, list[Any]]:
    """The statement for a page and one alert more; of one project a seek for each state, else the newest of all."""
    condition, more = "", list[Any]()
    if query.cursor is not None:
        at, *last = ALERT_CURSORS.place(query.cursor)
        condition = f" AND triggered_at <= ? AND (triggered_at < ? OR (channel, {_LAST}) > (?, ?))"
        more = [at, at, *last]
    if query.project_id is None:
        heads: list[list[int]] = [[workspace]]
        head = "workspace = ?"
        if query.projects is not None:
            condition += f" AND channel IN {_CHANNELS}"
            more += [workspace, json.dumps(query.projects)]
    else:
        states = list(STATES.values()) if query.state is None else [STATES[query.state]]
        heads, head = [[channel, state] for state in states], "channel = ? AND state = ?"
    arm = f"SELECT body, triggered_at, channel, {_LAST} FROM alert WHERE step IS NOT NULL AND {head}{condition}"  # noqa: S608
    sql = f"{' UNION ALL '.join([arm] * len(heads))} ORDER BY triggered_at DESC, channel, {_LAST} LIMIT ?"
    return sql, [value for first in heads for value in (*first, *more)] + [query.limit + 1]


def _channel_of(connection: Connection, query: StepAlertQuery, workspace: int) -> int:
    """The number of the project's channel; 0, which none has, if there is none that may be seen."""
    if query.project_id is None or (query.projects is not None and query.project_id not in query.projects):
        return 0
    rows = connection.execute(_CHANNEL, (workspace, query.project_id)).fetchall()
    return int(rows[0][0]) if rows else 0


def _following(query: TrackerQuery, found: Sequence[Tracker]) -> str | None:
    if query.late_before_us is None:
        return CURSORS.following(found, query.limit, lambda tracker: (tracker.project_id,))
    # Late ones have a time.
    return LATE_CURSORS.following(
        found, query.limit, lambda tracker: (parse_rfc3339(tracker.late_at or ""), tracker.project_id)
    )
