"""What grows, and whether that is sure: the trend of memory."""

from __future__ import annotations

import random

import pytest

from benchmarks.leaks import student, trend


def test_a_line_without_noise_has_its_slope_and_no_doubt():
    found = trend([0.0, 1.0, 2.0, 3.0], [10.0, 12.0, 14.0, 16.0])
    assert found == pytest.approx((2.0, 2.0, 2.0))
    assert found.certain == pytest.approx(2.0)


def test_noise_round_a_level_is_no_growth():
    dice = random.Random(7)
    times = [n / 60 for n in range(300)]
    found = trend(times, [50_000 + dice.gauss(0, 400) for _ in times])
    assert found.low < 0 < found.high
    assert found.certain == 0


def test_a_leak_shows_through_the_same_noise():
    dice = random.Random(7)
    times = [n / 60 for n in range(300)]
    found = trend(times, [50_000 + 300 * at + dice.gauss(0, 400) for at in times])
    assert found.low > 0
    assert found.certain == pytest.approx(300, rel=0.3)


def test_the_interval_is_that_of_the_textbook():
    # y = 1, 3, 2, 5, 4 over 1 ... 5: slope 0.8, standard error sqrt(3.6 / 3 / 10), t(3) = 3.182.
    found = trend([1, 2, 3, 4, 5], [1, 3, 2, 5, 4])
    assert found.slope == pytest.approx(0.8)
    assert found.high - found.slope == pytest.approx(3.182 * (3.6 / 3 / 10) ** 0.5, rel=0.02)


@pytest.mark.parametrize(("freedom", "table"), [(3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (300, 1.968)])
def test_students_t_is_that_of_the_tables(freedom: int, table: float):
    assert student(freedom) == pytest.approx(table, rel=0.02)


def test_too_few_samples_or_one_moment_are_no_trend():
    with pytest.raises(ValueError, match="too few"):
        trend([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="one moment"):
        trend([1.0] * 4, [1.0, 2.0, 3.0, 4.0])
