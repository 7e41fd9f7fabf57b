"""What the detector is made of: scales, levels, seasons, sums, and patterns."""

from __future__ import annotations

import random

import pytest

from engine.core.rules import entropy
from engine.core.rules.cusum import SUM_MAX, Cusum
from engine.core.rules.entropy import BINS, WINDOW, Entropy
from engine.core.rules.level import Level
from engine.core.rules.scale import Scale
from engine.core.rules.seasonal import Seasonal, seasonal
from protocol.rules import Season

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000


def scale(pace: float = 1.0, block: int = 50) -> Scale:
    return Scale(pace, block)


def test_one_deviation_of_gaussian_noise_is_about_one_deviation():
    chance, learned = random.Random(1), scale()
    for _ in range(3_000):
        learned.learn(abs(chance.gauss(0, 7.0)), 0.0)
    assert 6.0 < learned.of(0.0) < 11.0


def test_one_outlier_moves_a_scale_by_a_step_until_its_block_is_over():
    learned = scale(block=10)
    for _ in range(101):
        learned.learn(1.0, 0.0)
    before = learned.of(0.0)
    learned.learn(1e9, 0.0)
    assert learned.of(0.0) < 1.5 * before
    for _ in range(10):
        learned.learn(1.0, 0.0)
    assert learned.of(0.0) > 1e8


def test_the_largest_reading_is_forgotten_in_the_end():
    learned = scale(block=10)
    for number in range(5_000):
        learned.learn(1_000.0 if number == 100 else 1.0, 0.0)
    assert learned.of(0.0) < 5.0


def test_a_scale_of_nothing_but_zeros_is_the_floor():
    learned = scale()
    for _ in range(1_000):
        learned.learn(0.0, 0.25)
    assert learned.of(0.25) == pytest.approx(0.25 / 0.6745)


def test_a_slow_scale_forgets_more_slowly():
    quick, slow = scale(1.0), scale(0.1)
    for number in range(1_000):
        for each in (quick, slow):
            each.learn(1.0 if number < 900 else 0.01, 0.0)
    assert quick.middle < slow.middle


def test_a_level_follows_its_series_and_tells_how_far_a_reading_was():
    level = Level(0.2, 4.0, scale())
    assert level.observe(10.0, 0.1) == 0.0
    for number in range(200):
        level.observe(10.0 + number % 2, 0.1)
    assert level.mean == pytest.approx(10.5, abs=0.2)
    assert level.observe(20.5, 0.1) > 6.0
    assert level.observe(0.5, 0.1) < -3.0


def test_an_outlier_leaves_no_echo_in_a_level():
    level = Level(0.2, 4.0, scale())
    for number in range(200):
        level.observe(10.0 + number % 2, 0.1)
    level.observe(1e9, 0.1)
    assert abs(level.observe(10.5, 0.1)) < 2.0


def course(values: int = 3) -> Seasonal:
    """A season of days that is as many days old, each hour's value its number."""
    made = seasonal(Season.DAY)
    assert made is not None
    for half_hour in range(48 * values):
        at = half_hour * HOUR_US // 2
        made.learn(at, float(half_hour % 48), 0.0, 1.0)
    return made


def test_no_season_has_no_course():
    assert seasonal(Season.NONE) is None


@pytest.mark.parametrize(("season", "slots"), [(Season.HOUR, 60), (Season.DAY, 48), (Season.WEEK, 168)])
def test_a_season_is_divided_into_slots(season: Season, slots: int):
    made = seasonal(season)
    assert made is not None
    assert len(made.levels) == slots


def test_a_slot_expects_nothing_before_its_second_visit_is_over():
    made = seasonal(Season.DAY)
    assert made is not None
    for day in range(3):
        known = made.expected(day * DAY_US)
        assert known == (None if day < 2 else 5.0)
        made.learn(day * DAY_US, 5.0, 0.0, 1.0)
        made.learn(day * DAY_US + HOUR_US, 5.0, 0.0, 1.0)


