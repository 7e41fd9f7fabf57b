"""Detectors of others, for `nab`: the published table, and two of its detectors, with which our scorer is checked.

The windowed Gaussian (39.6 in the standard profile) and the relative entropy detector (54.6), as NAB defines them: the
second knows the smallest and the largest value of the whole file beforehand, which no detector can that watches live.
Each gives one score (0 to 1) a record.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

# What others got, by profile: https://github.com/numenta/NAB#scoreboard (of a range that it gives the better end).
PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "artime": (74.9, 65.1, 80.4),
    "numenta_htm": (70.5, 62.6, 75.2),
    "cad_ose": (69.9, 67.0, 73.2),
    "earthgecko_skyline": (58.2, 46.2, 63.9),
    "knn_cad": (58.0, 43.4, 64.8),
    "relative_entropy": (54.6, 47.6, 58.8),
    "random_cut_forest": (51.7, 38.4, 59.7),
    "twitter_advec": (47.1, 33.6, 53.5),
    "windowed_gaussian": (39.6, 20.9, 47.4),
    "etsy_skyline": (35.7, 27.1, 44.5),
    "bayesian_changepoint": (17.7, 3.2, 32.2),
    "expose": (16.4, 3.2, 26.9),
    "random": (11.0, 1.2, 19.5),
}
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
