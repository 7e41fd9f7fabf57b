"""How many alerts a day brings: a level that forgets, a weekday's share of it, and as much spread as days have had.

The level is a mean in which a day counts half as much after a week; weekdays are shares of the mean, drawn towards 1 by
as much as two average weeks weigh. The distribution is a negative binomial (Poisson where days are no more uneven than
chance), with the dispersion that the same forecasts showed on the last four weeks. For large means its quantiles are
those of a gamma distribution (Wilson and Hilferty 1931).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from engine.core.analytics.forecast import COVERAGE, NEEDED_DAYS, TooLittle

WEEK_DAYS = 7
LEARN_DAYS = 56
FORGET_DAYS = 7.0
# Weeks that speak for all weekdays being the same, and half an alert against a silence that lasts for ever.
LIKE_OTHERS, HALF_AN_ALERT = 2.0, 0.5
SPREAD_DAYS = 28
# More than that is a storm that no interval holds.
DISPERSION_MAX = 4.0
LARGE = 200.0
# The normal distribution's 90 %.
Z = 1.2815515655446004


class DailyCount(NamedTuple):
    """A day's alerts: the mean, an 80 % interval, the probability of at least one, and days that it was learnt on."""

    expected: float
    low: int
    high: int
    at_least_one: float
    days: int


def daily_count(counts: Sequence[int], ahead: int = 1) -> DailyCount | TooLittle:
    """`counts` of whole days, the last one the newest; `ahead` days after it (1: the next one)."""
    if len(counts) < NEEDED_DAYS:
        return TooLittle(f"needs {NEEDED_DAYS} days, has {len(counts)}")
    kept = counts[-LEARN_DAYS:]
    mean = _mean(kept, ahead)
    dispersion = _dispersion(kept, ahead)
    tail = (1 - COVERAGE) / 2
    low, high = quantiles(mean, dispersion, (tail, 1 - tail))
    return DailyCount(mean, low, high, 1 - _none(mean, dispersion), len(kept))


def quantiles(mean: float, dispersion: float, shares: tuple[float, float]) -> tuple[int, int]:
    """The smallest counts that these shares of days do not exceed (of large means: for 10 % and 90 %)."""
    if mean > LARGE:
        shape = mean / (1 + dispersion * mean)
        ninth = 1 / (9 * shape)
        ends = [mean * max(0.0, 1 - ninth + side * Z * math.sqrt(ninth)) ** 3 for side in (-1, 1)]
        return round(ends[0]), round(ends[1])
    chance = reached = _none(mean, dispersion)
    count, found = 0, []
    for share in shares:
        while reached < share:
            chance *= (mean / (count + 1)) * (1 + dispersion * count) / (1 + dispersion * mean)
            count += 1
            reached += chance
            if chance < 1e-15 and count > mean:
                break
        found.append(count)
    return found[0], found[1]


def _none(mean: float, dispersion: float) -> float:
    """The probability of a day without any."""
    if dispersion <= 0.0:
        return math.exp(-mean)
    return float((1 + dispersion * mean) ** (-1 / dispersion))


def _mean(counts: Sequence[int], ahead: int) -> float:
    usual = sum(counts) / len(counts)
    shares = _weekdays(counts, usual)
    level = weight = 0.0
    for back, count in enumerate(reversed(counts)):
        trust = 0.5 ** (back / FORGET_DAYS)
        share = shares[(len(counts) - 1 - back) % WEEK_DAYS]
        # A count of a busy weekday says as much of the level as it has share.
        level, weight = level + trust * count, weight + trust * share
    # The long mean counts as much as a day does, and is never nothing.
    mean = (level + usual) / (weight + 1.0) + HALF_AN_ALERT / len(counts)
    return mean * shares[(len(counts) - 1 + ahead) % WEEK_DAYS]


def _weekdays(counts: Sequence[int], usual: float) -> list[float]:
    if usual <= 0.0:
        return [1.0] * WEEK_DAYS
    prior = LIKE_OTHERS * usual
    days = [counts[day::WEEK_DAYS] for day in range(WEEK_DAYS)]
    return [(sum(day) + prior) / (len(day) * usual + prior) for day in days]


def _dispersion(counts: Sequence[int], ahead: int) -> float:
    """How much more uneven than chance: by moments, over what was forecast for the last weeks."""
    over = squares = 0.0
    for place in range(max(WEEK_DAYS, len(counts) - SPREAD_DAYS), len(counts)):
        mean = _mean(counts[: place + 1 - ahead], ahead)
        over += (counts[place] - mean) ** 2 - mean
        squares += mean * mean
    return min(DISPERSION_MAX, max(0.0, over / squares)) if squares > 0.0 else 0.0
