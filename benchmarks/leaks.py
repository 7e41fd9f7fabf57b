"""Does it grow? A line through samples of memory, and how far its slope can be trusted.

Pure. Rules: memory is noisy (an allocator takes it in arenas and gives it back late), so the slope of a least-squares
line is told with its 95 % interval; a slope whose interval contains zero or less is none; one that is certain but so
small that the whole run did not grow by `GROWTH_MAX_KB` is the allocator's. Neighbouring samples are not independent,
which makes the interval too narrow: the test is stricter than its name, never laxer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Two of CPython's arenas: what the allocator may hold without anybody having forgotten anything.
GROWTH_MAX_KB = 2_100.0
# Quantile of the normal distribution for 95 %, both sides.
_Z = 1.959964
SAMPLES_MIN = 4


class Trend(NamedTuple):
    """A slope with its 95 % interval, all in the same unit per time."""

    slope: float
    low: float
    high: float

    @property
    def certain(self) -> float:
        """The slope if it is surely above zero, else 0."""
        return self.slope if self.low > 0 else 0.0


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The least-squares slope of values over times. Raises ValueError for fewer than `SAMPLES_MIN` samples."""
    count = len(times)
    if count < SAMPLES_MIN or len(values) != count:
        raise ValueError(f"{count} times and {len(values)} values are too few for a trend")
    mean_time, mean_value = sum(times) / count, sum(values) / count
    spread = sum((at - mean_time) ** 2 for at in times)
    if not spread:
        raise ValueError("samples of one moment have no trend")
    slope = sum((at - mean_time) * value for at, value in zip(times, values, strict=True)) / spread
    start = mean_value - slope * mean_time
    rest = sum((value - start - slope * at) ** 2 for at, value in zip(times, values, strict=True))
    margin = student(count - 2) * math.sqrt(rest / (count - 2) / spread)
    return Trend(slope, slope - margin, slope + margin)


def student(freedom: int) -> float:
    """Student's t for 95 %, both sides (Cornish-Fisher expansion, within 2 % from 3 degrees of freedom on)."""
    z = _Z
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
