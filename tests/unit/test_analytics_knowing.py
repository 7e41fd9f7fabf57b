"""What is known of a framework: which side of health an alert is of, and how readings stand to thresholds."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.analytics.calendar import HOUR_US
from engine.core.analytics.knowing import (
    NO_RULE,
    Hour,
    PastAlert,
    alarms_of,
    category_of_rule,
    drift_of,
    strain_of,
)
from engine.core.analytics.scoring import Drift, Strain
from protocol.directory import HealthCategory as Side
from protocol.model import Comparison, Severity
from protocol.rules import Aggregate, AnomalyRule, Objective, PerformanceRule, ThresholdRule

NOW = 1_769_860_800_000_000
DISK = ThresholdRule(id="disk", framework="web", metric="disk", threshold=90.0)


def past(**fields: Any) -> PastAlert:
    usual: dict[str, Any] = {
        "id": "a1", "framework": "web", "rule_id": "disk", "identity": "i", "severity": Severity.ERROR, "since": NOW,
        "until": NOW + 5, "taken_at": None, "ended_by": "rule", "labels": {}, "is_noise": False,
    }  # fmt: skip
    return PastAlert(**(usual | fields))


def hours(values: list[float], days_ago: float = 0.0) -> list[Hour]:
    """One an hour; the last one just before now, or so many days ago."""
    last = NOW - int(days_ago * 24 * HOUR_US) - HOUR_US
    return [Hour(last - n * HOUR_US, value - 1, value + 1, value) for n, value in enumerate(reversed(values))]


def test_alerts_count_with_their_rule_or_all_together_and_noise_does_not() -> None:
    taken = past(id="a2", rule_id=None, until=None, taken_at=NOW + 1)
    found = alarms_of([past(), taken, past(id="a3", is_noise=True)], {"disk": DISK}, {"disk": Side.SCALABILITY})
    assert [(alarm.id, alarm.source, alarm.category, alarm.is_taken) for alarm in found] == [
        ("a1", "disk", Side.SCALABILITY, False),
        ("a2", NO_RULE, Side.AVAILABILITY, True),
    ]


def test_which_side_an_alert_is_of_say_its_label_its_metric_or_its_kind_in_this_order() -> None:
    slow = PerformanceRule(id="slow", framework="web", metric="ms", threshold=5.0, objective=Objective.PERCENTILE)
    mapped = {"ms": Side.COST}
    said = past(labels={"category": "security"})
    assert alarms_of([said], {"disk": DISK}, {"disk": Side.COST})[0].category is Side.SECURITY
    assert category_of_rule(ThresholdRule(**_fields(DISK), labels={"category": "cost"}), {}) is Side.COST
    assert (category_of_rule(slow, mapped), category_of_rule(slow, {})) == (Side.COST, Side.PERFORMANCE)
    assert category_of_rule(DISK, {}) is category_of_rule(None, {}) is Side.AVAILABILITY
    assert alarms_of([past(labels={"category": "made up"})], {}, {})[0].category is Side.AVAILABILITY


def _fields(rule: ThresholdRule) -> dict[str, Any]:
    return {"id": rule.id, "framework": rule.framework, "metric": rule.metric, "threshold": rule.threshold}


@pytest.mark.parametrize(
    ("comparison", "aggregate", "threshold", "values", "ratio"),
    [
        (Comparison.ABOVE, Aggregate.LAST, 100.0, [10.0, 79.0, 50.0], 0.8),
        (Comparison.AT_LEAST, Aggregate.AVG, 100.0, [10.0, 80.0, 50.0], 0.8),
        (Comparison.ABOVE, Aggregate.MAX, 100.0, [-50.0], 0.0),
        (Comparison.ABOVE, Aggregate.MAX, 1.0, [5_000.0], 10.0),
        # The worst of 24 hours is left out.
        (Comparison.ABOVE, Aggregate.LAST, 100.0, [49.0] * 23 + [999.0], 0.5),
        (Comparison.BELOW, Aggregate.MIN, 10.0, [50.0, 41.0], 0.25),
        (Comparison.AT_MOST, Aggregate.AVG, 10.0, [50.0, 40.0], 0.25),
        (Comparison.BELOW, Aggregate.LAST, 10.0, [-3.0], 10.0),
        (Comparison.BELOW, Aggregate.LAST, 10.0, [1.5], 10.0),
    ],
)
def test_strain_is_how_near_readings_came(
    comparison: Comparison, aggregate: Aggregate, threshold: float, values: list[float], ratio: float
) -> None:
    rule = ThresholdRule(
        id="r", framework="web", metric="m", threshold=threshold, comparison=comparison, aggregate=aggregate
    )
    assert strain_of(rule, hours(values), NOW, Side.COST) == Strain("m", Side.COST, ratio)


def test_strain_is_not_told_where_it_means_nothing() -> None:
    outside = ThresholdRule(**_fields(DISK), upper=95.0, comparison=Comparison.OUTSIDE)
    summed = ThresholdRule(**_fields(DISK), aggregate=Aggregate.SUM, window_s=60.0)
    below_zero = ThresholdRule(id="r", framework="web", metric="m", threshold=-1.0)
    for rule in (outside, summed, below_zero, AnomalyRule(id="r", framework="web", metric="m")):
        assert strain_of(rule, hours([50.0]), NOW, Side.COST) is None
    assert strain_of(DISK, hours([80.0], days_ago=2), NOW, Side.COST) is None


def test_drift_is_how_far_the_day_is_from_the_days_before() -> None:
    before = hours([10.0, 12.0] * 50, days_ago=1)
    today = hours([20.0] * 24)
    found = drift_of("m", [*before, *today], NOW, Side.COST)
    assert found == Drift("m", Side.COST, pytest.approx(9.0 / 1.4826))
    flat = drift_of("m", [*hours([10.0] * 100, days_ago=1), *hours([11.0] * 24)], NOW, Side.COST)
    assert flat == Drift("m", Side.COST, pytest.approx(2.0))


def test_drift_is_not_told_of_too_little() -> None:
    before, today = hours([10.0] * 100, days_ago=1), hours([20.0] * 24)
    assert drift_of("m", [*before, *today[:5]], NOW, Side.COST) is None
    assert drift_of("m", [*before[:71], *today], NOW, Side.COST) is None
