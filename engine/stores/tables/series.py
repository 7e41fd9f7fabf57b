"""What is asked of readings: which series there are, and a metric's readings, raw or by the minute or hour.

Roll-ups are read series by series, one seek each, and completed with what of the log is not in them yet. Raw readings
come in the order of the rows that they are in. A page reads a bounded part of the log, so it may be short, or empty,
and yet have a next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.pages import Count, Cursors, Number
from engine.stores.readings import (
    PAGE_MAX_READINGS,
    ReadingPage,
    ReadingQuery,
    Resolution,
    SeriesInfo,
    SeriesPage,
)
from engine.stores.tables.connection import Connection
from engine.stores.tables.log import decode_labels, decode_row
from engine.stores.tables.rollup import HOUR_S, LOG_ROWS, MINUTE_S, Bucket, Minutes, Place, by_hour, sum_up
from protocol.errors import BadRequest
from protocol.readings import ReadingPoint
from protocol.times import SECOND_US, rfc3339

# Of the log, for one page: about 10 ms. While the roll-ups are further behind, their newest readings are not shown yet.
ROWS_A_PAGE = 50
# Series that a page looks into: most of them may have nothing in the time asked for.
SERIES_A_PAGE = 500
# More than any row of the log has.
_SEQ_MAX = 10**18 - 1
# Where a page ended. Raw: time and number of the log's row that is not told to its end, and how much of it is told.
RAW_CURSORS = Cursors("raw readings", tuple[Number, Number, Count])
# Rolled up: the number of the series, and the start of its last bucket that was told.
ROLLED_CURSORS = Cursors("readings", tuple[Number, Number])
SERIES_CURSORS = Cursors("series", tuple[Number])
PLACE = (
    "SELECT channel.id, log_seq, log_rolled, roll_until, roll_series, roll_start FROM workspace"
    " JOIN channel ON channel.workspace = workspace.id WHERE workspace.name = ? AND framework = ?"
)
SERIES_OF_METRIC = "SELECT number, labels FROM series WHERE channel = ? AND metric = ? AND number >= ? ORDER BY number"
SERIES_OF_CHANNEL = (
    "SELECT number, metric, labels, last_at, last_value FROM series WHERE channel = ? AND number > ?"
    " ORDER BY number LIMIT ?"
)
RAW = (
    "SELECT seq, at, body, last_at FROM reading WHERE channel = ? AND (last_at, seq) > (?, ?) AND first_at < ?"
    " ORDER BY last_at, seq LIMIT ?"
)
BUCKETS = (
    "SELECT start, readings, total, least, most, last_at, last_value FROM rollup"
    " WHERE channel = ? AND series = ? AND width_s = ? AND start > ? AND start < ? ORDER BY start LIMIT ?"
)


Row = tuple[Any, ...]


def readings(connection: Connection, query: ReadingQuery) -> ReadingPage:
    """A page of readings. Raises BadRequest for a bad cursor or limit."""
    _check_limit(query.limit)
    is_raw = query.resolution is Resolution.RAW
    cursors: Cursors[Any] = RAW_CURSORS if is_raw else ROLLED_CURSORS
    place = None if query.cursor is None else cursors.place(query.cursor)
    for channel, *log in connection.execute(PLACE, (query.workspace, query.framework)).fetchall():
        if is_raw:
            return _raw(connection, channel, query, place)
        return _rolled(connection, channel, query, place, _tail(connection, channel, log))
    return ReadingPage(items=[])


def series(connection: Connection, workspace: str, framework: str, cursor: str | None, limit: int) -> SeriesPage:
    """A page of a framework's series. Raises BadRequest for a bad cursor or limit."""
    _check_limit(limit)
    (after,) = (0,) if cursor is None else SERIES_CURSORS.place(cursor)
    found: list[Row] = []
    fresh: dict[int, Bucket] = {}
    for channel, *log in connection.execute(PLACE, (workspace, framework)).fetchall():
        found = connection.execute(SERIES_OF_CHANNEL, (channel, after, limit + 1)).fetchall()
        # In order of time: the last one of a series is its newest.
        fresh = {place.series: bucket for place, bucket in sorted(_tail(connection, channel, log).items(), key=_at)}
    items = [_info(row, fresh.get(row[0])) for row in found[:limit]]
    return SeriesPage(items=items, next_cursor=SERIES_CURSORS.following(found, limit, lambda row: row[:1]))


def _info(row: Row, fresh: Bucket | None) -> SeriesInfo:
    _, metric, labels, last_at, last_value = row
    if fresh is not None and (last_at is None or fresh.last_at >= last_at):
        last_at, last_value = fresh.last_at, fresh.last_value
    return SeriesInfo(metric, decode_labels(labels), None if last_at is None else rfc3339(last_at), last_value)


