"""What happened in the last five minutes, of counters that only grow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.telemetry.lately import ANSWERS_MIN, LOOKUPS_MIN, WAKE_UPS_MIN, WINDOW_S, Counted, Lately
from engine.telemetry.series import Histogram, Observed

BOUNDS = (0.1, 0.5, 1.0)


def seen(*values: float) -> Observed:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)
    return histogram.observed()


def counted(**fields: Any) -> Counted:
    return Counted(**{"answers": seen(), "fan_outs": seen(), "wake_ups": seen()} | fields)


def test_before_five_minutes_are_over_all_that_was_counted_counts() -> None:
    lately = Lately(counted())
    assert lately.since(10, counted(errors=3)).errors == 3
    assert lately.since(WINDOW_S, counted(errors=5)).errors == 5


def test_what_is_older_than_five_minutes_counts_no_more() -> None:
    lately = Lately(counted())
    for at in range(0, 1000, 5):
        lately.look(at, counted(errors=at))
    assert lately.since(1000, counted(errors=1000)).errors == WINDOW_S


def test_looks_that_are_made_all_the_time_are_not_all_kept() -> None:
    lately = Lately(counted())
    for at in range(10_000):
        lately.look(at / 10, counted(errors=at))
    assert len(lately._looks) <= WINDOW_S / 2.5 + 2
    assert lately.since(1000, counted(errors=10_000)).errors == pytest.approx(WINDOW_S * 10, abs=30)


def test_a_cache_that_was_made_anew_counts_from_nought() -> None:
    before = counted(cache_hits=1000, cache_misses=10)
    assert counted(cache_hits=1500, cache_misses=10).since(before)[-2:] == (500, 0)
    assert counted(cache_hits=7, cache_misses=3).since(before)[-2:] == (7, 3)


def test_too_few_say_nothing() -> None:
    few = counted(
        answers=seen(*[2.0] * (ANSWERS_MIN - 1)),
        wake_ups=seen(*[2.0] * (WAKE_UPS_MIN - 1)),
        cache_misses=LOOKUPS_MIN - 1,
    ).figures()
    assert {name for name, value in few.items() if value is None} == {
        *("alert_latency_p95_ms", "cache_hit_rate_percent", "loop_lag_p99_ms", "fan_out_p99_ms")
    }
    assert few["alert_errors_percent"] == 0
    assert counted().figures()["alert_errors_percent"] is None


def test_enough_say_how_it_is() -> None:
    figures = counted(
        answers=seen(*[0.4] * 100), fan_outs=seen(*[0.05] * 99, 0.7), wake_ups=seen(*[0.05] * WAKE_UPS_MIN),
        errors=25, restarts=1, dead_letters=2, cache_hits=3 * LOOKUPS_MIN, cache_misses=LOOKUPS_MIN,
    ).figures()  # fmt: skip
    assert figures == {
        "alert_latency_p95_ms": pytest.approx(480),
        "alert_errors_percent": 25,
        "cache_hit_rate_percent": 75,
        "restarts": 1,
        "dead_letters": 2,
        "loop_lag_p99_ms": pytest.approx(99),
        "fan_out_p99_ms": pytest.approx(100),
    }


def test_failures_of_what_is_no_trigger_are_at_most_all() -> None:
    assert counted(errors=5).figures()["alert_errors_percent"] == 100


def test_a_quantile_is_estimated_within_its_bucket_and_the_mean_is_exact() -> None:
    observed = seen(0.2, 0.2, 0.7, 9.0)
    assert observed.mean == pytest.approx(2.525)
    assert observed.quantile(0.5) == pytest.approx(0.5)
    assert observed.quantile(0.25) == pytest.approx(0.3)
    assert observed.quantile(0.75) == pytest.approx(1.0)
    assert observed.quantile(0.99) == 1.0, "beyond the last bound: that one"
    assert (seen().quantile(0.5), seen().mean) == (None, None)


@given(st.lists(st.floats(min_value=0, max_value=2), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
@example([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 0.5)
def test_an_estimate_is_above_a_bound_exactly_if_the_true_quantile_is(values: list[float], share: float) -> None:
    estimate = seen(*values).quantile(share)
    assert estimate is not None
    for bound in BOUNDS[:-1]:
        is_above = sum(value <= bound for value in values) < share * len(values)
        assert (estimate > bound) is is_above
