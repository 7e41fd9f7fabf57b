"""How likely chance alone does as well: tails, and which of many tests may be believed.

Sources: Benjamini and Hochberg 1995 (the procedure; valid also for tests that go up together, Benjamini and Yekutieli
2001, theorem 1.2), Wilson 1927 (the interval).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import erfc, exp, lgamma, log, sqrt
from typing import TypeVar

T = TypeVar("T")

# Of what is told as a pattern, at most so much is chance; six sorts together tell something in pure noise in less than
# one of sixteen runs.
FALSE_SHARE = 0.01
# One-sided 95 %.
_Z = 1.6448536269514722
# Further terms of a sum would not change it.
_NEGLIGIBLE = 1e-17


def binomial_tail(k: int, n: int, p: float) -> float:
    """P(X >= k) of n trials with probability p; 1 for all that is not more than expected."""
    if k <= n * p or k <= 0:
        return 1.0
    if p <= 0.0 or k > n:
        return 0.0
    term = exp(_log_choose(n, k) + k * log(p) + (n - k) * log(1.0 - p)) if p < 1.0 else 1.0
    return _sum(term, ((n - i) / (i + 1) * p / (1.0 - p) for i in range(k, n)))


def hypergeometric_tail(k: int, a: int, b: int, total: int) -> float:
    """P(at least k in common) of a and b drawn from `total` independently; 1 for all that is not more than expected."""
    if k <= a * b / total:
        return 1.0
    if k > min(a, b):
        return 0.0
    others = _log_choose(total - a, b - k)
    term = exp(_log_choose(a, k) + others - _log_choose(total, b))
    rest = total - a - b
    return _sum(term, ((a - i) * (b - i) / ((i + 1) * (rest + i + 1)) for i in range(k, min(a, b))))


def _sum(term: float, ratios: Iterable[float]) -> float:
    """The term, and all after it, each so many times the one before; they get smaller."""
    total = term
    for ratio in ratios:
        term *= ratio
        total += term
        if term < total * _NEGLIGIBLE:
            break
    return min(total, 1.0)


def poisson_binomial(chances: Sequence[float]) -> list[float]:
    """P(X >= k) for each k from 0 on, of trials with a probability each."""
    exactly = [1.0]
    for p in chances:
        exactly = [
            (exactly[k] * (1.0 - p) if k < len(exactly) else 0.0) + (exactly[k - 1] * p if k else 0.0)
            for k in range(len(exactly) + 1)
        ]
    tails, total = [0.0] * len(exactly), 0.0
    for k in range(len(exactly) - 1, -1, -1):
        total += exactly[k]
        tails[k] = min(total, 1.0)
    return tails


def normal_tail(z: float) -> float:
    """P(Z >= z)."""
    return 0.5 * erfc(z / sqrt(2.0))


def at_least(k: int, n: int) -> float:
    """The confidence of what held k times of n: the lower end of Wilson's interval, one-sided 95 %."""
    share, z2 = k / n, _Z * _Z
    middle = share + z2 / (2 * n)
    spread = _Z * sqrt(share * (1.0 - share) / n + z2 / (4 * n * n))
    return max(0.0, (middle - spread) / (1.0 + z2 / n))


def believed(found: Iterable[tuple[float, T]], tests: int) -> list[T]:
    """Which of the found (each with its p-value) may be believed, of so many tests that were made; likeliest first."""
    ranked = sorted(found, key=lambda pair: pair[0])
    last = 0
    for rank, (p, _) in enumerate(ranked, 1):
        if p <= FALSE_SHARE * rank / tests:
            last = rank
    return [each for _, each in ranked[:last]]


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
