"""Writes what an hour comes to, and what that changes in its day, week and month, a few milliseconds at a time.

What is kept of an hour is compared with what was counted, and only what differs is written: the hour's own row, and its
difference added to seven others (day, week, month; and hour, day, week, month of all rules together). Each transaction
does that for some groups, whole, and says first that the hour is still ours. So it may be interrupted anywhere: what is
written is right, what is not is found to differ the next time, and to count again what was counted changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.core.analytics.calendar import Width, start_of
from engine.core.analytics.counts import FIGURES, NONE, Counts
from engine.stores.tables import aggregate_hours as hours
from engine.stores.tables.aggregate_counts import Group
from engine.stores.tables.aggregate_hours import Hour
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection, either

WIDTHS = {width: number for number, width in enumerate(Width, 1)}
ALL_RULES, BY_RULE = 0, 1
# Groups in a transaction, eight rows each.
GROUPS_AT_ONCE = 40

_VALUES = (*FIGURES, "times")
_KEY = "workspace, detail, width, start, channel, rule, severity"
ROWS = Bulk(
    f"INSERT INTO aggregate ({_KEY}, {', '.join(_VALUES)})",
    "iiiiiti" + "i" * len(FIGURES) + "t",
    f"ON CONFLICT ({_KEY}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _VALUES)}",
)
OF_HOUR = f"""
SELECT channel, rule, severity, {", ".join(_VALUES)} FROM aggregate
WHERE workspace = ? AND detail = {BY_RULE} AND width = {WIDTHS[Width.HOUR]} AND start = ?
"""  # noqa: S608  # our own words
_IS_WANTED = """
    aggregate.workspace = ?1
    AND aggregate.detail = CAST(wanted.value ->> 0 AS INTEGER) AND aggregate.width = CAST(wanted.value ->> 1 AS INTEGER)
    AND aggregate.start = CAST(wanted.value ->> 2 AS INTEGER)
    AND aggregate.channel = CAST(wanted.value ->> 3 AS INTEGER)
    AND aggregate.rule = wanted.value ->> 4 AND aggregate.severity = CAST(wanted.value ->> 5 AS INTEGER)
"""
# Postgres plans for any list, as `deliveries.OF_THESE` says: it would read all counts of the workspace instead.
_WANTED = either(
    sqlite=f"json_each(?2) AS wanted CROSS JOIN aggregate ON {_IS_WANTED}",
    postgres="jsonb_array_elements(?2::text::jsonb) AS wanted, LATERAL ("  # noqa: S608  # our own words
    f"SELECT * FROM aggregate WHERE {_IS_WANTED} OFFSET 0) AS aggregate",
)
_OF_THESE = ("detail", "width", "start", "channel", "rule", "severity", *_VALUES)
THESE = f"SELECT {', '.join(f'aggregate.{name}' for name in _OF_THESE)} FROM {_WANTED}"  # noqa: S608
GONE = f"DELETE FROM aggregate WHERE {' AND '.join(f'{name} = ?' for name in _KEY.split(', '))}"  # noqa: S608


class Place(NamedTuple):
    """A row of the table within a workspace."""

    detail: int
    width: int
    start: int
    group: Group


decode_times = msgspec.json.Decoder(dict[int, int]).decode
_encode = msgspec.json.Encoder().encode


def kept(connection: Connection, hour: Hour) -> dict[Group, Counts]:
    """What is kept of an hour."""
    rows = connection.execute(OF_HOUR, (hour.workspace, hour.start)).fetchall()
    return {Group(*row[:3]): _counts(row[3:]) for row in rows}


def different(before: Mapping[Group, Counts], after: Mapping[Group, Counts]) -> list[Group]:
    """The groups whose figures are not as they were."""
    return [group for group in sorted(before.keys() | after) if before.get(group, NONE) != after.get(group, NONE)]


def parts(groups: Sequence[Group]) -> list[Sequence[Group]]:
    """What is to be written, a transaction each; at least one, which says that the hour is counted."""
    return [groups[at : at + GROUPS_AT_ONCE] for at in range(0, max(len(groups), 1), GROUPS_AT_ONCE)]


def write(
    connection: Connection, hour: Hour, part: Sequence[Group], counted: Mapping[Group, Counts], ended_us: int | None
) -> bool:
    """Some groups of an hour; `ended_us`: that was the last of it, now. False: somebody else has the hour."""
    if not connection.execute(hours.HELD, (hour.workspace, hour.start, hour.token)).rowcount:
        return False
    if part:
        _add(connection, hour, part, counted)
    if ended_us is not None:
        alerts = sum(each.alerts for each in counted.values())
        connection.execute(hours.COUNTED, (alerts, ended_us, hour.workspace, hour.start, hour.token))
    return True


def _add(connection: Connection, hour: Hour, part: Sequence[Group], counted: Mapping[Group, Counts]) -> None:
    own = {group: Place(BY_RULE, WIDTHS[Width.HOUR], hour.start, group) for group in part}
    sums = {group: _sums(hour.start, group) for group in part}
    places = dict.fromkeys([*own.values(), *(place for each in sums.values() for place in each)])
    rows = _read(connection, hour.workspace, places)
    for group in part:
        now = counted.get(group, NONE)
        change = now.minus(rows.get(own[group], NONE))
        rows[own[group]] = now
        for place in sums[group]:
            rows[place] = rows.get(place, NONE).plus(change)
    _write(connection, hour.workspace, rows)


def _sums(start: int, group: Group) -> list[Place]:
    """The rows besides the hour's own that have an alert of this hour and group in them."""
    everybody = Group(group.channel, "", group.severity)
    return [
        Place(detail, number, start_of(width, start), group if detail else everybody)
        for width, number in WIDTHS.items()
        for detail in (ALL_RULES, BY_RULE)
        if detail == ALL_RULES or width is not Width.HOUR
    ]


def _read(connection: Connection, workspace: int, places: Iterable[Place]) -> dict[Place, Counts]:
    wanted = _encode([(*place[:3], *place.group) for place in places]).decode()
    rows = connection.execute(THESE, (workspace, wanted)).fetchall()
    return {Place(row[0], row[1], row[2], Group(row[3], row[4], row[5])): _counts(row[6:]) for row in rows}


def _write(connection: Connection, workspace: int, rows: Mapping[Place, Counts]) -> None:
    filled = {place: counts for place, counts in rows.items() if counts != NONE}
    values = [
        value
        for place, counts in filled.items()
        for value in (workspace, *place[:3], *place.group, *counts.figures, _times_text(counts))
    ]
    ROWS.run(connection, values)
    for place in rows.keys() - filled.keys():
        connection.execute(GONE, (workspace, *place[:3], *place.group))


def _times_text(counts: Counts) -> str:
    """In order, so that the same counts are the same row."""
    return _encode(dict(sorted(counts.times.items()))).decode()


def _counts(row: Sequence[Any]) -> Counts:
    return Counts(tuple(row[:-1]), decode_times(row[-1]))
