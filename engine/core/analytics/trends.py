"""Whether health gets better or worse: today's score against the scores that were kept, one a day. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from protocol.insights import Trend

TREND_DAYS = (7, 30)
# Of the days of a trend so many must have a score: a median of two days is no trend.
PART_MIN = 0.4


def trends_of(health: float | None, past: Mapping[int, float]) -> tuple[Trend, ...]:
    """By how much `health` is above the median of the days before. `past`: scores by how many days ago, from 1 on."""
    return tuple(_trend(days, health, past) for days in TREND_DAYS)


def _trend(days: int, health: float | None, past: Mapping[int, float]) -> Trend:
    if health is None:
        return Trend(days=days, change=None, note="nothing is known of it today")
    scores = [score for ago, score in past.items() if 1 <= ago <= days]
    needed = round(PART_MIN * days)
    if len(scores) < needed:
        return Trend(days=days, change=None, note=f"needs scores of {needed} days, has {len(scores)}")
    return Trend(days=days, change=round(health - median(scores), 1))
