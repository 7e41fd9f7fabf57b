"""The tests against chance, held against counting out what is possible."""

from __future__ import annotations

from itertools import product
from math import comb, prod
from random import Random

import pytest

from engine.core.analytics.patterns.chance import (
    FALSE_SHARE,
    at_least,
    believed,
    binomial_tail,
    hypergeometric_tail,
    normal_tail,
    poisson_binomial,
)


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (12, 0.01), (30, 0.3), (60, 0.9), (9, 1e-6)])
def test_the_binomial_tail_is_the_sum_of_its_terms(n: int, p: float) -> None:
    for k in range(n + 1):
        exactly = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
        assert binomial_tail(k, n, p) == (1.0 if k <= n * p else pytest.approx(exactly, rel=1e-9))


def test_the_binomial_tail_at_its_ends() -> None:
    assert binomial_tail(0, 10, 0.0) == 1.0
    assert binomial_tail(1, 10, 0.0) == 0.0
    assert binomial_tail(11, 10, 0.5) == 0.0
    assert binomial_tail(10, 10, 1.0) == 1.0
    assert 0.0 <= binomial_tail(90_000, 100_000, 0.5) < 1e-300


@pytest.mark.parametrize(("a", "b", "total"), [(5, 7, 20), (3, 3, 3), (20, 4, 30), (6, 6, 1_000), (1, 1, 2)])
def test_the_hypergeometric_tail_is_the_sum_of_its_terms(a: int, b: int, total: int) -> None:
    for k in range(max(0, a + b - total), min(a, b) + 1):
        ways = sum(comb(a, i) * comb(total - a, b - i) for i in range(k, min(a, b) + 1) if b - i <= total - a)
        exactly = 1.0 if k <= a * b / total else pytest.approx(ways / comb(total, b), rel=1e-9)
        assert hypergeometric_tail(k, a, b, total) == exactly
    assert hypergeometric_tail(min(a, b) + 1, a, b, total) == 0.0


def test_the_tail_of_unequal_trials_is_that_of_all_their_outcomes() -> None:
    chances = [0.1, 0.5, 0.9, 0.04]
    outcomes = [
        (sum(each), prod(p if hit else 1 - p for hit, p in zip(each, chances, strict=True)))
        for each in product((0, 1), repeat=4)
    ]
    exactly = [sum(share for hits, share in outcomes if hits >= k) for k in range(5)]
    assert poisson_binomial(chances) == pytest.approx(exactly)
    assert poisson_binomial([]) == [1.0]


def test_the_normal_tail() -> None:
    assert normal_tail(0.0) == 0.5
    assert normal_tail(1.959964) == pytest.approx(0.025, rel=1e-5)


def test_confidence_is_the_lower_end_of_wilsons_interval() -> None:
    # Newcombe 1998 has 0.2 of 10 two-sided; ours is one-sided 95 %, that is two-sided 90 %.
    assert at_least(8, 10) == pytest.approx(0.5408, abs=1e-4)
    assert at_least(0, 10) == 0.0
    assert at_least(10, 10) == pytest.approx(1 / (1 + 1.6448536**2 / 10), rel=1e-6)
    assert at_least(90, 100) > at_least(9, 10)


def test_what_may_be_believed_depends_on_how_much_was_tried() -> None:
    found = [(FALSE_SHARE * 0.9, "b"), (FALSE_SHARE / 10, "a"), (0.2, "c")]
    assert believed(found, 3) == ["a"]
    assert believed(found, 2) == ["a", "b"]
    assert believed(found, 1_000) == []
    assert believed(list[tuple[float, str]](), 5) == []


def test_of_pure_chance_next_to_nothing_is_believed() -> None:
    random = Random(7)
    told = sum(bool(believed([(random.random(), n) for n in range(200)], 200)) for _ in range(1_000))
    assert told <= 25  # ten are expected; so many in one of 50,000 such tests
