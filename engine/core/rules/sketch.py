"""Percentiles of a sliding window: counts in logarithmic bins, whose relative error is at most 1 %.

Value and bin: bin k holds the values from gamma^(k-1) to gamma^k, gamma = (1 + a) / (1 - a), a = 0.01; its middle is
within 1 % of all of them (Masson, Rim, Lee: DDSketch, VLDB 2019). Bins are counted, so parts of a window are added and
taken away. Whether a percentile is above a bound is not asked of the bins but of an exact count of the readings above
it: an alarm never depends on the 1 %, only the number that people are shown does.

Memory: a window is cut into 20 parts of at most 256 bins each, 400 kB at the very worst; an ordinary latency has a few
dozen bins a part, 20 to 100 kB. Past 256 the lowest bins of a part are joined: high percentiles stay exact to 1 %.
"""

from __future__ import annotations

import math
from typing import Any

from engine.core.rules.windows import Window

RELATIVE_ERROR = 0.01
PARTS = 20
BINS_MAX = 256
_LOG_GAMMA = math.log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR))
# The middle of a bin, seen from its upper end.
_TO_MIDDLE = math.log1p(-RELATIVE_ERROR)
# What is closer to nought than this counts as nought.
_NOUGHT = 1e-9
# Bins above nought start at 1, those below at -1.
_SHIFT = 1 - math.ceil(math.log(_NOUGHT) / _LOG_GAMMA)
_LOG_MAX = math.log(1.7e308)


def bin_of(value: float) -> int:
    """The bin of a value; bins are in the order of their values."""
    size = abs(value)
    if size < _NOUGHT:
        return 0
    number = max(1, math.ceil(math.log(size) / _LOG_GAMMA) + _SHIFT)
    return number if value > 0 else -number


def middle_of(number: int) -> float:
    """A value within 1 % of all in this bin."""
    if not number:
        return 0.0
    size = math.exp(min((abs(number) - _SHIFT) * _LOG_GAMMA + _TO_MIDDLE, _LOG_MAX))
    return size if number > 0 else -size


def rank_of(percentile: float, count: int) -> int:
    """Which of `count` readings in order is the percentile: the nearest rank, counted from 1."""
    # What floating point puts on top of a whole number is no further rank.
    return max(1, math.ceil(percentile * count / 100 - 1e-9))


class SlidingPercentile(Window):
    """The readings of a window: how many, how many above each of the `bounds`, and their bins."""

    __slots__ = ("_bins", "_bounds", "_parts")

    def __init__(self, window_s: float, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        super().__init__(window_s, 0, *(0 for _ in bounds), buckets=PARTS)
        self._parts: list[dict[int, int]] = [{} for _ in self.columns[0]]
        # Of the whole window.
        self._bins: dict[int, int] = {}

    def take(self, at: int, value: float) -> bool:
        """A reading. False: it is late."""
        place = self.place(at)
        if place < 0:
            return False
        self.columns[0][place] += 1
        for column, bound in zip(self.columns[1:], self._bounds, strict=True):
            column[place] += value > bound
        part, number = self._parts[place], bin_of(value)
        part[number] = part.get(number, 0) + 1
        self._bins[number] = self._bins.get(number, 0) + 1
        if len(part) > BINS_MAX:
            self._join_lowest(part)
        return True

    def clear(self, place: int) -> None:
        """A part has left: what it counted goes."""
        super().clear(place)
        for number, count in self._parts[place].items():
            self._change(number, -count)
        self._parts[place] = {}

    def count(self) -> int:
        """How many readings there are."""
        return int(sum(self.columns[0]))

    def is_above(self, percentile: float, which: int) -> bool:
        """Whether the percentile is above that one of the bounds; exact."""
        count = self.count()
        return count - int(sum(self.columns[1 + which])) < rank_of(percentile, count)

    def percentile(self, percentile: float) -> float | None:
        """The percentile, to 1 %; None without readings."""
        left = rank_of(percentile, self.count())
        for number in sorted(self._bins):
            left -= self._bins[number]
            if left <= 0:
                return middle_of(number)
        return None

    def _join_lowest(self, part: dict[int, int]) -> None:
        lowest, above = sorted(part)[:2]
        count = part.pop(lowest)
        part[above] += count
        self._change(lowest, -count)
        self._change(above, count)

    def _change(self, number: int, by: int) -> None:
        left = self._bins.get(number, 0) + by
        if left:
            self._bins[number] = left
        else:
            del self._bins[number]

    def state(self) -> Any:
        """Everything that must survive, in plain values."""
        return [super().state(), self._parts]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        window, parts = state
        super().restore(window)
        self._parts = [dict(part) for part in parts]
        self._bins = {}
        for part in self._parts:
            for number, count in part.items():
                self._bins[number] = self._bins.get(number, 0) + count
