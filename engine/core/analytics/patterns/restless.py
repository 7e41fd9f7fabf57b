"""What flaps: alerts that end by themselves within a quarter of an hour and are back within another half.

The live test (`engine.core.flapping`) asks for half-hours whether one thing flaps now; this one asks of a source, over
weeks, whether it does so as a rule. By chance the next alert of the same identity would begin so soon with probability
1 - exp(-rate * stretch). Confidence is the share of ended alerts that came back, at least.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import exp
from typing import NamedTuple

from engine.core.analytics.patterns.chance import at_least, believed, binomial_tail
from engine.core.analytics.patterns.past import Candidate, Occurrence, Past
from protocol.patterns import PatternKind, Source

SHORT_S = 900.0
BACK_S = 1_800.0
FLAPS_MIN = 10
LIFT_MIN = 2.0


class _Found(NamedTuple):
    source: Source
    flaps: Sequence[Occurrence]
    trials: int
    chance: float


def restless(past: Past) -> list[Candidate]:
    """What flaps."""
    found = [_of(past, source, alerts) for source, alerts in past.alerts.items()]
    tried = [each for each in found if each.trials >= FLAPS_MIN]
    often = [each for each in tried if len(each.flaps) >= FLAPS_MIN]
    likely = [(binomial_tail(len(each.flaps), each.trials, each.chance), each) for each in often]
    return [each for each in map(_candidate, believed(likely, len(tried))) if each.lift >= LIFT_MIN]


def _of(past: Past, source: Source, alerts: Sequence[Occurrence]) -> _Found:
    """Of each identity, all but the last alert could have come back."""
    flaps, trials, expected = list[Occurrence](), 0, 0.0
    span = past.until - past.since
    for own in _by_identity(alerts):
        chance = 1.0 - exp(-len(own) / span * BACK_S)
        for each, following in pairwise(own):
            if each.ended_at is None:
                continue
            trials += 1
            expected += chance
            if each.ended_at - each.at <= SHORT_S and following.at - each.ended_at <= BACK_S:
                flaps.append(following)
    return _Found(source, flaps, trials, expected / trials if trials else 1.0)


def _by_identity(alerts: Sequence[Occurrence]) -> Iterator[Sequence[Occurrence]]:
    found: defaultdict[str, list[Occurrence]] = defaultdict(list)
    for each in alerts:
        found[each.identity].append(each)
    yield from found.values()


def _candidate(found: _Found) -> Candidate:
    flaps = len(found.flaps)
    lift, confidence = flaps / found.trials / found.chance, at_least(flaps, found.trials)
    return Candidate(PatternKind.FLAPPING, (found.source,), flaps, found.trials, lift, confidence, found.flaps)
