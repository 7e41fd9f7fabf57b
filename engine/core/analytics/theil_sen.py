"""A trend that a few wild values do not bend: the median of the slopes between all pairs (Theil 1950, Sen 1968)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.analytics.forecast_past import middle


def theil_sen(values: Sequence[float | None]) -> tuple[float, float] | None:
    """The slope a step, and the level at the last step. None: fewer than two values. Pairs: n² / 2."""
    known = [(step, value) for step, value in enumerate(values) if value is not None]
    slopes = [
        (later - earlier) / (after - before)
        for place, (before, earlier) in enumerate(known)
        for after, later in known[place + 1 :]
    ]
    if not slopes:
        return None
    slope, last = middle(slopes), len(values) - 1
    return slope, middle([value + slope * (last - step) for step, value in known])
