"""When a threshold rule would ring next: from the hours of a series, the probability for each of the next 24.

What a rule looks at is forecast, not the mean: of a rule that rings above, the highest value of each hour. Courses that
go as far off as past days went say how probably the threshold is reached, and when first; each hour's own probability
comes from everything the past was off.

Rules. What is looked at is a breach of the threshold in an hour, whatever `for_s` and the schedule say then. No
probability is 0 or 1: of n days none says more than that it is less than about 1 in n. Comparisons with two ends, and
with equality, and rates are refused: hours do not tell them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.core.analytics.forecast import Forecast, TooLittle, Values, forecast
from engine.core.analytics.theil_sen import theil_sen
from protocol.model import Comparison
from protocol.rules import Aggregate, Rule, ThresholdRule

DAY_HOURS = 24
# How far ahead it is told by the hour.
AHEAD_HOURS = 24
TREND_DAYS, TREND_AHEAD_DAYS = 28, 90
HOUR_S = 3_600.0
UP = (Comparison.ABOVE, Comparison.AT_LEAST)
DOWN = (Comparison.BELOW, Comparison.AT_MOST)


class Hour(NamedTuple):
    """All readings of one series in an hour."""

    readings: int
    least: float
    most: float
    total: float


class NextBreach(NamedTuple):
    """By hours ahead: the forecast, how probably it is reached in each, and up to its end; when first if at all.

    `first`: 10 %, 50 % and 90 % of the courses that get there (hours ahead). `trend_days`: until the trend gets there.
    """

    forecast: Forecast
    probabilities: list[float]
    by: list[float]
    first: tuple[int, int, int] | None
    trend_days: float | None


def watched(rule: Rule) -> Callable[[Hour], float] | TooLittle:
    """What of an hour this rule would look at; or why hours do not tell it."""
    if not isinstance(rule, ThresholdRule):
        return TooLittle("only threshold rules are predicted")
    if rule.comparison not in UP + DOWN:
        return TooLittle(f"the comparison {rule.comparison.value!r} is not predicted: use > >= < or <=")
    if rule.aggregate is Aggregate.RATE:
        return TooLittle("the aggregate 'rate' is not predicted: hours do not tell it")
    share = rule.window_s / HOUR_S
    ways: dict[Aggregate, Callable[[Hour], float]] = {
        Aggregate.LAST: _most if rule.comparison in UP else _least,
        Aggregate.MAX: _most,
        Aggregate.MIN: _least,
        Aggregate.AVG: lambda hour: hour.total / hour.readings,
        Aggregate.SUM: lambda hour: hour.total * share,
        Aggregate.COUNT: lambda hour: hour.readings * share,
    }
    return ways[rule.aggregate]


def is_breach(rule: ThresholdRule, value: float) -> bool:
    """Whether the rule's threshold is reached."""
    match rule.comparison:
        case Comparison.ABOVE:
            return value > rule.threshold
        case Comparison.AT_LEAST:
            return value >= rule.threshold
        case Comparison.BELOW:
            return value < rule.threshold
        case _:
            return value <= rule.threshold


def next_breach(rule: ThresholdRule, values: Values) -> NextBreach | TooLittle:
    """`values`: what the rule looks at in each hour, the last one the newest (None: nothing was measured)."""
    if not any(value is not None for value in values[-DAY_HOURS:]):
        return TooLittle(f"no readings in the last {DAY_HOURS} hours")
    found = forecast(values, DAY_HOURS, AHEAD_HOURS)
    if isinstance(found, TooLittle):
        return found
    firsts = [_first(rule, course) for course in found.courses]
    reached = sorted(first for first in firsts if first is not None)
    by = [_share(bisect_right(reached, step), len(firsts)) for step in range(AHEAD_HOURS)]
    alone = [_alone(rule, found, step) for step in range(AHEAD_HOURS)]
    # What may be reached in an hour may be reached until its end.
    for step in range(AHEAD_HOURS):
        by[step] = max(by[step], alone[step], by[step - 1] if step else 0.0)
    first = (_rank(reached, 0.1), _rank(reached, 0.5), _rank(reached, 0.9)) if reached else None
    return NextBreach(found, alone, by, first, _trend_days(rule, values))


def _first(rule: ThresholdRule, course: Sequence[float | None]) -> int | None:
    return next((step for step, value in enumerate(course) if value is not None and is_breach(rule, value)), None)


def _alone(rule: ThresholdRule, found: Forecast, step: int) -> float:
    """How many of all differences of the past would do."""
    width = found.spread[step]
    if width <= 0.0:
        return _share(int(is_breach(rule, found.expected[step])) * len(found.offs), len(found.offs))
    needed = (rule.threshold - found.expected[step]) / width
    if rule.comparison in UP:
        side = bisect_right if rule.comparison is Comparison.ABOVE else bisect_left
        return _share(len(found.offs) - side(found.offs, needed), len(found.offs))
    side = bisect_left if rule.comparison is Comparison.BELOW else bisect_right
    return _share(side(found.offs, needed), len(found.offs))


def _share(hits: int, count: int) -> float:
    return (hits + 0.5) / (count + 1)


def _rank(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _trend_days(rule: ThresholdRule, values: Values) -> float | None:
    """When the trend of each day's worst value gets there; None: not in 90 days, or it is there."""
    worst = max if rule.comparison in UP else min
    days = []
    for end in range(len(values), DAY_HOURS - 1, -DAY_HOURS):
        known = [value for value in values[end - DAY_HOURS : end] if value is not None]
        days.append(worst(known) if known else None)
    found = theil_sen(days[:TREND_DAYS][::-1])
    if found is None:
        return None
    slope, level = found
    missing = rule.threshold - level
    if is_breach(rule, level) or slope == 0.0 or missing / slope < 0.0:
        return None
    days_left = missing / slope
    return days_left if days_left <= TREND_AHEAD_DAYS else None


def _most(hour: Hour) -> float:
    return hour.most


def _least(hour: Hour) -> float:
    return hour.least
