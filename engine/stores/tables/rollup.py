"""Readings become 1-minute and 1-hour roll-ups, in transactions of a few milliseconds.

A stretch of a channel's log is summed up into minutes (`gather`, by a reader, a few rows at a time) and then added to
the roll-ups, some buckets a transaction (`write`). The channel's row says which stretch that is and which bucket was
the last one done, in the same transaction: whoever is interrupted sums up the same stretch again and goes on after that
bucket, so each reading counts exactly once. A late reading is added to the bucket of its own time, like any other.
Decided against: making whole buckets anew (late readings come when the others of their minute are long trimmed), and
SQL that sums up (the values are no columns).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.log import decode_row
from protocol.readings import Logged
from protocol.times import SECOND_US

MINUTE_S, HOUR_S = 60, 3_600
MINUTE_US, HOUR_US = MINUTE_S * SECOND_US, HOUR_S * SECOND_US
# Rows of the log that are decoded and summed up at once: at 240 readings each about 4 ms.
ROWS_AT_ONCE = 20
# One stretch: what is held in memory meanwhile, at most a bucket a reading, 300 bytes each.
STRETCH_READINGS = 50_000
# One transaction: with the hours and the series that belong to these minutes about 10 ms.
BUCKETS_AT_ONCE = 250
_FLOAT_MAX = sys.float_info.max

NEXT_CHANNEL = (
    "SELECT id, log_seq, log_rolled, roll_until, roll_series, roll_start FROM channel"
    " WHERE id >= ? AND log_rolled < log_seq ORDER BY id LIMIT 1"
)
LOG_ROWS = "SELECT seq, at, body FROM reading WHERE channel = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
# Only from where it was when it was read: of two nodes that are at one channel (one was stopped meanwhile) one counts.
MARK = (
    "UPDATE channel SET log_rolled = ?, roll_until = ?, roll_series = ?, roll_start = ? WHERE id = ?"
    " AND log_rolled = ? AND roll_until = ? AND roll_series = ? AND roll_start = ?"
)
# To Postgres a sum that overflows is an error; its decimals have no end.
_SUM = either(
    sqlite="rollup.total + excluded.total",
    postgres="CAST(rollup.total AS numeric) + CAST(excluded.total AS numeric)",
)
# A sum beyond what a float holds stays at the largest one: infinity minus infinity is nothing that SQL can keep.
ROLLUPS = Bulk(
    "INSERT INTO rollup (channel, series, width_s, start, readings, total, least, most, last_at, last_value)",
    "iiiiifffif",
    "ON CONFLICT (channel, series, width_s, start) DO UPDATE SET readings = rollup.readings + excluded.readings,"
    f" total = max(min({_SUM}, {_FLOAT_MAX!r}), {-_FLOAT_MAX!r}),"
    " least = min(rollup.least, excluded.least), most = max(rollup.most, excluded.most),"
    " last_value = CASE WHEN excluded.last_at >= rollup.last_at THEN excluded.last_value ELSE rollup.last_value END,"
    " last_at = max(rollup.last_at, excluded.last_at)",
)
NEWEST = Bulk(
    "UPDATE series SET last_at = new.column3, last_value = new.column4 FROM (",
    "iiif",
    ") AS new WHERE series.channel = new.column1 AND series.number = new.column2"
    " AND coalesce(series.last_at, -1) <= new.column3",
)


class Place(NamedTuple):
    """A bucket: whose, and when it starts (microseconds)."""

    series: int
    start: int


NOWHERE = Place(0, 0)


class Mark(NamedTuple):
    """How far a channel is, as its row says: rolled up to there; if a stretch is begun, its end and last bucket."""

    rolled: int
    until: int
    series: int
    start: int


class Bucket:
    """What became of the readings of one series in one stretch of time."""

    __slots__ = ("last_at", "last_value", "least", "most", "readings", "total")

    def __init__(self, at: int, value: float) -> None:
        self.readings = 1
        self.total = self.least = self.most = self.last_value = value
        self.last_at = at

    def add(self, at: int, value: float) -> None:
        """One reading more; of two at the same time the later to come is the last."""
        self.readings += 1
        self.total = max(min(self.total + value, _FLOAT_MAX), -_FLOAT_MAX)
        if value < self.least:
            self.least = value
        if value > self.most:
            self.most = value
        if at >= self.last_at:
            self.last_at, self.last_value = at, value

    @classmethod
    def of(cls, readings: int, total: float, least: float, most: float, last_at: int, last_value: float) -> Bucket:
        """One that was stored."""
        bucket = cls(last_at, last_value)
        bucket.readings, bucket.total, bucket.least, bucket.most = readings, total, least, most
        return bucket

    def join(self, later: Bucket) -> Bucket:
        """The readings of another one as well; itself."""
        self.readings += later.readings
        self.total = max(min(self.total + later.total, _FLOAT_MAX), -_FLOAT_MAX)
        self.least, self.most = min(self.least, later.least), max(self.most, later.most)
        if later.last_at >= self.last_at:
            self.last_at, self.last_value = later.last_at, later.last_value
        return self


Minutes = dict[Place, Bucket]


@dataclass
class Stretch:
    """A part of a channel's log on its way into the roll-ups: the rows after `after` up to `until`.

    `done` is the last of its buckets that is in them already; `seq` and `minutes` are up to where it is summed up, and
    into what. `last` is the last row of the whole log.
    """

    channel: int
    last: int
    after: int
    until: int
    done: Place
    seq: int
    mark: Mark
    readings: int = 0
    minutes: Minutes = field(default_factory=dict)


def next_stretch(connection: Connection, channel: int) -> Stretch | None:
    """What is to be rolled up first, of the channel with this number or those after it."""
    for number, last, *found in connection.execute(NEXT_CHANNEL, (channel,)).fetchall():
        # One that was begun is finished as it was: which of its buckets are done says nothing about a longer one.
        mark = Mark(*found)
        done = Place(mark.series, mark.start) if mark.until else NOWHERE
        return Stretch(number, last, mark.rolled, mark.until or last, done, mark.rolled, mark)
    return None


def gather(connection: Connection, stretch: Stretch) -> bool:
    """Sums up some more rows of a stretch; whether that was all. A long one that is not begun yet ends early."""
    values = (stretch.channel, stretch.seq, stretch.until, ROWS_AT_ONCE)
    rows = connection.execute(LOG_ROWS, values).fetchall()
    if not rows:
        # Another node has rolled them up, and trimmed them: `write` will say so.
        stretch.seq = stretch.until
    for row in rows:
        logged = decode_row(*row)
        sum_up(stretch.minutes, logged)
        stretch.seq = logged.seq
        stretch.readings += len(logged.values)
    if stretch.readings >= STRETCH_READINGS and stretch.done == NOWHERE:
        stretch.until = stretch.seq
    return stretch.seq >= stretch.until


def sum_up(minutes: Minutes, logged: Logged) -> None:
    """The readings of one row of the log, by series and minute."""
    for series, at, value in zip(logged.series, logged.times, logged.values, strict=True):
        place = Place(series, at - at % MINUTE_US)
        known = minutes.get(place)
        if known is None:
            minutes[place] = Bucket(at, value)
        else:
            known.add(at, value)


def parts(stretch: Stretch) -> list[list[Place]]:
    """What is still to be written of a stretch that is summed up, a transaction each; at least one."""
    left = sorted(place for place in stretch.minutes if place > stretch.done)
    return [left[begin : begin + BUCKETS_AT_ONCE] for begin in range(0, max(len(left), 1), BUCKETS_AT_ONCE)]


def write(connection: Connection, stretch: Stretch, part: Sequence[Place], known: Mark, then: Mark) -> bool:
    """One transaction: some buckets of a stretch, and how far it is then. `known`: how far it was before.

    False: somebody else is further, and nothing was done.
    """
    channel, minutes = stretch.channel, {place: stretch.minutes[place] for place in part}
    if not connection.execute(MARK, (*then, channel, *known)).rowcount:
        return False
    ROLLUPS.run(connection, _rows(channel, MINUTE_S, minutes) + _rows(channel, HOUR_S, by_hour(minutes)))
    newest = {place.series: bucket for place, bucket in minutes.items()}
    NEWEST.run(connection, [v for number, b in newest.items() for v in (channel, number, b.last_at, b.last_value)])
    return True


def mark_after(stretch: Stretch, part: Sequence[Place], is_last: bool) -> Mark:
    """How far it is when this part is written."""
    return Mark(stretch.until, 0, *NOWHERE) if is_last else Mark(stretch.after, stretch.until, *part[-1])


def by_hour(minutes: Mapping[Place, Bucket]) -> Minutes:
    """The same readings in hours; the minutes are in order of time."""
    hours: Minutes = {}
    for (series, start), bucket in minutes.items():
        place = Place(series, start - start % HOUR_US)
        known = hours.get(place)
        if known is None:
            hours[place] = copy(bucket)
        else:
            known.join(bucket)
    return hours


def _rows(channel: int, width_s: int, buckets: Mapping[Place, Bucket]) -> list[Any]:
    return [
        value
        for (series, start), b in buckets.items()
        for value in (channel, series, width_s, start, b.readings, b.total, b.least, b.most, b.last_at, b.last_value)
    ]
