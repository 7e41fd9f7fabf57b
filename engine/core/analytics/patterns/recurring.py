"""What comes back at the same hour, or on the same day of the week: more often than if its moments were spread evenly.

Counted are days (weeks) with an episode in the hour (on the weekday), not alerts: ten in one night are one night. A day
with n episodes has one in a given hour by chance with probability 1 - (23/24)^n, so the count is Poisson-binomial.
Hours begin each half hour, so that what comes at 02:58 and 03:02 is in one of them; neighbours that hold together are
one pattern. A source is looked at from its first episode's day on, up to the last whole day. Days are UTC's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.core.analytics.patterns.chance import at_least, believed, poisson_binomial
from engine.core.analytics.patterns.past import DAY_S, SUPPORT_MIN, Candidate, Occurrence, Past
from protocol.patterns import PatternKind, Source, Times

DAYS_MIN = 7
WEEKS_MIN = 4
_HOUR_S = 3_600
_STEP_S = 1_800
_STEPS = DAY_S // _STEP_S
# Times of what comes on a weekday are told if nearly all are within so long.
_SHARP_S = 4 * _HOUR_S
# As often as this by chance is no news to anybody.
LIFT_MIN = 3.0
# Minutes to which the ends of a time are rounded, outward.
_ROUNDED_MIN = 5
# 1970-01-01 was a Thursday; weeks begin on Mondays.
_TO_MONDAY = 3


class _Hour(NamedTuple):
    source: Source
    step: int


class _Weekday(NamedTuple):
    source: Source
    day: int


def recurring(past: Past) -> list[Candidate]:
    """What comes back daily, and what comes back weekly."""
    whole = {source: _whole_days(past, episodes) for source, episodes in past.episodes.items()}
    return [*_daily(past, whole), *_weekly(past, whole)]


def _whole_days(past: Past, episodes: Sequence[Occurrence]) -> list[Occurrence]:
    """Without those of the day that is not over yet."""
    end = past.until // DAY_S * DAY_S
    return [each for each in episodes if each.at < end]


def _days(past: Past, episodes: Sequence[Occurrence]) -> int:
    return int(past.until // DAY_S - episodes[0].at // DAY_S)


def _daily(past: Past, whole: dict[Source, list[Occurrence]]) -> Iterator[Candidate]:
    tests, found = 0, list[tuple[float, _Hour]]()
    for source, episodes in whole.items():
        by_day = Counter(each.at // DAY_S for each in episodes)
        if len(by_day) < SUPPORT_MIN or _days(past, episodes) < DAYS_MIN:
            continue
        tests += _STEPS
        tails = poisson_binomial([1.0 - (1.0 - _HOUR_S / DAY_S) ** count for count in by_day.values()])
        for step in range(_STEPS):
            held = min(len(_in_hour(episodes, step)), len(by_day))
            if held >= SUPPORT_MIN:
                found.append((tails[held], _Hour(source, step)))
    steps: defaultdict[Source, set[int]] = defaultdict(set)
    for hour in believed(found, tests):
        steps[hour.source].add(hour.step)
    for source, known in steps.items():
        for first, last in _joined(known):
            yield from _candidate(past, source, whole[source], first, last)


def _in_hour(episodes: Sequence[Occurrence], step: int) -> set[float]:
    """The days on which one is in the hour that begins there."""
    start = step * _STEP_S
    return {(each.at - start) // DAY_S for each in episodes if (each.at - start) % DAY_S < _HOUR_S}


def _joined(steps: set[int]) -> Iterator[tuple[int, int]]:
    """Steps that follow on each other, around midnight too, as first and last one."""
    for first in sorted(steps):
        if (first - 1) % _STEPS not in steps:
            last = first
            while (last + 1) % _STEPS in steps:
                last += 1
            yield first, last


def _candidate(
    past: Past, source: Source, episodes: Sequence[Occurrence], first: int, last: int
) -> Iterator[Candidate]:
    start, width = first * _STEP_S, (last - first) * _STEP_S + _HOUR_S
    inside = [each for each in episodes if (each.at - start) % DAY_S < width]
    offsets = sorted((each.at - start) % DAY_S for each in inside)
    since, until = (start + offsets[0]) / 60, (start + offsets[-1]) / 60
    held, days = len({(each.at - start) // DAY_S for each in inside}), _days(past, episodes)
    lift = len(inside) / len(episodes) * DAY_S / width
    if lift >= LIFT_MIN:
        yield Candidate(
            PatternKind.RECURRING,
            (source,),
            min(held, days),
            days,
            lift,
            at_least(min(held, days), days),
            inside,
            _times(since, until),
        )


def _times(since: float, until: float, weekday: int | None = None) -> Times:
    low = int(since // _ROUNDED_MIN * _ROUNDED_MIN)
    high = int(-(-(until + 0.01) // _ROUNDED_MIN) * _ROUNDED_MIN)
    return Times(low % 1440, high % 1440, weekday)


def _weekly(past: Past, whole: dict[Source, list[Occurrence]]) -> Iterator[Candidate]:
    tests, found = 0, list[tuple[float, _Weekday]]()
    for source, episodes in whole.items():
        by_week = Counter(_week(each.at) for each in episodes)
        if len(by_week) < WEEKS_MIN or _days(past, episodes) < WEEKS_MIN * 7:
            continue
        tests += 7
        tails = poisson_binomial([1.0 - (6 / 7) ** count for count in by_week.values()])
        for day in range(7):
            held = len({_week(each.at) for each in episodes if _weekday(each.at) == day})
            if held >= WEEKS_MIN:
                found.append((tails[held], _Weekday(source, day)))
    for source, day in believed(found, tests):
        episodes = whole[source]
        inside = [each for each in episodes if _weekday(each.at) == day]
        held, weeks = len({_week(each.at) for each in inside}), _weeks(past, episodes, day)
        lift = len(inside) / len(episodes) * 7
        if lift >= LIFT_MIN:
            confidence = at_least(held, weeks)
            times = _sharp([each.at % DAY_S for each in inside], day)
            yield Candidate(PatternKind.RECURRING, (source,), held, weeks, lift, confidence, inside, times)


def _week(at: float) -> float:
    return (at // DAY_S + _TO_MONDAY) // 7


def _weekday(at: float) -> int:
    return int(at // DAY_S + _TO_MONDAY) % 7


def _weeks(past: Past, episodes: Sequence[Occurrence], day: int) -> int:
    """How many such weekdays there were since the first episode."""
    first, end = int(episodes[0].at // DAY_S), int(past.until // DAY_S)
    return sum(1 for each in range(first, end) if (each + _TO_MONDAY) % 7 == day)


def _sharp(seconds: list[float], day: int) -> Times:
    """When on that day, if nine of ten are near each other; else the whole day."""
    ordered = sorted(seconds)
    kept = max(1, -(-len(ordered) * 9 // 10))
    spans = [(ordered[n + kept - 1] - ordered[n], n) for n in range(len(ordered) - kept + 1)]
    width, n = min(spans)
    return _times(ordered[n] / 60, ordered[n + kept - 1] / 60, day) if width <= _SHARP_S else Times(0, 1440, day)
