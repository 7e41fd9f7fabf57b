"""A token bucket: how much may come, at which rate, and how much at once. Pure: the time is the caller's.

It refills steadily up to its burst. What is taken is taken whole or not at all. A request larger than the burst is let
through once the bucket is full and leaves it in debt, so the rate holds over time and nothing is refused for ever.
Decided against fixed windows (twice the rate fits round a border) and against a queue of times (memory per event).
"""

from __future__ import annotations

from typing import NamedTuple


class Rate(NamedTuple):
    """So many per second in the long run, and so many at once."""

    per_s: float
    burst: float

    def __str__(self) -> str:
        return f"{self.per_s:g} a second, {self.burst:g} at once"


class Bucket:
    """What is left of one rate. `now` is any clock in seconds that does not go back."""

    __slots__ = ("_at", "_level", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._level = float(rate.burst)
        self._at = now

    def take(self, count: float, now: float) -> float:
        """0.0: so many were taken. Else none was, and in so many seconds they can be."""
        self._refill(now)
        missing = min(count, self.rate.burst) - self._level
        if missing > 0.0:
            return missing / self.rate.per_s
        self._level -= count
        return 0.0

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._level = min(self.rate.burst, self._level + (now - self._at) * self.rate.per_s)
            self._at = now
