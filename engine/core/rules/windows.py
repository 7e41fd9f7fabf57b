"""A sliding window over a series, in the time of its readings, of bounded size: time cut into buckets.

A window of W seconds is cut into buckets of W/60, at least one second each. A reading counts in the bucket of its own
time, in whatever order readings come, as long as that bucket is inside the window; the window ends with the bucket of
the newest reading seen. An older one is late and changes nothing. So a window is exact to one bucket at its far end,
costs the same per reading however many there are, and an independent reckoning can say the same.

Memory: at most 60 numbers a column, about 2 kB. Decided against: keeping the readings (unbounded), and taking off what
leaves from one running sum (floating point would keep the dust of everything that ever passed).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

from protocol.rules import Aggregate
from protocol.times import SECOND_US

# One part in sixty: a minute is told by the second, an hour by the minute.
BUCKETS = 60
# Before any time of ours.
_NEVER_SEEN = -(1 << 62)


class Level(Protocol):
    """What of a series is compared."""

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late, and changes nothing."""

    def value(self) -> float | None:
        """What it comes to now; None if that says nothing (no number, or one beyond floating point)."""

    def state(self) -> Any:
        """Everything that must survive, in plain values."""

    def restore(self, state: Any) -> None:
        """Goes on from there."""


class Latest:
    """The newest reading; of two with the same time the one that came later."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._at = _NEVER_SEEN
        self._value: float | None = None

    def take(self, at: int, value: float) -> bool:
        """A reading. False: a newer one is known."""
        if at < self._at:
            return False
        self._at, self._value = at, value
        return True

    def value(self) -> float | None:
        """The newest value."""
        return self._value

    def state(self) -> Any:
        """Time and value."""
        return [self._at, self._value]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._at, self._value = state


class Window:
    """The buckets of a window: `columns` numbers each, back at `empty` when the window has moved on."""

    __slots__ = ("_count", "_empty", "_newest", "_width", "columns")

    def __init__(self, window_s: float, *empty: float, buckets: int = BUCKETS) -> None:
        window_us = int(window_s * SECOND_US)
        self._width = max(SECOND_US, -(-window_us // buckets))
        self._count = max(1, -(-window_us // self._width))
        self._newest = _NEVER_SEEN
        self._empty = empty
        self.columns = [[number] * self._count for number in empty]

    def place(self, at: int) -> int:
        """The place of this time's bucket in each column; -1: it has left the window. Moves the window on."""
        bucket = at // self._width
        if bucket > self._newest:
            self._move(bucket)
        elif bucket <= self._newest - self._count:
            return -1
        return bucket % self._count

    def _move(self, bucket: int) -> None:
        for entered in range(max(self._newest, bucket - self._count) + 1, bucket + 1):
            self.clear(entered % self._count)
        self._newest = bucket

    def clear(self, place: int) -> None:
        """A bucket has left; its place is taken by a new one."""
        for column, number in zip(self.columns, self._empty, strict=True):
            column[place] = number

    def state(self) -> Any:
        """Everything that must survive, in plain values."""
        return [self._newest, self.columns]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._newest, columns = state
        self.columns = [list(column) for column in columns]


class Total(Window):
    """The sum of the readings in the window."""

    __slots__ = ()

    def __init__(self, window_s: float) -> None:
        super().__init__(window_s, 0.0, 0)

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late."""
        place = self.place(at)
        if place < 0:
            return False
        sums, counts = self.columns
        sums[place] += value
        counts[place] += 1
        return True

    def value(self) -> float | None:
        """The sum."""
        return finite(sum(self.columns[0]))


class Count(Total):
    """How many readings there are in the window."""

    __slots__ = ()

    def value(self) -> float | None:
        """The number of readings."""
        return float(sum(self.columns[1]))


class Mean(Total):
    """The mean of the readings in the window."""

    __slots__ = ()

    def value(self) -> float | None:
        """The mean; None without readings."""
        sums, counts = self.columns
        count = sum(counts)
        return finite(sum(sums) / count) if count else None


class Least(Window):
    """The smallest reading in the window."""

    __slots__ = ()

    def __init__(self, window_s: float) -> None:
        super().__init__(window_s, math.inf)

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late."""
        place = self.place(at)
        if place < 0:
            return False
        (least,) = self.columns
        least[place] = min(least[place], value)
        return True

    def value(self) -> float | None:
        """The smallest; None without readings."""
        return finite(min(self.columns[0]))


class Most(Window):
    """The largest reading in the window."""

    __slots__ = ()

    def __init__(self, window_s: float) -> None:
        super().__init__(window_s, -math.inf)

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late."""
        place = self.place(at)
        if place < 0:
            return False
        (most,) = self.columns
        most[place] = max(most[place], value)
        return True

    def value(self) -> float | None:
        """The largest; None without readings."""
        return finite(max(self.columns[0]))


class Rate(Window):
    """The change per second from the oldest to the newest reading in the window.

    A counter that starts anew gives a negative rate; two readings of one time say nothing.
    """

    __slots__ = ()

    def __init__(self, window_s: float) -> None:
        # Times and values of the first and of the last reading of each bucket.
        super().__init__(window_s, math.inf, 0.0, -math.inf, 0.0)

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late. Of two with the same time the first one is the oldest, the last the newest."""
        place = self.place(at)
        if place < 0:
            return False
        first_at, first, last_at, last = self.columns
        if at < first_at[place]:
            first_at[place], first[place] = at, value
        if at >= last_at[place]:
            last_at[place], last[place] = at, value
        return True

    def value(self) -> float | None:
        """The change per second."""
        first_at, first, last_at, last = self.columns
        since, until = min(first_at), max(last_at)
        if until <= since:
            return None
        change = last[last_at.index(until)] - first[first_at.index(since)]
        return finite(change * SECOND_US / (until - since))


def finite(number: float) -> float | None:
    """The number, if it is one: sums of huge readings go beyond floating point."""
    return number if math.isfinite(number) else None


def level_of(aggregate: Aggregate, window_s: float) -> Level:
    """What an aggregate over a window is reckoned with."""
    if aggregate is Aggregate.LAST:
        return Latest()
    return _KINDS[aggregate](window_s)


_KINDS: dict[Aggregate, type[Total] | type[Least] | type[Most] | type[Rate]] = {
    Aggregate.SUM: Total,
    Aggregate.COUNT: Count,
    Aggregate.AVG: Mean,
    Aggregate.MIN: Least,
    Aggregate.MAX: Most,
    Aggregate.RATE: Rate,
}
