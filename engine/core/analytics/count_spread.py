"""How the counts of days are spread around what is expected: from a rule that rings once a day to storms.

Each of `KINDS` keeps one number whatever the mean is. Poisson's is chance. Below it are days that are more alike than
chance makes them (Conway and Maxwell 1962; Shmueli et al. 2005: the factorial to a power), above it uneven ones
(negative binomial: variance is mean + dispersion * mean²). Which of them a series has is not decided: each counts as
much as it would have foretold the days that came (Bayesian model averaging), so what four weeks cannot tell apart stays
open. So it is with ways of expecting: whether the level is that of last week or of two months.

Rules: a mean is above 0; a day that no kind foresaw (a storm) rules none out; means above `LARGE` are not added up
term by term: there alike days are normally distributed, and quantiles are those of a gamma distribution with the same
mean and variance (Wilson and Hilferty 1931).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import NamedTuple

LARGE = 100.0
# With the last, a rule whose mean is one a day is silent on 1 of 130 days.
ALIKE = (1.5, 2.5, 4.0, 6.0, 9.0, 14.0)
# Beyond the last is a storm that no interval holds; with the first, days of a million alerts differ by 3 %.
UNEVEN = (0.001, 0.0025, 0.006, 0.015, 0.04, 0.1, 0.25, 0.6, 1.2, 2.4)
# Chance is what is to be disproved: it begins with as much as four of the others.
CHANCE_FIRST = 4.0
# What a day may be blamed for at most: as improbable as one count in a thousand times as many as are usual.
BLAME_LEAST = 1e-3
# What counts less than that beside the best is left out: no quantile would see it.
NEGLIGIBLE = 1e-4
# In a judgement of kinds means that differ by 2 % are the same.
NEAR = 50
# The normal distribution's 90 %.
Z = 1.2815515655446004
# No distribution reaches so far below LARGE, but by a hundred-millionth.
_TERMS = range(200)
_LOG_FACTORIALS = [math.lgamma(count + 1) for count in _TERMS]
_SOLVED, _STEPS_MAX = 1e-5, 60


class Kind(NamedTuple):
    """One way of being spread: `power` of the factorial (1: chance) if days are alike, `dispersion` if they are not."""

    power: float = 1.0
    dispersion: float = 0.0

    def variance(self, mean: float) -> float:
        """Of alike days nearly: exact where means are large."""
        return mean / self.power + self.dispersion * mean * mean

    def log_chance(self, mean: float, count: int) -> float:
        """The logarithm of the probability of a count."""
        if self.power == 1.0:
            return _log_uneven(mean, self.dispersion, count)
        if mean > LARGE:
            variance = self.variance(mean)
            return -0.5 * (math.log(2 * math.pi * variance) + (count - mean) ** 2 / variance)
        chances = alike(mean, self.power)
        return math.log(chances[count]) if count < len(chances) and chances[count] > 0.0 else -math.inf

    def chances(self, mean: float) -> Iterator[float]:
        """The probabilities of 0, 1, 2, ... of a mean that is not large; without an end."""
        if self.power == 1.0:
            return _uneven(mean, self.dispersion)
        return chain(alike(mean, self.power), repeat(0.0))


CHANCE = Kind()
# Those that take longer to ask are last: often the others have made them improbable by then.
KINDS = (CHANCE, *(Kind(dispersion=each) for each in UNEVEN), *(Kind(power=power) for power in ALIKE))


class Outlook(NamedTuple):
    """One way of expecting: what it would have expected of past days, with what came, and what it expects now."""

    days: Sequence[tuple[float, int]]
    mean: float


class Spread(NamedTuple):
    """What is expected: means, each with its kind and what it counts; together 1."""

    parts: Sequence[tuple[float, float, Kind]]

    def mean(self) -> float:
        """The count that is expected."""
        return sum(share * mean for share, mean, _ in self.parts)

    def none(self) -> float:
        """The probability of a day without any."""
        return sum(share * math.exp(kind.log_chance(mean, 0)) for share, mean, kind in self.parts)

    def quantiles(self, ends: tuple[float, float]) -> tuple[int, int]:
        """The smallest counts that these shares of days do not exceed (of large means: for 10 % and 90 %)."""
        if max(mean for _, mean, _ in self.parts) > LARGE:
            return self._far_ends()
        told = [(share, kind.chances(mean)) for share, mean, kind in self.parts]
        reached, count, found = 0.0, -1, list[int]()
        for end in ends:
            while reached < end:
                step = sum(share * next(chances) for share, chances in told)
                reached, count = reached + step, count + 1
                if step < 1e-15 and count > LARGE:
                    break
            found.append(max(0, count))
        return found[0], found[1]

    def _far_ends(self) -> tuple[int, int]:
        middle = self.mean()
        variance = sum(share * (kind.variance(mean) + (mean - middle) ** 2) for share, mean, kind in self.parts)
        ninth = variance / (9 * middle * middle)
        low, high = (middle * max(0.0, 1 - ninth + side * Z * math.sqrt(ninth)) ** 3 for side in (-1, 1))
        return round(low), round(high)


def learn(outlooks: Sequence[Outlook]) -> Spread:
    """Each outlook with each kind, as far as the past speaks for them; without days it is nearly chance."""
    credits, best = list[tuple[float, float, Kind]](), -math.inf
    for outlook in outlooks:
        for kind in KINDS:
            credit = _credit(kind, outlook.days, best + math.log(NEGLIGIBLE))
            credits.append((credit, outlook.mean, kind))
            best = max(best, credit)
    parts = [(math.exp(credit - best), mean, kind) for credit, mean, kind in credits]
    whole = sum(weight for weight, _, _ in parts if weight > NEGLIGIBLE)
    return Spread([(weight / whole, mean, kind) for weight, mean, kind in parts if weight > NEGLIGIBLE])


@lru_cache(maxsize=1_024)
def alike(mean: float, power: float) -> list[float]:
    """The probabilities of 0, 1, 2, ... where the factorial has this power: at most LARGE on average."""
    top = min(len(_TERMS), int(mean + 8 * math.sqrt(mean / power + 1)) + 6)
    counts, logs = _TERMS[:top], [power * each for each in _LOG_FACTORIALS[:top]]
    # By Jensen's inequality: the rate is between these (E[count ** power] is the rate itself).
    low, high = power * math.log(mean), power * math.log(mean + 1)
    rate = (low + high) / 2
    weights: list[float] = []
    for _ in range(_STEPS_MAX):
        terms = [count * rate - log for count, log in zip(counts, logs, strict=True)]
        best = max(terms)
        weights = [math.exp(term - best) for term in terms]
        whole = sum(weights)
        now = sum(count * weight for count, weight in zip(counts, weights, strict=True)) / whole
        if abs(now - mean) <= _SOLVED * mean:
            break
        low, high = (rate, high) if now < mean else (low, rate)
        spread = sum((count - now) ** 2 * weight for count, weight in zip(counts, weights, strict=True)) / whole
        # Newton's step, or half the way where that leaves what is known.
        rate = rate + (mean - now) / spread if spread > 0.0 else high
        rate = rate if low < rate < high else (low + high) / 2
    whole = sum(weights)
    return [weight / whole for weight in weights]


def _credit(kind: Kind, days: Sequence[tuple[float, int]], least: float) -> float:
    """What the days say for a kind, up to where they say too little."""
    credit = math.log(CHANCE_FIRST) if kind is CHANCE else 0.0
    for exact, count in days:
        # Nothing is more probable than certain.
        if credit < least:
            return -math.inf
        # Days that differ by nothing to speak of are solved once.
        mean = math.exp(round(math.log(exact) * NEAR) / NEAR)
        credit += max(kind.log_chance(mean, count), math.log(BLAME_LEAST / (1 + mean)))
    return credit


def _log_uneven(mean: float, dispersion: float, count: int) -> float:
    if dispersion == 0.0:
        return count * math.log(mean) - mean - math.lgamma(count + 1)
    size = 1 / dispersion
    ways = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1)
    return ways - size * math.log1p(mean / size) - count * math.log1p(size / mean)


def _uneven(mean: float, dispersion: float) -> Iterator[float]:
    chance, count = math.exp(_log_uneven(mean, dispersion, 0)), 0
    while True:
        yield chance
        chance *= (mean / (count + 1)) * (1 + dispersion * count) / (1 + dispersion * mean)
        count += 1
