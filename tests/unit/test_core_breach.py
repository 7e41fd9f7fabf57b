"""When a rule would ring next: probabilities by the hour, from what it looks at."""

from __future__ import annotations

import math
import random

import pytest

from engine.core.analytics.breach import Hour, NextBreach, is_breach, next_breach, watched
from engine.core.analytics.forecast import TooLittle
from protocol.model import Comparison
from protocol.rules import Aggregate, AnomalyRule, Rule, ThresholdRule

AN_HOUR = Hour(readings=4, least=1.0, most=9.0, total=20.0)


def a_rule(threshold: float = 90.0, comparison: Comparison = Comparison.ABOVE, **changes: object) -> ThresholdRule:
    return ThresholdRule(id="hot", framework="web", metric="cpu", threshold=threshold, comparison=comparison, **changes)  # type: ignore[arg-type]


def days_of(
    count: int, seed: int = 1, peak: float = 80.0, noise: float = 5.0, growth: float = 0.0
) -> list[float | None]:
    """Hours of a load that is highest in the afternoon."""
    chance = random.Random(seed)
    return [
        peak * (0.6 + 0.4 * math.sin((hour % 24 - 9) / 24 * math.tau)) + growth * hour / 24 + chance.gauss(0, noise)
        for hour in range(count * 24)
    ]


def found(rule: ThresholdRule, values: list[float | None]) -> NextBreach:
    breach = next_breach(rule, values)
    assert isinstance(breach, NextBreach)
    return breach


@pytest.mark.parametrize(
    ("aggregate", "comparison", "looked_at"),
    [
        (Aggregate.LAST, Comparison.ABOVE, 9.0),
        (Aggregate.LAST, Comparison.AT_MOST, 1.0),
        (Aggregate.MAX, Comparison.BELOW, 9.0),
        (Aggregate.MIN, Comparison.AT_LEAST, 1.0),
        (Aggregate.AVG, Comparison.ABOVE, 5.0),
        (Aggregate.SUM, Comparison.ABOVE, 10.0),
        (Aggregate.COUNT, Comparison.ABOVE, 2.0),
    ],
)
def test_of_an_hour_that_is_looked_at_which_the_rule_compares(
    aggregate: Aggregate, comparison: Comparison, looked_at: float
) -> None:
    look = watched(a_rule(comparison=comparison, aggregate=aggregate, window_s=1_800.0))
    assert not isinstance(look, TooLittle)
    assert look(AN_HOUR) == looked_at


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (AnomalyRule(id="odd", framework="web", metric="cpu"), "only threshold rules are predicted"),
        (a_rule(comparison=Comparison.EQUAL), "the comparison '==' is not predicted: use > >= < or <="),
        (a_rule(aggregate=Aggregate.RATE), "the aggregate 'rate' is not predicted: hours do not tell it"),
    ],
)
def test_what_hours_do_not_tell_is_refused_with_the_reason(rule: Rule, reason: str) -> None:
    assert watched(rule) == TooLittle(reason)


@pytest.mark.parametrize(
    ("comparison", "under", "at", "over"),
    [
        (Comparison.ABOVE, False, False, True),
        (Comparison.AT_LEAST, False, True, True),
        (Comparison.BELOW, True, False, False),
        (Comparison.AT_MOST, True, True, False),
    ],
)
def test_a_breach_is_what_the_rule_calls_one(comparison: Comparison, under: bool, at: bool, over: bool) -> None:
    rule = a_rule(5.0, comparison)
    assert [is_breach(rule, value) for value in (4.0, 5.0, 6.0)] == [under, at, over]


def test_what_is_reached_every_afternoon_is_expected_this_afternoon() -> None:
    breach = found(a_rule(70.0), days_of(40))
    assert breach.by[-1] > 0.9
    assert breach.first is not None
    earliest, expected, latest = breach.first
    assert 8 <= earliest <= expected <= latest <= 18
    assert breach.probabilities[3] < 0.05 < 0.5 < breach.probabilities[15]


def test_what_was_never_near_is_improbable_and_not_impossible() -> None:
    breach = found(a_rule(1_000.0), days_of(40))
    assert 0.0 < breach.by[-1] < 0.05
    assert breach.first is None


