"""What comes more and more often: the days of up to four weeks, each compared with each later one.

Mann 1945, Kendall 1948: of all pairs of days, how many more go up than down; without a trend that is about normal, with
a variance that is less where days are equal. Days are 24 hours back from now, so that today counts; a source is
looked at from its first alert on, so that a new rule is no trend. Alerts within ten minutes count once. Confidence is
the share of the last third's alerts among those of the first and last, at least.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import sqrt

from engine.core.analytics.patterns.chance import at_least, believed, normal_tail
from engine.core.analytics.patterns.past import DAY_S, Candidate, Occurrence, Past
from protocol.patterns import PatternKind, Source

DAYS_MIN = 14
DAYS_MAX = 28
ALERTS_MIN = 20
# The last third has so many times the first one's.
GROWTH_MIN = 2.0
_ONCE_S = 600.0


def rising(past: Past) -> list[Candidate]:
    """What comes more and more often."""
    likely, tests = list[tuple[float, Source]](), 0
    counted = {source: _by_day(past, alerts) for source, alerts in past.alerts.items()}
    for source, counts in counted.items():
        if len(counts) >= DAYS_MIN and sum(counts) >= ALERTS_MIN:
            tests += 1
            likely.append((trend_p(counts), source))
    found = (_candidate(past, source, counted[source]) for source in believed(likely, tests))
    return [candidate for candidate in found if candidate.lift >= GROWTH_MIN]


def _by_day(past: Past, alerts: Sequence[Occurrence]) -> list[int]:
    """How many in each day, the oldest first, since the first alert."""
    days = min(DAYS_MAX, int((past.until - alerts[0].at) // DAY_S))
    counts, last = [0] * days, float("-inf")
    for each in alerts:
        day = days - 1 - int((past.until - each.at) // DAY_S)
        if each.at - last >= _ONCE_S and day >= 0:
            counts[day] += 1
            last = each.at
    return counts


def trend_p(counts: Sequence[int]) -> float:
    """How often chance alone would go up so much."""
    n = len(counts)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(counts, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in Counter(counts).values())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    return normal_tail((score - 1) / sqrt(variance)) if score > 0 else 1.0


def _candidate(past: Past, source: Source, counts: Sequence[int]) -> Candidate:
    third = len(counts) // 3
    before, after = sum(counts[:third]), sum(counts[-third:])
    since = past.until - third * DAY_S
    evidence = [each for each in past.alerts[source] if each.at >= since]
    lift = after / max(before, 1)
    confidence = at_least(after, before + after)
    return Candidate(PatternKind.ESCALATING, (source,), after, before + after, lift, confidence, evidence)