def _matching(connection: Connection, channel: int, query: ReadingQuery, first: int = 0) -> dict[int, dict[str, str]]:
    """Labels of the series that are asked for, by number, from `first` on."""
    rows = connection.execute(SERIES_OF_METRIC, (channel, query.metric, first)).fetchall()
    found = ((number, decode_labels(labels)) for number, labels in rows)
    return {number: labels for number, labels in found if query.labels.items() <= labels.items()}


def _raw(connection: Connection, channel: int, query: ReadingQuery, place: tuple[int, int, int] | None) -> ReadingPage:
    """Reads rows of the log until the page is full, or was expensive enough."""
    wanted, items = _matching(connection, channel, query), list[ReadingPoint]()
    last_at, seq, skip = place or (query.since_us - 1, _SEQ_MAX, 0)
    rows = connection.execute(RAW, (channel, last_at, seq, query.until_us, ROWS_A_PAGE)).fetchall()
    for row_seq, at, body, row_last_at in rows:
        logged = decode_row(row_seq, at, body)
        for index in range(skip, len(logged.values)):
            number, time, value = logged.series[index], logged.times[index], logged.values[index]
            if number not in wanted or not query.since_us <= time < query.until_us:
                continue
            if len(items) == query.limit:
                return ReadingPage(items=items, next_cursor=RAW_CURSORS.after((last_at, seq, index)))
            items.append(_point(time, wanted[number], Bucket(time, value)))
        last_at, seq, skip = row_last_at, row_seq, 0
    following = RAW_CURSORS.after((last_at, seq, 0)) if len(rows) == ROWS_A_PAGE else None
    return ReadingPage(items=items, next_cursor=following)


def _rolled(
    connection: Connection, channel: int, query: ReadingQuery, place: tuple[int, int] | None, minutes: Minutes
) -> ReadingPage:
    """Series by series: the roll-ups, completed with the tail of the log, until the page is full."""
    is_hour = query.resolution is Resolution.HOUR
    width_s = HOUR_S if is_hour else MINUTE_S
    tail = _by_series(by_hour(minutes) if is_hour else minutes)
    # The bucket that `since` is in is told as well.
    first = query.since_us - width_s * SECOND_US
    items: list[ReadingPoint] = []
    number, after = place or (0, first)
    for visited, (found, labels) in enumerate(_matching(connection, channel, query, number).items()):
        after = after if found == number else first
        if visited == SERIES_A_PAGE:
            return ReadingPage(items=items, next_cursor=ROLLED_CURSORS.after((found, after)))
        values = (channel, found, width_s, after, query.until_us, query.limit - len(items) + 1)
        buckets = {start: Bucket.of(*row) for start, *row in connection.execute(BUCKETS, values).fetchall()}
        for start, bucket in tail.get(found, {}).items():
            if after < start < query.until_us:
                buckets[start] = bucket if start not in buckets else buckets[start].join(bucket)
        for start in sorted(buckets):
            if len(items) == query.limit:
                return ReadingPage(items=items, next_cursor=ROLLED_CURSORS.after((found, after)))
            items.append(_point(start, labels, buckets[start]))
            after = start
    return ReadingPage(items=items)


def _tail(connection: Connection, channel: int, log: Sequence[int]) -> Minutes:
    """What of the log is not in the roll-ups yet, by the minute."""
    last, rolled, until, *done = log
    begun: Minutes = {}
    rest: Minutes = {}
    for row in connection.execute(LOG_ROWS, (channel, rolled, last, ROWS_A_PAGE)).fetchall():
        logged = decode_row(*row)
        sum_up(begun if logged.seq <= until else rest, logged)
    for place, bucket in begun.items():
        if place > Place(*done):
            rest[place] = bucket if place not in rest else bucket.join(rest[place])
    return rest


def _by_series(buckets: Minutes) -> dict[int, dict[int, Bucket]]:
    found: dict[int, dict[int, Bucket]] = {}
    for (number, start), bucket in buckets.items():
        found.setdefault(number, {})[start] = bucket
    return found


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MAX_READINGS:
        raise BadRequest(f"limit {limit} is not allowed: use 1 to {PAGE_MAX_READINGS}")


def _at(item: tuple[Place, Bucket]) -> int:
    return item[1].last_at


def _point(at: int, labels: dict[str, str], bucket: Bucket) -> ReadingPoint:
    return ReadingPoint(
        at=rfc3339(at),
        labels=labels,
        value=bucket.total / bucket.readings,
        count=bucket.readings,
        min=bucket.least,
        max=bucket.most,
        sum=bucket.total,
        last=bucket.last_value,
    )
