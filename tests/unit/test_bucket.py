"""The token bucket: never more than the burst and the rate together, and never a wrong promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.bucket import Bucket, Rate

RATES = st.builds(Rate, st.floats(0.5, 1_000), st.integers(1, 1_000))
STEPS = st.lists(st.tuples(st.floats(0, 10), st.integers(1, 50)), max_size=60)


def test_a_burst_may_come_at_once_and_then_as_much_as_the_rate_gives() -> None:
    bucket = Bucket(Rate(50, 200), now=0)
    assert [bucket.take(1, now=0) for _ in range(200)] == [0.0] * 200
    assert bucket.take(1, now=0) == pytest.approx(0.02)
    assert bucket.take(50, now=1) == 0.0
    assert bucket.take(1, now=1) > 0


def test_what_is_refused_takes_nothing() -> None:
    bucket = Bucket(Rate(10, 10), now=0)
    assert bucket.take(8, now=0) == 0.0
    assert bucket.take(3, now=0) == pytest.approx(0.1)
    assert bucket.take(2, now=0) == 0.0


def test_more_than_the_burst_is_let_through_by_a_full_bucket_and_leaves_a_debt() -> None:
    bucket = Bucket(Rate(10, 10), now=0)
    assert bucket.take(30, now=0) == 0.0
    assert bucket.take(1, now=0) == pytest.approx(2.1)
    assert bucket.take(30, now=2) == pytest.approx(1.0)
    assert bucket.take(30, now=3) == 0.0


def test_a_clock_that_goes_back_gives_nothing_twice() -> None:
    bucket = Bucket(Rate(1, 1), now=10)
    assert bucket.take(1, now=10) == 0.0
    assert bucket.take(1, now=5) == pytest.approx(1.0)
    assert bucket.take(1, now=10.5) == pytest.approx(0.5)


def test_a_rate_says_what_it_is() -> None:
    assert str(Rate(2_000, 4_000)) == "2000 a second, 4000 at once"


@given(RATES, STEPS)
def test_in_no_stretch_of_time_more_comes_through_than_burst_and_rate_allow(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    bucket, now, taken = Bucket(rate, now=0), 0.0, []
    for pause, count in steps:
        now += pause
        if bucket.take(count, now) == 0.0:
            taken.append((now, count))
    for first in range(len(taken)):
        total = 0
        for at, count in taken[first:]:
            total += count
            over = max(0.0, count - rate.burst)  # a single one larger than the burst leaves a debt
            assert total - over <= rate.burst + (at - taken[first][0]) * rate.per_s + 1e-6 * max(1, total)


@given(RATES, STEPS)
def test_who_waits_as_long_as_he_is_told_is_let_through_and_not_sooner(
    rate: Rate, steps: list[tuple[float, int]]
) -> None:
    bucket, now = Bucket(rate, now=0), 0.0
    for pause, count in steps:
        now += pause
        wait_s = bucket.take(count, now)
        if wait_s > 1e-3:
            assert bucket.take(count, now + wait_s * 0.9) > 0
            now += wait_s + 1e-6
            assert bucket.take(count, now) == 0.0