def test_what_is_reached_all_the_time_is_probable_and_not_certain() -> None:
    breach = found(a_rule(-1_000.0), days_of(40))
    assert 0.95 < breach.by[0] < 1.0
    assert breach.first == (0, 0, 0)


def test_probabilities_up_to_an_hour_only_grow_and_are_those_of_each_hour_at_least() -> None:
    for comparison in (Comparison.ABOVE, Comparison.AT_LEAST, Comparison.BELOW, Comparison.AT_MOST):
        breach = found(a_rule(60.0, comparison), days_of(40))
        assert breach.by == sorted(breach.by)
        assert all(alone <= until for alone, until in zip(breach.probabilities, breach.by, strict=True))
        assert all(0.0 < each < 1.0 for each in [*breach.probabilities, *breach.by])


def test_a_higher_threshold_is_never_more_probable() -> None:
    values = days_of(40)
    before = 1.0
    for threshold in range(0, 140, 10):
        probability = found(a_rule(float(threshold)), values).by[-1]
        assert probability <= before
        before = probability


def test_below_mirrors_above() -> None:
    values = days_of(40)
    mirrored = [None if value is None else -value for value in values]
    above, below = found(a_rule(70.0), [*values]), found(a_rule(-70.0, Comparison.BELOW), mirrored)
    assert above.by[-1] == pytest.approx(below.by[-1], abs=0.1)


def test_probabilities_come_true() -> None:
    """Of many days, some more probable than others, as many breach as was said: within what chance allows."""
    said = came = 0.0
    days = 0
    for seed in range(40):
        values = days_of(45, seed=seed, noise=6.0)
        breach = found(a_rule(92.0), values[: 44 * 24])
        said += breach.by[-1]
        came += any(value is not None and value > 92.0 for value in values[44 * 24 :])
        days += 1
    assert 0.1 < said / days < 0.9
    assert abs(said - came) / days < 0.15


def test_a_constant_says_how_it_stands() -> None:
    values: list[float | None] = [50.0] * 30 * 24
    assert found(a_rule(90.0), values).by[-1] < 0.05
    assert found(a_rule(40.0), values).by[0] > 0.95


def test_a_silent_series_says_nothing() -> None:
    values = [*days_of(30), *[None] * 24]
    assert next_breach(a_rule(), values) == TooLittle("no readings in the last 24 hours")
    assert next_breach(a_rule(), days_of(5)) == TooLittle("needs 14 days, has 5")


def test_a_trend_says_when_it_gets_there() -> None:
    filling = found(a_rule(110.0), days_of(40, noise=0.5, growth=0.5))
    assert filling.trend_days == pytest.approx(20.0, abs=5.0)
    assert found(a_rule(1_000.0), days_of(40, noise=0.5, growth=0.5)).trend_days is None
    assert found(a_rule(0.0, Comparison.BELOW), days_of(40, noise=0.5, growth=0.5)).trend_days is None
    assert found(a_rule(50.0), days_of(40)).trend_days is None


def test_one_measured_day_of_the_last_month_is_no_trend() -> None:
    values = days_of(60)
    values[31 * 24 : 59 * 24] = [None] * 28 * 24
    assert found(a_rule(300.0), values).trend_days is None


@pytest.mark.parametrize("size", [1e60, 1e-160, 5e-324])
@pytest.mark.parametrize("threshold", [0.0, 1.7e308, -1.7e308])
def test_whatever_the_size_what_is_told_are_numbers(size: float, threshold: float) -> None:
    chance = random.Random(3)
    for values in ([chance.choice((-1, 1)) * size * chance.random() for _ in range(480)], [size, -size] * 240):
        told = found(a_rule(threshold), list(values))
        numbers = [*told.forecast.expected, *told.forecast.low, *told.forecast.high, *told.by, *told.probabilities]
        assert all(map(math.isfinite, numbers))


@pytest.mark.parametrize("value", [1.7e308, -1e61, math.inf, math.nan])
def test_one_value_that_cannot_be_reckoned_with_is_refused(value: float) -> None:
    assert next_breach(a_rule(), [*days_of(20), value]) == TooLittle("values beyond 1e+60 are not predicted")
