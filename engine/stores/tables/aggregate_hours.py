"""Which hours of a workspace are to be counted (again): who changes an alert marks its hour, who counts takes it.

A mark is made in the very transaction that changes an alert's row, so whatever happens afterwards, the hour is counted
once more. Who counts takes the mark off first (`TAKE`: its transaction waits for all that were marking) and reads then;
what is changed meanwhile marks the hour anew, and is counted the next time. The `token` that he left says that he is at
it: nobody else writes that hour's figures, and if he never comes back the hour is taken again. So nothing is lost and
nothing is counted twice, wherever a count is interrupted, and two nodes that count the same hour are harmless.

An hour is not counted at once but a while after its first change: `PAUSE_US`, and half a millisecond for each alert
that it had the last time, and as much again for each hour of its age. To read an alert costs some microseconds, so an
hour that changes all the time costs about 1 % of a core, one that is a day old 25 times less, and all of them together,
however many, some 5 %. Decided against: counting by difference with each commit (an upsert does not say what was there
before, and figures that are added to for months are only right if each of a million additions was).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from engine.core.analytics.calendar import HOUR_US
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from protocol.times import SECOND_US

# A page that is looked at is half a minute behind at most, where hours are small.
PAUSE_US = 15 * SECOND_US
PAUSE_EACH_US = 500
# Whoever took an hour and has not come back by then is gone: counting one takes seconds.
LOST_US = 120 * SECOND_US

_LATER = (
    f"excluded.changed + {PAUSE_US} + aggregate_hour.alerts * {PAUSE_EACH_US}"
    f" * (1 + max(0, excluded.changed - aggregate_hour.start) / {HOUR_US})"
)
ON_CONFLICT = (
    f"ON CONFLICT (workspace, start) DO UPDATE SET due = {_LATER}, changed = excluded.changed"
    " WHERE aggregate_hour.due IS NULL"
)
MARKS = Bulk("INSERT INTO aggregate_hour (workspace, start, due, changed)", "iiii", ON_CONFLICT)
_NAME = "(SELECT name FROM workspace WHERE id = aggregate_hour.workspace)"
DUE = f"""
SELECT workspace, start, 0, {_NAME} FROM aggregate_hour INDEXED BY aggregate_hour_due
WHERE due IS NOT NULL AND due <= ? AND token = 0 ORDER BY due LIMIT ?
"""  # noqa: S608
LOST = f"""
SELECT workspace, start, token, {_NAME} FROM aggregate_hour INDEXED BY aggregate_hour_taken
WHERE token <> 0 AND token < ? ORDER BY token LIMIT ?
"""  # noqa: S608
TAKE = (
    "UPDATE aggregate_hour SET token = ?, due = NULL WHERE workspace = ? AND start = ?"
    " AND ((due <= ? AND token = 0) OR token = ?)"
)
HELD = "UPDATE aggregate_hour SET token = token WHERE workspace = ? AND start = ? AND token = ?"
WAITING = """
SELECT (SELECT count(*) FROM aggregate_hour INDEXED BY aggregate_hour_due WHERE due IS NOT NULL)
    + (SELECT count(*) FROM aggregate_hour INDEXED BY aggregate_hour_taken WHERE token <> 0 AND due IS NULL),
    (SELECT min(changed) FROM aggregate_hour INDEXED BY aggregate_hour_due WHERE due IS NOT NULL)
"""
COUNTED = (
    "UPDATE aggregate_hour SET token = 0, alerts = ?, counted_at = ? WHERE workspace = ? AND start = ? AND token = ?"
)


class Hour(NamedTuple):
    """An hour of a workspace (its number, and its name) that was taken, and by which token."""

    workspace: int
    start: int
    token: int
    name: str


def mark_values(times: Iterable[int], now_us: int) -> list[Any]:
    """Rows for `MARKS` of alerts that were triggered then; the workspace's place is filled in later."""
    hours = sorted({at - at % HOUR_US for at in times})
    return [value for start in hours for value in (0, start, now_us + PAUSE_US, now_us)]


def joined(lists: Iterable[Sequence[Any]]) -> list[Any]:
    """The marks of several commits, each hour once, in order: who marks several waits for nobody who waits for him."""
    rows: dict[tuple[Any, Any], Sequence[Any]] = {}
    for values in lists:
        for begin in range(0, len(values), MARKS.width):
            row = values[begin : begin + MARKS.width]
            rows.setdefault((row[0], row[1]), row)
    return [value for place in sorted(rows) for value in rows[place]]


def take(connection: Connection, now_us: int, until_us: int, limit: int) -> list[Hour]:
    """Takes up to `limit` hours that are due by `until_us`, longest first, and those whose taker is lost."""
    found = connection.execute(DUE, (until_us, limit)).fetchall()
    found += connection.execute(LOST, (now_us - LOST_US, limit)).fetchall()
    hours = list[Hour]()
    # In order, as they are marked.
    for workspace, start, lost, name in sorted(found[:limit]):
        if connection.execute(TAKE, (now_us, workspace, start, until_us, lost or -1)).rowcount:
            hours.append(Hour(workspace, start, now_us, name))
    return hours
