"""How many alerts a day brings: a level that forgets, a weekday's share of it, and as much spread as days have had.

The level is a mean in which a day counts half as much after one week, or after four; weekdays are shares of the mean,
drawn towards 1 by as much as two average weeks weigh. Which of the two levels holds, and how far days are from it,
regular or uneven, is learnt from what would have been said of the last four weeks (`count_spread`). A day of which the
count is not known (None) teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.core.analytics.count_spread import Outlook, learn
from engine.core.analytics.forecast import COVERAGE, NEEDED_DAYS, TooLittle

WEEK_DAYS = 7
LEARN_DAYS = 56
# A level that has changed is followed, one that has not is not disturbed.
FORGET_DAYS = (7.0, 28.0)
# Weeks that speak for all weekdays being the same, and half an alert against a silence that lasts for ever.
LIKE_OTHERS, HALF_AN_ALERT = 2.0, 0.5
SPREAD_DAYS = 28

Counts = Sequence[int | None]


class DailyCount(NamedTuple):
    """A day's alerts: the mean, an 80 % interval, the probability of at least one, and days that it was learnt on."""

    expected: float
    low: int
    high: int
    at_least_one: float
    days: int


def daily_count(counts: Counts, ahead: int = 1) -> DailyCount | TooLittle:
    """`counts` of whole days, the last one the newest (None: not known); `ahead` days after it (1: the next one)."""
    kept = counts[-LEARN_DAYS:]
    known = sum(count is not None for count in kept)
    if known < NEEDED_DAYS:
        return TooLittle(f"needs {NEEDED_DAYS} days, has {known}")
    spread = learn([Outlook([*_foretold(kept, ahead, each)], _mean(kept, ahead, each)) for each in FORGET_DAYS])
    tail = (1 - COVERAGE) / 2
    low, high = spread.quantiles((tail, 1 - tail))
    return DailyCount(spread.mean(), low, high, 1 - spread.none(), known)


def _mean(counts: Counts, ahead: int, forget: float) -> float:
    known = [(place, count) for place, count in enumerate(counts) if count is not None]
    usual = sum(count for _, count in known) / len(known)
    shares = _weekdays(known, usual)
    level = weight = 0.0
    for place, count in known:
        trust = 0.5 ** ((len(counts) - 1 - place) / forget)
        # A count of a busy weekday says as much of the level as it has share.
        level, weight = level + trust * count, weight + trust * shares[place % WEEK_DAYS]
    # The long mean counts as much as a day does, and is never nothing.
    mean = (level + usual) / (weight + 1.0) + HALF_AN_ALERT / len(known)
    return mean * shares[(len(counts) - 1 + ahead) % WEEK_DAYS]


def _weekdays(known: Sequence[tuple[int, int]], usual: float) -> list[float]:
    if usual <= 0.0:
        return [1.0] * WEEK_DAYS
    prior = LIKE_OTHERS * usual
    sums, days = [prior] * WEEK_DAYS, [prior] * WEEK_DAYS
    for place, count in known:
        sums[place % WEEK_DAYS] += count
        days[place % WEEK_DAYS] += usual
    return [found / expected for found, expected in zip(sums, days, strict=True)]


def _foretold(counts: Counts, ahead: int, forget: float) -> Iterator[tuple[float, int]]:
    """What would have been expected of each day of the last weeks, and what came."""
    for place in range(max(WEEK_DAYS, len(counts) - SPREAD_DAYS), len(counts)):
        before, count = counts[: place + 1 - ahead], counts[place]
        if count is not None and any(each is not None for each in before):
            yield _mean(before, ahead, forget), count
