"""How many alerts a day brings: level, weekdays, spread."""

from __future__ import annotations

import math
import random

import pytest

from engine.core.analytics.daily_counts import DailyCount, daily_count, quantiles
from engine.core.analytics.forecast import TooLittle


def poisson(chance: random.Random, mean: float) -> int:
    count, reached, limit = 0, chance.random(), math.exp(-mean)
    while reached > limit:
        count, reached = count + 1, reached * chance.random()
    return count


def told(counts: list[int], ahead: int = 1) -> DailyCount:
    found = daily_count(counts, ahead)
    assert isinstance(found, DailyCount)
    return found


def test_too_little_is_said() -> None:
    assert daily_count([5] * 3) == TooLittle("needs 14 days, has 3")


def test_a_steady_course_is_told_as_it_is() -> None:
    found = told([20] * 56)
    assert found.expected == pytest.approx(20.0, rel=0.1)
    assert found.low <= 20 <= found.high
    assert found.at_least_one > 0.999
    assert found.days == 56


def test_two_weeks_are_enough_and_what_is_older_than_eight_is_forgotten() -> None:
    assert told([3] * 14).days == 14
    assert told([900] * 30 + [3] * 56) == told([3] * 56)


def test_weekdays_are_told_apart() -> None:
    counts = [40 if day % 7 < 5 else 4 for day in range(56)]
    assert told(counts, ahead=1).expected > 4 * told(counts, ahead=6).expected
    assert told(counts, ahead=8).expected == told(counts, ahead=1).expected


def test_a_new_level_is_believed_within_two_weeks() -> None:
    assert told([10] * 42 + [50] * 14).expected > 35


def test_silence_is_improbable_alerts_and_not_impossible_ones() -> None:
    found = told([0] * 30)
    assert 0.0 < found.at_least_one < 0.1
    assert (found.low, found.high) == (0, 0)


def test_uneven_days_make_wider_intervals_than_even_ones() -> None:
    even, uneven = told([10] * 28), told([0, 0, 0, 0, 50] * 5 + [0, 50, 0])
    assert uneven.high - uneven.low > even.high - even.low


@pytest.mark.parametrize("mean", [0.4, 3.0, 30.0])
def test_intervals_hold_what_they_say(mean: float) -> None:
    """Of whole numbers an interval holds what it says or more."""
    chance = random.Random(11)
    inside = 0
    for _ in range(300):
        counts = [poisson(chance, mean) for _ in range(43)]
        found = told(counts[:-1])
        inside += found.low <= counts[-1] <= found.high
    assert 0.74 <= inside / 300 <= (0.999 if mean < 10 else 0.88)


@pytest.mark.parametrize(("mean", "dispersion"), [(0.5, 0.0), (7.0, 0.0), (7.0, 0.5), (150.0, 1.0)])
def test_quantiles_are_those_of_the_distribution(mean: float, dispersion: float) -> None:
    def chance_of(count: int) -> float:
        if dispersion == 0.0:
            return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        size = 1 / dispersion
        many = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1)
        return math.exp(many + size * math.log(size / (size + mean)) + count * math.log(mean / (size + mean)))

    reached, expected = 0.0, list[int]()
    for count in range(5_000):
        reached += chance_of(count)
        expected += [count for share in (0.1, 0.9)[len(expected) :] if reached >= share]
    assert list(quantiles(mean, dispersion, (0.1, 0.9))) == expected


def test_large_means_go_on_where_small_ones_end() -> None:
    exact, near = quantiles(199.9, 0.1, (0.1, 0.9)), quantiles(200.1, 0.1, (0.1, 0.9))
    assert near == pytest.approx(exact, abs=3)
    low, high = quantiles(1e6, 0.0, (0.1, 0.9))
    assert (low, high) == pytest.approx((1e6 - 1281, 1e6 + 1282), abs=10)


def test_what_rounding_never_reaches_ends() -> None:
    low, high = quantiles(5.0, 0.0, (0.5, 1.0 + 1e-9))
    assert low == 5
    assert high < 100
