"""Stored readings as a rule is to hear them again, also those that are kept only summed up by the minute or hour.

A rule must not be told the mean of an hour where it asks for something else. So each kind hears of a roll-up what it is
about: sums where readings are added up, the extremes where one reading is enough to ring, as many readings as there
were where they count. What a roll-up cannot tell is said in a note, never passed over: who reads "nothing would have
rung" relies on it.

Rules. Raw readings are heard as they are. Of a roll-up, totals come before errors of the same time: a rate must not
look too high for the moment between. Windows narrower than a roll-up get its sum in even parts. Decided against:
refusing rules that roll-ups answer badly (a shape is better than nothing), and one note for everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeGuard

import msgspec

from engine.core.rules.book import title_of
from protocol.commands import Observe
from protocol.model import Comparison
from protocol.readings import ReadingPoint
from protocol.rules import (
    Aggregate,
    AnomalyRule,
    MilestoneRule,
    NoData,
    Objective,
    PerformanceRule,
    Rule,
    ThresholdRule,
)
from protocol.times import SECOND_US, moment_of

# Readings that are made of roll-ups: about two seconds of computing.
REPLAYED_MAX = 100_000
# Parts of a rate's window that sums come in: between the total and the errors of one part a rate is 5 % too low.
RATE_PARTS = 20
_UP = (Comparison.ABOVE, Comparison.AT_LEAST)
_DOWN = (Comparison.BELOW, Comparison.AT_MOST)
_NAMES = {60: "1 m", 3_600: "1 h"}

# When after the start of its roll-up (microseconds), and which value.
Heard = Iterable[tuple[int, float]]


class Stretch(msgspec.Struct, frozen=True):
    """Readings of one metric as they are kept: each (`width_s` 0), or rolled up by so many seconds."""

    metric: str
    width_s: int
    points: list[ReadingPoint]


class Replay(NamedTuple):
    """What is to be run: the rule, the readings in the order of their times, and what they cannot tell."""

    rule: Rule
    readings: list[Observe]
    note: str | None


def replay(rule: Rule, stretches: Sequence[Stretch], until: int) -> Replay:
    """The readings of a rule's metrics, for that rule. No reading is after `until` (microseconds)."""
    width_s = max((stretch.width_s for stretch in stretches if stretch.points), default=0)
    points = sum(len(stretch.points) for stretch in stretches)
    counted = sum(point.count for stretch in stretches for point in stretch.points)
    # How many times each of many readings is heard, where their number counts.
    share = min(1.0, REPLAYED_MAX / max(counted, 1))
    teller = _Teller(rule, share, REPLAYED_MAX // max(points, 1))
    readings = [each for stretch in stretches for each in teller.hear(stretch, until)]
    totals_first = rule.total_metric if isinstance(rule, PerformanceRule) else None
    readings.sort(key=lambda reading: (reading.at, reading.metric != totals_first))
    return Replay(_asked(rule, width_s, share), readings, "; ".join(_notes(rule, width_s)) or None)


def _asked(rule: Rule, width_s: int, share: float) -> Rule:
    """The same question, in the terms of what is heard."""
    if _counts(rule):
        # How many there were is added up, with the name that it has.
        rule = msgspec.structs.replace(rule, aggregate=Aggregate.SUM, title=title_of(rule))
    if isinstance(rule, PerformanceRule) and rule.objective is Objective.PERCENTILE:
        rule = msgspec.structs.replace(rule, at_least=max(1.0, rule.at_least * share))
    if _is_rate(rule) and width_s:
        # It must not end in the moment between a part's total and its errors.
        recovery = rule.threshold if rule.recovery is None else rule.recovery
        rule = msgspec.structs.replace(rule, recovery=min(recovery, rule.threshold * (1 - 1 / RATE_PARTS)))
    # A series that was never silent has a reading in each roll-up, and so long nothing.
    return msgspec.structs.replace(rule, no_data_s=max(rule.no_data_s, 2.0 * width_s)) if width_s else rule


def _counts(rule: Rule) -> bool:
    return isinstance(rule, ThresholdRule) and rule.aggregate is Aggregate.COUNT


def _is_rate(rule: Rule) -> TypeGuard[PerformanceRule]:
    return isinstance(rule, PerformanceRule) and rule.objective is not Objective.PERCENTILE


class _Teller:
    """Tells a rule readings and roll-ups. `parts_max`: into how many parts the sum of one may be cut."""

    def __init__(self, rule: Rule, share: float, parts_max: int) -> None:
        self._rule = rule
        self._share = share
        self._parts_max = max(parts_max, 1)
        self._counts = _counts(rule)

    def hear(self, stretch: Stretch, until: int) -> Iterator[Observe]:
        """One stretch."""
        width_us = stretch.width_s * SECOND_US
        for point in stretch.points:
            start = moment_of(point.at, "at")
            heard = self._of(point, width_us) if width_us else [(0, 1.0 if self._counts else point.value)]
            for after, value in heard:
                at = max(start, min(start + after, until))
                yield Observe(metric=stretch.metric, value=value, at=at, labels=point.labels)

    def _of(self, point: ReadingPoint, width_us: int) -> Heard:
        rule = self._rule
        match rule:
            case MilestoneRule():
                return [(0, point.sum if rule.is_cumulative else point.max)]
            case PerformanceRule(objective=Objective.PERCENTILE):
                return [(0, value) for value in _shape(point, self._times(point))]
            case PerformanceRule():
                return self._spread(point.sum, _narrowest(rule) / RATE_PARTS, width_us)
            case ThresholdRule():
                return self._threshold(rule, point, width_us)
        return [(0, point.value)]

    def _threshold(self, rule: ThresholdRule, point: ReadingPoint, width_us: int) -> Heard:
        match rule.aggregate:
            case Aggregate.SUM:
                return self._spread(point.sum, rule.window_s, width_us)
            case Aggregate.COUNT:
                return self._spread(point.count, rule.window_s, width_us)
            case Aggregate.AVG:
                return [(0, point.value)] * self._times(point)
            case Aggregate.MIN:
                return [(0, point.min)]
            case Aggregate.MAX:
                return [(0, point.max)]
            case Aggregate.RATE:
                return [(width_us - 1, point.last)]
        if rule.for_s:
            return [(0, point.value)]
        return [*((0, extreme) for extreme in _extremes(rule.comparison, point)), (width_us - 1, point.last)]

    def _times(self, point: ReadingPoint) -> int:
        return max(1, round(point.count * self._share))

    def _spread(self, total: float, window_s: float, width_us: int) -> Heard:
        """The sum at once, if a window takes in all of it; else in even parts."""
        window_us = max(int(window_s * SECOND_US), SECOND_US)
        parts = min(-(-width_us // window_us), self._parts_max)
        return [(width_us * part // parts, total / parts) for part in range(parts)]


def _shape(point: ReadingPoint, times: int) -> list[float]:
    """So many readings with the same least, greatest and mean; the greatest comes last, lest it be all there is."""
    if times == 1:
        return [point.value]
    middle = (point.sum - point.min - point.max) / max(point.count - 2, 1)
    return [*[middle] * (times - 2), point.min, point.max]


def _extremes(comparison: Comparison, point: ReadingPoint) -> tuple[float, ...]:
    if comparison in _UP:
        return (point.max,)
    return (point.min,) if comparison in _DOWN else (point.min, point.max)


def _narrowest(rule: PerformanceRule) -> float:
    return min(rule.window_s, rule.short_window_s or rule.window_s)


def _notes(rule: Rule, width_s: int) -> Iterator[str]:
    """What roll-ups of this width cannot tell this rule; of raw readings there is nothing."""
    if not width_s:
        return
    width = _NAMES.get(width_s, f"{width_s} s")
    match rule:
        case AnomalyRule():
            yield f"readings are averages of {width}: what is usual is learned from them, what is shorter is not seen"
        case PerformanceRule(objective=Objective.PERCENTILE):
            yield f"percentiles are estimated from the least, the greatest and the mean of each {width}"
        case ThresholdRule(aggregate=Aggregate.RATE):
            yield f"rates are reckoned from the last reading of each {width}; windows up to {width} show none"
        case ThresholdRule(aggregate=Aggregate.LAST) if rule.for_s:
            yield f"readings are averages of {width}; shorter breaches are not seen"
        case ThresholdRule(aggregate=Aggregate.LAST, comparison=Comparison.BETWEEN | Comparison.EQUAL):
            yield f"only the least, the greatest and the last reading of each {width} are seen"
    narrow = _narrowest(rule) if isinstance(rule, PerformanceRule) else _window_of(rule)
    if narrow < width_s:
        yield f"the window is shorter than {width}; how readings lay inside of that is not known"
    if 0 < rule.for_s < width_s:
        yield f"for_s is shorter than {width}; what lasted how long inside of that is not known"
    if rule.no_data is not NoData.KEEP and rule.no_data_s < 2 * width_s:
        yield f"silence shorter than twice {width} is not seen"


def _window_of(rule: Rule) -> float:
    is_windowed = isinstance(rule, ThresholdRule) and rule.aggregate is not Aggregate.LAST
    return rule.window_s if is_windowed and isinstance(rule, ThresholdRule) else float("inf")
