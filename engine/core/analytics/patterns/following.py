"""What comes after what: B's episodes begin within half an hour after A's, more often than by chance, and not before.

As long as A's episodes are apart, so long is looked ahead: each is a trial of its own. By chance B begins in such a
stretch with probability 1 - (1 - stretch / span)^b. Which of the two comes first must be told from a coin, too: else
they come together (`together`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.core.analytics.patterns.chance import at_least, believed, binomial_tail
from engine.core.analytics.patterns.past import EPISODE_GAP_S, SUPPORT_MIN, Candidate, Occurrence, Past
from protocol.patterns import PatternKind, Source

AHEAD_S = EPISODE_GAP_S
# Less is at the same time: whoever decides about both does one after the other.
AT_ONCE_S = 5.0
LIFT_MIN = 3.0
# So sure it must be which comes first.
ORDER_P = 0.01
# In a storm everything follows everything: of what comes after an alert so much is looked at.
LOOKED_AT_MAX = 200

Order = tuple[Source, Source]


class _Found(NamedTuple):
    order: Order
    times: int
    trials: int
    chance: float


def following(past: Past) -> list[Candidate]:
    """What comes after what."""
    often = {source: episodes for source, episodes in past.episodes.items() if len(episodes) >= SUPPORT_MIN}
    after = _after(often)
    likely = []
    for order, followed in after.items():
        if len(followed) >= SUPPORT_MIN and _is_ordered(len(followed), len(after.get((order[1], order[0]), ()))):
            found = _against_chance(order, len(followed), often)
            likely.append((binomial_tail(found.times, found.trials, found.chance), found))
    tests = len(often) * (len(often) - 1)
    candidates = (_candidate(each, after[each.order]) for each in believed(likely, tests))
    return [candidate for candidate in candidates if candidate.lift >= LIFT_MIN]


def _after(often: Mapping[Source, Sequence[Occurrence]]) -> dict[Order, list[tuple[Occurrence, Occurrence]]]:
    """Each first of one followed by the next of another one, for all ordered pairs that there are."""
    line = sorted((each for episodes in often.values() for each in episodes), key=lambda each: (each.at, each.id))
    moments = [each.at for each in line]
    found: defaultdict[Order, list[tuple[Occurrence, Occurrence]]] = defaultdict(list)
    for first in line:
        start, end = bisect_left(moments, first.at + AT_ONCE_S), bisect_right(moments, first.at + AHEAD_S)
        # At most one of each source: episodes are further apart.
        for second in line[start : min(end, start + LOOKED_AT_MAX)]:
            found[first.source, second.source].append((first, second))
    return found


def _is_ordered(forth: int, back: int) -> bool:
    return binomial_tail(forth, forth + back, 0.5) <= ORDER_P


def _against_chance(order: Order, times: int, often: Mapping[Source, Sequence[Occurrence]]) -> _Found:
    """While both were around."""
    first, second = (often[source] for source in order)
    since, until = max(first[0].at, second[0].at) - AHEAD_S, min(first[-1].at, second[-1].at) + AHEAD_S
    trials = sum(1 for each in first if since <= each.at <= until)
    b = sum(1 for each in second if since <= each.at <= until)
    chance = 1.0 - max(0.0, 1.0 - AHEAD_S / (until - since)) ** b
    return _Found(order, times, max(trials, times), chance)


def _candidate(found: _Found, followed: Sequence[tuple[Occurrence, Occurrence]]) -> Candidate:
    lags = sorted(second.at - first.at for first, second in followed)
    return Candidate(
        PatternKind.SEQUENCE,
        found.order,
        found.times,
        found.trials,
        found.times / found.trials / found.chance,
        at_least(found.times, found.trials),
        [each for pair in followed for each in pair],
        within_s=_minutes(lags[(len(lags) - 1) * 9 // 10]),
        typical_s=round(lags[len(lags) // 2]),
    )


def _minutes(seconds: float) -> int:
    return int(-(-seconds // 60) * 60)