def test_between_the_middles_of_two_slots_the_course_is_straight():
    made, noon = course(), 24 * HOUR_US // 2
    quarter = HOUR_US // 4
    assert [made.expected(noon + quarter * n // 2) for n in (0, 1, 2, 3)] == [23.5, 23.75, 24.0, 24.25]


def test_a_neighbour_that_is_not_known_is_not_asked():
    made = seasonal(Season.DAY)
    assert made is not None
    for day in range(3):
        made.learn(day * DAY_US, 5.0, 0.0, 1.0)
        made.learn(day * DAY_US + 12 * HOUR_US, 9.0, 0.0, 1.0)
    assert made.expected(3 * DAY_US + HOUR_US // 3) == 5.0


def test_one_visit_moves_a_known_slot_by_no_more_than_its_reach():
    made = course()
    made.learn(3 * DAY_US, 1e6, 0.0, 2.0)
    made.learn(3 * DAY_US + HOUR_US, 2.0, 0.0, 2.0)
    assert made.levels[0] < 2.0


def test_what_lies_over_the_whole_course_is_an_offset():
    made = course()
    for half_hour in range(48 * 10):
        at = 3 * DAY_US + half_hour * HOUR_US // 2
        expected = made.expected(at)
        assert expected is not None
        made.learn(at, half_hour % 48 + 30.0, half_hour % 48 + 30.0 - expected, 5.0)
    assert made.offset > 5.0
    assert made.expected(13 * DAY_US + 12 * HOUR_US + HOUR_US // 4) == pytest.approx(54.0, abs=3.0)


def sums() -> Cusum:
    return Cusum(scale(0.03))


def test_one_spike_is_no_shift_but_small_deviations_add_up():
    chance, watched = random.Random(2), sums()
    for _ in range(500):
        watched.observe(chance.gauss(0, 1))
    assert max(watched.observe(1e9)) < 4.0
    for _ in range(40):
        up, down = watched.observe(1.5 + chance.gauss(0, 1))
    assert up > 6.0
    assert down == 0.0


def test_a_shift_downwards_is_told_as_one():
    chance, watched = random.Random(2), sums()
    for _ in range(500):
        watched.observe(chance.gauss(0, 1))
    for _ in range(40):
        up, down = watched.observe(-1.5 + chance.gauss(0, 1))
    assert down > 6.0
    assert up == 0.0


def test_sums_that_are_usual_for_a_series_are_no_shift():
    watched, worst = sums(), 0.0
    for number in range(4_000):
        told = max(watched.observe(2.0 if number // 20 % 2 else -2.0))
        worst = max(worst, told if number > 1_000 else 0.0)
    assert worst < 6.0


def test_a_sum_is_bounded():
    watched = sums()
    for _ in range(1_000):
        watched.observe(1e300)
    assert watched.up == SUM_MAX


def fed(values: list[float], pattern: Entropy | None = None) -> tuple[Entropy, list[float]]:
    pattern = pattern or Entropy()
    return pattern, [pattern.observe(value) for value in values]


def uniform(count: int, low: float, high: float, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.uniform(low, high) for _ in range(count)]


def test_windows_that_are_alike_are_no_news():
    _, said = fed(uniform(3_000, 0, 10))
    assert sum(value > 0 for value in said) <= 2


def test_a_window_unlike_all_before_is_news_once():
    pattern, _ = fed(uniform(2_000, 0, 10))
    narrow = uniform(500, 2.5, 3.5, seed=2)
    _, said = fed(narrow, pattern)
    assert max(said) >= 1.0
    assert sum(value > 0 for value in said) < 12
    fed(uniform(500, 0, 10, seed=3), pattern)
    _, again = fed(narrow, pattern)
    assert sum(value > 0 for value in again) < 4, "what was seen once is known"


def test_what_comes_early_is_learned_and_no_news():
    _, said = fed(uniform(entropy.SETTLED // 2, 0, 10) + uniform(entropy.SETTLED // 2 - 1, 2.5, 3.5))
    assert set(said) == {0.0}


def test_the_bins_are_drawn_anew_when_a_reading_lies_outside_and_what_is_known_moves_along():
    pattern, _ = fed(uniform(1_000, 0, 10))
    known, width = len(pattern.known), pattern.width
    pattern.observe(100.0)
    assert pattern.width > 5 * width
    assert len(pattern.known) <= known + 1
    assert all(sum(hypothesis.counts) == WINDOW for hypothesis in pattern.known)
    _, said = fed(uniform(500, 0, 10, seed=4), pattern)
    assert sum(value > 0 for value in said) <= 2


@pytest.mark.parametrize("value", [0.0, 3.0, -1e300])
def test_what_does_not_change_has_no_bins(value: float):
    pattern, said = fed([value] * 1_000)
    assert set(said) == {0.0}
    assert pattern.width == 0.0


def test_so_many_distributions_are_remembered_and_the_one_least_met_gives_way(monkeypatch):
    monkeypatch.setattr(entropy, "HYPOTHESES_MAX", 8)
    chance, pattern = random.Random(5), Entropy()
    for _ in range(100):
        shares = [chance.random() ** 4 for _ in range(BINS)]
        fed([number + 0.5 for number in chance.choices(range(BINS), shares, k=WINDOW)], pattern)
    assert len(pattern.known) == 8
    assert pattern.last < 8
    assert max(hypothesis.met for hypothesis in pattern.known) > 1


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e300])
def test_the_smallest_and_the_largest_ranges_have_bins(value: float):
    _, said = fed([value if number % 3 else -value for number in range(600)])
    assert set(said) == {0.0}
