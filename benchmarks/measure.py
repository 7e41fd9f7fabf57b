"""What is made of measured times: percentiles, spreads over runs, and whether everything arrived once and in order.

Pure. Rules: a percentile is a value that occurred (nearest rank), never an interpolation that flatters; several runs
are told as median with minimum and maximum, never as the best; a speed is worth nothing beside a loss, so the verdict
is counted over every client and every run, warm-ups included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of all do not exceed (nearest rank). Raises ValueError if empty."""
    if not values:
        raise ValueError("a percentile of nothing")
    return _ranked(sorted(values), percent)


def percentiles(values: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """Several percentiles of the same values, which are sorted once. Raises ValueError if there are no values."""
    if not values:
        raise ValueError("percentiles of nothing")
    ordered = sorted(values)
    return [_ranked(ordered, percent) for percent in wanted]


def _ranked(ordered: Sequence[float], percent: float) -> float:
    # The rounding keeps 99 % of 100 at rank 99: in binary it would be a hair above.
    rank = math.ceil(round(percent / 100 * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


class Spread(msgspec.Struct, frozen=True):
    """One figure over several runs."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median (of an even number of runs: the mean of the middle two), minimum, maximum. Raises ValueError if empty."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a spread of nothing")
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(median, ordered[0], ordered[-1])


class Verdict(msgspec.Struct, frozen=True):
    """How many deliveries were missing, came again, or came after a later one."""

    missing: int = 0
    duplicated: int = 0
    reordered: int = 0

    @property
    def is_clean(self) -> bool:
        """Everything arrived, once, in order."""
        return not (self.missing or self.duplicated or self.reordered)

    def __add__(self, other: Verdict) -> Verdict:
        """Both together."""
        return Verdict(
            self.missing + other.missing, self.duplicated + other.duplicated, self.reordered + other.reordered
        )


def verify(offsets: Sequence[int], base: int, messages: int) -> Verdict:
    """Holds what one client received against the offsets base+1 … base+messages. An offset beyond counts as extra."""
    seen: set[int] = set()
    duplicated = reordered = 0
    newest = base
    for offset in offsets:
        if offset in seen or not base < offset <= base + messages:
            duplicated += 1
            continue
        seen.add(offset)
        if offset < newest:
            reordered += 1
        newest = max(newest, offset)
    return Verdict(messages - len(seen), duplicated, reordered)


def arrival_times(frame_ends: Sequence[int], chunk_ends: Sequence[int], chunk_times: Sequence[int]) -> list[int]:
    """When each frame was complete: the time of the read that brought its last byte.

    All ends are positions in the same byte stream and ascend. Raises ValueError if a frame ends after the last read.
    """
    times: list[int] = []
    chunk = 0
    for end in frame_ends:
        while chunk < len(chunk_ends) and chunk_ends[chunk] < end:
            chunk += 1
        if chunk == len(chunk_ends):
            raise ValueError(f"a frame ends at byte {end}, the reads end before")
        times.append(chunk_times[chunk])
    return times


def covered(spans: Sequence[tuple[int, int]]) -> int:
    """How much time (begin, end) spans cover together; overlaps count once."""
    total = 0
    until = -math.inf
    for begin, end in sorted(spans):
        if end > until:
            total += int(end - max(begin, until))
            until = end
    return total
