"""Detectors of others, for `nab`: what our scorer is checked with, because their scores are published.

The windowed Gaussian (39.6 in the standard profile) and the relative entropy detector (54.6), as NAB defines them: the
second knows the smallest and the largest value of the whole file beforehand, which no detector can that watches live.
Each gives one score (0 to 1) a record.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

GAUSSIAN_WINDOW = 6_400
GAUSSIAN_STEP = 100
ENTROPY_BINS = 5
ENTROPY_WINDOW = 52
# The 99th percentile of chi-square with 4 degrees of freedom.
ENTROPY_LIMIT = 13.276704135987622
# NAB scores what its result files hold: without the rounding (and its ties) the Gaussian would get 40.1.
DIGITS = 12
# What NAB's Gaussian takes where all values are the same.
_NO_SPREAD = 1e-6


def windowed_gaussian(values: Sequence[float]) -> list[float]:
    """How far from the mean of the last 6,400 values (renewed each 100), as a probability."""
    window: list[float] = []
    waiting: list[float] = []
    moments = _Moments()
    scores = []
    for value in values:
        z = abs(value - moments.mean) / moments.deviation if window else 0.0
        scores.append(round(1.0 - 0.5 * math.erfc(z / math.sqrt(2.0)), DIGITS) if window else 0.0)
        if len(window) < GAUSSIAN_WINDOW:
            window.append(value)
            moments.add(value)
            continue
        waiting.append(value)
        if len(waiting) == GAUSSIAN_STEP:
            window = window[GAUSSIAN_STEP:] + waiting
            waiting = []
            moments = _Moments()
            for each in window:
                moments.add(each)
    return scores


class _Moments:
    """Mean and deviation of what was added (Welford)."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, value: float) -> None:
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self._squares += delta * (value - self.mean)

    @property
    def deviation(self) -> float:
        return math.sqrt(self._squares / self.count) or _NO_SPREAD


def relative_entropy(values: Sequence[float]) -> list[float]:
    """1 where the last 52 values are distributed unlike any window before (Wang et al. 2011), else 0."""
    low, step = min(values), (max(values) - min(values)) / ENTROPY_BINS
    if step == 0.0:
        return [0.0] * len(values)
    # Whole numbers 0 to 5, of which the last bin takes two.
    bins = [min(ENTROPY_BINS - 1, math.ceil((value - low) / step)) for value in values]
    counts, window = [0] * ENTROPY_BINS, deque[int]()
    known: list[tuple[int, ...]] = []
    agreeing: dict[tuple[int, ...], bool] = {}
    scores = []
    for each in bins:
        counts[each] += 1
        window.append(each)
        if len(window) > ENTROPY_WINDOW:
            counts[window.popleft()] -= 1
        if len(window) < ENTROPY_WINDOW:
            scores.append(0.0)
            continue
        now = tuple(counts)
        # What agreed once agrees for ever: hypotheses are only added.
        if now not in agreeing:
            agreeing[now] = any(_statistic(now, other) < ENTROPY_LIMIT for other in known)
        scores.append(0.0 if agreeing[now] or not known else 1.0)
        if not agreeing[now]:
            known.append(now)
            agreeing[now] = True
    return scores


def _statistic(observed: Sequence[int], expected: Sequence[int]) -> float:
    """Twice the relative entropy of two windows, times their size: chi-square distributed if they are alike."""
    total = 0.0
    for seen, meant in zip(observed, expected, strict=True):
        if seen and not meant:
            return math.inf
        total += seen * math.log(seen / meant) if seen else 0.0
    return 2.0 * total
