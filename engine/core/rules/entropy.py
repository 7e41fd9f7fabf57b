"""Is the last hour distributed like any before? Relative entropy against several hypotheses.

After Wang and others, "Statistical Techniques for Online Anomaly Detection in Data Centers" (2011), figure 1: the last
52 readings fall into 5 bins; a window that is distributed unlike all that were seen is news, and is remembered. Twice
the window times the relative entropy is chi-square distributed with 4 degrees of freedom if two are alike.

Two things are not as there. What is remembered is a sample as well as what is held against it, so both are held against
their mean (the two-sample form): the one-sample form took chance for news four times as often, and knew no answer for
an empty bin. And the range of the bins is what has been seen so far, not known beforehand; when it grows, what is
remembered moves into the new bins. The hypothesis least met gives way for a new one. Pure.
"""

from __future__ import annotations

import math

import msgspec

BINS = 5
WINDOW = 52
# The 99th percentile of chi-square with 4 degrees of freedom.
LIMIT = 13.276704135987622
# A course of days needs some thirty; with too few the same hour is news each day, since the newest is the least met.
HYPOTHESES_MAX = 64
# The range is drawn so much wider than what was seen, on each side, so that it seldom has to be drawn again.
MARGIN = 0.05
# The bins are drawn after three windows: from fewer they would have to be drawn again soon.
START = 3 * WINDOW
# Until so many readings all is new and nothing is news.
SETTLED = 6 * WINDOW
# A range narrower than this share of its values is rounding.
SPAN_MIN = 1e-6
# n log n for each count of a window, and n log (n / 2) for each sum of two.
_NLOGN = tuple(n * math.log(n) if n else 0.0 for n in range(WINDOW + 1))
_BOTH = tuple(n * math.log(n / 2) if n else 0.0 for n in range(2 * WINDOW + 1))


class Hypothesis(msgspec.Struct):
    """A distribution that was seen, as counts, and how many windows agreed with it."""

    counts: list[int]
    met: int = 1


class Entropy(msgspec.Struct):
    """One series' windows."""

    # Its newest values, the oldest of them at `next`.
    values: list[float] = []
    next: int = 0
    seen: int = 0
    lowest: float = 0.0
    highest: float = 0.0
    # The bins: where the first begins, how wide each is (0: not drawn yet).
    low: float = 0.0
    width: float = 0.0
    counts: list[int] = []
    known: list[Hypothesis] = []
    # The hypothesis that agreed last: mostly it does again.
    last: int = 0

    def observe(self, value: float) -> float:
        """Takes in a reading; 1 if the window is unlike everything before, else 0."""
        self.lowest = min(self.lowest, value) if self.seen else value
        self.highest = max(self.highest, value) if self.seen else value
        self.seen += 1
        if len(self.values) < WINDOW:
            self.values.append(value)
            return 0.0
        gone, self.values[self.next] = self.values[self.next], value
        self.next = (self.next + 1) % WINDOW
        if self.seen < START:
            return 0.0
        if not self.width or not 0.0 <= value - self.low < BINS * self.width:
            return self._judge() if self._draw() else 0.0
        came, went = int((value - self.low) / self.width), int((gone - self.low) / self.width)
        if came == went:
            return 0.0
        self.counts[min(came, BINS - 1)] += 1
        self.counts[min(went, BINS - 1)] -= 1
        return self._judge()

    def _draw(self) -> bool:
        """Draws the bins anew; False: there is nothing to divide."""
        span = self.highest - self.lowest
        if span <= SPAN_MIN * max(abs(self.lowest), abs(self.highest)):
            return False
        before, width = self.low, self.width
        self.low = self.lowest - MARGIN * span
        # The smallest numbers there are cannot be divided.
        self.width = span * (1.0 + 2.0 * MARGIN) / BINS or span
        if width:
            # Each old bin goes where its middle is now.
            moves = [self._bin(before + (number + 0.5) * width) for number in range(BINS)]
            for hypothesis in self.known:
                hypothesis.counts = [
                    sum(count for move, count in zip(moves, hypothesis.counts, strict=True) if move == number)
                    for number in range(BINS)
                ]
        self.counts = [0] * BINS
        for value in self.values:
            self.counts[self._bin(value)] += 1
        return True

    def _bin(self, value: float) -> int:
        return min(BINS - 1, int((value - self.low) / self.width))

    def _judge(self) -> float:
        counts = self.counts
        information = sum(_NLOGN[count] for count in counts)
        if self.known and _statistic(information, counts, self.known[self.last].counts) < LIMIT:
            return self._agree(self.last)
        statistics = [_statistic(information, counts, hypothesis.counts) for hypothesis in self.known]
        least = min(statistics, default=math.inf)
        if least < LIMIT:
            return self._agree(statistics.index(least))
        self._remember(Hypothesis(list(counts)))
        return 1.0 if self.seen >= SETTLED else 0.0

    def _agree(self, number: int) -> float:
        self.last = number
        self.known[number].met += 1
        return 0.0

    def _remember(self, hypothesis: Hypothesis) -> None:
        if len(self.known) < HYPOTHESES_MAX:
            self.last = len(self.known)
            self.known.append(hypothesis)
            return
        self.last = min(range(HYPOTHESES_MAX), key=lambda number: self.known[number].met)
        self.known[self.last] = hypothesis


def _statistic(information: float, counts: list[int], known: list[int]) -> float:
    total = information
    for count, other in zip(counts, known, strict=True):
        total += _NLOGN[other] - _BOTH[count + other]
    return 2.0 * total
