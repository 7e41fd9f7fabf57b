"""What is counted of alerts, and how counts of one stretch of time become those of a longer one: by addition.

Every figure that is kept is a whole number that can be added and taken away again; whatever cannot (a mean, a share, a
percentile) is made from those when it is asked for. So days are sums of hours to the last digit, a count that is made
anew changes them by the difference, and the order in which hours are counted does not matter.

What the words mean is in `docs/analytics.md`; the store counts by them in SQL, and `benchmarks/counted_by_hand.py` has
them once more, in plain Python, to hold the store's counts against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# In the order of the columns of the table `aggregate`.
FIGURES = (
    "alerts",
    "active",
    "acknowledged",
    "resolved",
    "expired",
    "suppressed",
    "quieted",
    "notified",
    "noisy",
    "confirmed",
    "false_alarms",
    "taken",
    "taken_ms",
    "ended",
    "ended_ms",
)
_NOTHING = (0,) * len(FIGURES)
_NOTIFIED = FIGURES.index("notified")
# Two histograms in one mapping: bins of times to acknowledge as they are, those of times to resolve from here on.
ENDED = 1_000


class Counts(NamedTuple):
    """The figures, in the order of `FIGURES`, and how many alerts took how long (`ENDED` says which)."""

    figures: tuple[int, ...] = _NOTHING
    times: Mapping[int, int] = {}

    @property
    def alerts(self) -> int:
        """How many alerts there are."""
        return self.figures[0]

    def of(self, name: str) -> int:
        """One of the figures."""
        return self.figures[FIGURES.index(name)]

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return self._joined(other, 1)

    def minus(self, other: Counts) -> Counts:
        """What is to be added to the other to have these."""
        return self._joined(other, -1)

    def with_notified(self, least: int) -> Counts:
        """The same, but so many at least were notified: whose lines in the ledger are gone was told all the same."""
        figures = list(self.figures)
        figures[_NOTIFIED] = min(max(figures[_NOTIFIED], least), self.alerts)
        return Counts(tuple(figures), self.times)

    def taken_times(self) -> dict[int, int]:
        """Bins of times to acknowledge."""
        return {number: count for number, count in self.times.items() if number < ENDED}

    def ended_times(self) -> dict[int, int]:
        """Bins of times to resolve."""
        return {number - ENDED: count for number, count in self.times.items() if number >= ENDED}

    def _joined(self, other: Counts, sign: int) -> Counts:
        times = dict(self.times)
        for number, count in other.times.items():
            times[number] = times.get(number, 0) + sign * count
        figures = tuple([a + sign * b for a, b in zip(self.figures, other.figures, strict=True)])
        return Counts(figures, {number: count for number, count in times.items() if count})


NONE = Counts()


def total(parts: Iterable[Counts]) -> Counts:
    """All of them together."""
    figures, times = list(_NOTHING), dict[int, int]()
    for part in parts:
        for place, figure in enumerate(part.figures):
            figures[place] += figure
        for number, count in part.times.items():
            times[number] = times.get(number, 0) + count
    return Counts(tuple(figures), {number: count for number, count in times.items() if count})
