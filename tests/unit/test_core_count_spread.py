"""How counts are spread: distributions that are what they say, and which of them the past speaks for."""

from __future__ import annotations

import math
from itertools import islice

import pytest

from engine.core.analytics.count_spread import CHANCE, KINDS, LARGE, Kind, Outlook, Spread, alike, learn

ENDS = (0.1, 0.9)


def only(mean: float, kind: Kind = CHANCE) -> Spread:
    return Spread([(1.0, mean, kind)])


@pytest.mark.parametrize("mean", [0.001, 0.3, 1.0, 7.4, 99.0])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_mean_and_adds_up_to_one(mean: float, kind: Kind) -> None:
    chances = list(islice(kind.chances(mean), 6_000))
    assert sum(chances) == pytest.approx(1.0, rel=1e-4)
    assert sum(count * chance for count, chance in enumerate(chances)) == pytest.approx(mean, rel=1e-3)
    for count in (0, 1, int(mean), 120, 500):
        logarithm = kind.log_chance(mean, count)
        assert math.exp(logarithm) == pytest.approx(chances[count], rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_variance_is_what_a_kind_says(kind: Kind) -> None:
    mean = 60.0
    chances = islice(kind.chances(mean), 6_000)
    variance = sum((count - mean) ** 2 * chance for count, chance in enumerate(chances))
    assert variance == pytest.approx(kind.variance(mean), rel=0.05)


def test_powers_of_the_factorial_are_those_of_conway_and_maxwell() -> None:
    chances = alike(2.2, 2.5)
    rate = chances[1] / chances[0]
    for count in range(1, 12):
        assert chances[count] / chances[count - 1] == pytest.approx(rate / count**2.5)


def test_what_cannot_be_reached_ends() -> None:
    assert sum(alike(5_000.0, 1.5)) == pytest.approx(1.0)


def test_with_the_highest_power_a_rule_rings_once() -> None:
    none, once, *more = alike(1.0, 14.0)
    assert once > 0.98
    assert none == pytest.approx(1 / 130, rel=0.01)
    assert sum(more) < 0.01


@pytest.mark.parametrize(("mean", "dispersion"), [(0.5, 0.0), (7.0, 0.0), (7.0, 0.5), (90.0, 1.0)])
def test_quantiles_are_those_of_the_distribution(mean: float, dispersion: float) -> None:
    def chance_of(count: int) -> float:
        if dispersion == 0.0:
            return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        size = 1 / dispersion
        many = math.lgamma(count + size) - math.lgamma(size) - math.lgamma(count + 1)
        return math.exp(many + size * math.log(size / (size + mean)) + count * math.log(mean / (size + mean)))

    spread = only(mean, Kind(dispersion=dispersion))
    reached, expected = 0.0, list[int]()
    for count in range(5_000):
        reached += chance_of(count)
        expected += [count for share in ENDS[len(expected) :] if reached >= share]
    assert list(spread.quantiles(ENDS)) == expected
    assert spread.none() == pytest.approx(chance_of(0))


@pytest.mark.parametrize("kind", [CHANCE, Kind(dispersion=0.1), Kind(power=2.5)])
def test_large_means_go_on_where_small_ones_end(kind: Kind) -> None:
    exact, near = only(LARGE - 0.1, kind), only(LARGE + 0.1, kind)
    assert near.quantiles(ENDS) == pytest.approx(exact.quantiles(ENDS), abs=2)
    assert near.none() == pytest.approx(exact.none(), rel=0.1, abs=1e-9)
    assert kind.log_chance(LARGE + 0.1, 103) == pytest.approx(kind.log_chance(LARGE - 0.1, 103), rel=0.02)


def test_a_million_alerts_are_told_by_chance_alone_too() -> None:
    low, high = only(1e6).quantiles(ENDS)
    assert (low, high) == pytest.approx((1e6 - 1281, 1e6 + 1282), abs=10)


def test_what_rounding_never_reaches_ends() -> None:
    low, high = only(5.0).quantiles((0.5, 1.0 + 1e-9))
    assert low == 5
    assert high < 200


def shares(spread: Spread) -> dict[Kind, float]:
    return {kind: share for share, _, kind in spread.parts}


def test_without_days_it_is_nearly_chance() -> None:
    found = shares(learn([Outlook([], 3.0)]))
    assert sum(found.values()) == pytest.approx(1.0)
    assert max(found, key=lambda kind: found[kind]) == CHANCE


def test_the_past_says_which_kind_it_is() -> None:
    even = learn([Outlook([(5.0, 5)] * 28, 5.0)])
    assert min(kind.power for kind in shares(even)) >= 9.0
    uneven = learn([Outlook([(5.0, 0), (5.0, 0), (5.0, 0), (5.0, 20)] * 7, 5.0)])
    assert min(kind.dispersion for kind in shares(uneven)) >= 0.25


def test_the_past_says_which_level_holds_and_what_is_open_stays_open() -> None:
    ten, thirty = [(10.0, 30)] * 14, [(30.0, 30)] * 14
    assert learn([Outlook(ten, 10.0), Outlook(thirty, 30.0)]).mean() == pytest.approx(30.0)
    assert learn([Outlook(thirty, 28.0), Outlook(thirty, 32.0)]).mean() == pytest.approx(30.0)


def test_a_day_that_none_foresaw_rules_none_out() -> None:
    found = shares(learn([Outlook([(1.0, 1)] * 27 + [(1.0, 5_000)], 1.0)]))
    assert max(found, key=lambda kind: found[kind]).power >= 6.0


def test_two_levels_far_away_from_each_other_make_a_wide_interval_of_large_counts() -> None:
    spread = Spread([(0.5, 90.0, CHANCE), (0.5, 300.0, CHANCE)])
    low, high = spread.quantiles(ENDS)
    assert low < 100
    assert high > 290
