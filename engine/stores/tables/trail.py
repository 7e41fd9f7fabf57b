"""The audit trail in the store: two tables that are only ever added to, read as one list, newest first.

A page is one seek in each table for the filter that narrows most (one target, else one person, else one verb, else
time alone), from the place where the page before ended; the rest of the filters is looked at line by line.
"""

from __future__ import annotations

import json
from typing import Any

from engine.stores.tables.connection import Connection
from engine.stores.tables.queries import workspace_number
from engine.stores.trail import TrailKind, TrailLine, TrailPlace, TrailQuery

_NUMBER_MAX = (1 << 63) - 1
_TIME_MAX = (1 << 63) - 1
# Table, its columns in the order of a line's fields, and what its target is called.
_TABLES = {
    TrailKind.ALERT: ("audit", "at, id, by, verb, alert_id, address, notes, before, after", "alert_id"),
    TrailKind.ADMINISTRATION: (
        "administrative_act",
        "at, id, by, verb, target, address, notes, before, after",
        "target",
    ),
}


def trail(connection: Connection, query: TrailQuery) -> list[TrailLine]:
    """The lines of a page."""
    found: list[TrailLine] = []
    for kind in query.kinds:
        sql, values = trail_statement(connection, query, kind)
        found += [_line(kind, row) for row in connection.execute(sql, values).fetchall()]
    kinds = list(TrailKind)
    found.sort(key=lambda line: (line.place.at, kinds.index(line.place.kind), line.place.number), reverse=True)
    return found[: query.limit]


def trail_statement(connection: Connection, query: TrailQuery, kind: TrailKind) -> tuple[str, list[Any]]:
    """The statement for a page's lines of one kind, with its values."""
    table, columns, target = _TABLES[kind]
    workspace = workspace_number(connection, query.workspace) if kind is TrailKind.ALERT else query.workspace
    at, number = _below(query, kind)
    found: list[tuple[str, Any]] = [("workspace = ?", workspace)]
    given = [(target, query.target), ("by", query.by), ("verb", query.verbs[0] if len(query.verbs) == 1 else None)]
    narrow = [(column, value) for column, value in given if value is not None]
    # Only the first has an index of its own; a `+` keeps the planner from taking another one for the rest.
    found += [(f"{'+' * (place > 0)}{column} = ?", value) for place, (column, value) in enumerate(narrow)]
    if len(query.verbs) > 1:
        found.append(("+verb IN (SELECT value FROM json_each(?))", json.dumps(query.verbs)))
    found += [("at <= ?", at), ("(at < ? OR id < ?)", at), ("", number)]
    if query.since_us is not None:
        found.append(("at >= ?", query.since_us))
    condition = " AND ".join(text for text, _ in found if text)
    sql = f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY at DESC, id DESC LIMIT ?"  # noqa: S608  # our words
    return sql, [value for _, value in found] + [query.limit]


def _below(query: TrailQuery, kind: TrailKind) -> tuple[int, int]:
    """Up to which time, and at that time below which number, lines of this kind still belong on the page."""
    at = _TIME_MAX if query.until_us is None else query.until_us - 1
    place = query.before
    if place is None or place.at > at:
        return at, _NUMBER_MAX
    kinds = list(TrailKind)
    later = kinds.index(kind) - kinds.index(place.kind)
    return place.at, place.number if later == 0 else 0 if later > 0 else _NUMBER_MAX


def _line(kind: TrailKind, row: tuple[Any, ...]) -> TrailLine:
    at, number, by, verb, target, address, notes, before, after = row
    return TrailLine(
        place=TrailPlace(at=at, kind=kind, number=number),
        by=by,
        verb=verb,
        target=target,
        address=address,
        notes=notes,
        before=json.loads(before) if before else {},
        after=json.loads(after) if after else {},
    )
