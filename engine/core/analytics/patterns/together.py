"""What comes together: pairs of sources whose episodes begin within the same ten minutes, more often than by chance.

Ten minutes are one transaction, as frequent-itemset miners call it (Agrawal and Srikant 1994). Of the transactions in
which both sources were around (between their first and last ones), a have one, b the other, k both: by chance k is
hypergeometric. Confidence is that of the rarer one: when it comes, the other comes too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from engine.core.analytics.patterns.chance import at_least, believed, hypergeometric_tail
from engine.core.analytics.patterns.past import SUPPORT_MIN, Candidate, Past, order_of
from protocol.patterns import PatternKind, Source

WINDOW_S = 600
LIFT_MIN = 3.0
# In a storm everything comes together; it says nothing, and its pairs are many.
CROWD_MAX = 200


class Pair(NamedTuple):
    """In `both` of `total` transactions both came, in `first` and `second` each (the other or not)."""

    sources: tuple[Source, Source]
    both: int
    first: int
    second: int
    total: int


def transactions(past: Past) -> dict[int, set[Source]]:
    """Which sources' episodes began in which ten minutes; those where too many did are left out."""
    found: dict[int, set[Source]] = {}
    for source, episodes in past.episodes.items():
        for each in episodes:
            found.setdefault(int(each.at // WINDOW_S), set()).add(source)
    return {window: sources for window, sources in found.items() if len(sources) <= CROWD_MAX}


def pairs(found: Mapping[int, set[Source]]) -> list[Pair]:
    """All pairs that came together so often, counted in the transactions between the first and last of each."""
    windows = _windows(found)
    counts: Counter[tuple[Source, Source]] = Counter()
    for sources in found.values():
        known = sorted((each for each in sources if len(windows[each]) >= SUPPORT_MIN), key=order_of)
        counts.update(combinations(known, 2))
    return [_pair(pair, both, windows) for pair, both in counts.items() if both >= SUPPORT_MIN]


def _windows(found: Mapping[int, set[Source]]) -> dict[Source, list[int]]:
    windows: dict[Source, list[int]] = {}
    for window in sorted(found):
        for source in found[window]:
            windows.setdefault(source, []).append(window)
    return windows


def _pair(pair: tuple[Source, Source], both: int, windows: Mapping[Source, Sequence[int]]) -> Pair:
    one, two = windows[pair[0]], windows[pair[1]]
    since, until = max(one[0], two[0]), min(one[-1], two[-1])
    counts = [bisect_right(each, until) - bisect_left(each, since) for each in (one, two)]
    return Pair(pair, both, counts[0], counts[1], until - since + 1)


def together(past: Past) -> list[Candidate]:
    """What comes together."""
    found = transactions(past)
    often = sum(1 for windows in _windows(found).values() if len(windows) >= SUPPORT_MIN)
    tests = often * (often - 1) // 2
    likely = [(hypergeometric_tail(each.both, each.first, each.second, each.total), each) for each in pairs(found)]
    return [candidate for pair in believed(likely, tests) if (candidate := _candidate(past, pair)).lift >= LIFT_MIN]


def _candidate(past: Past, pair: Pair) -> Candidate:
    windows = [{int(each.at // WINDOW_S): each for each in past.episodes[source]} for source in pair.sources]
    shared = windows[0].keys() & windows[1].keys()
    evidence = [each[window] for window in shared for each in windows]
    rarer = min(pair.first, pair.second)
    lift = pair.both * pair.total / (pair.first * pair.second)
    confidence = at_least(pair.both, rarer)
    return Candidate(PatternKind.CO_OCCURRENCE, pair.sources, pair.both, rarer, lift, confidence, evidence)
