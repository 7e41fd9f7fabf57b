"""A rule that cannot work is refused: with the field, the reason, and an example that does work."""

from __future__ import annotations

from typing import Any

import pytest

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError
from engine.core.rules.check import RuleInvalid, check_rule
from protocol.model import Comparison
from protocol.rules import (
    ActiveHours,
    Aggregate,
    AnomalyRule,
    MilestoneRule,
    NoData,
    Objective,
    PerformanceRule,
    Rule,
    SuppressBy,
    ThresholdRule,
)

COMMON: dict[str, Any] = {"id": "r", "framework": "f", "metric": "m"}


def threshold(**fields: Any) -> Rule:
    return ThresholdRule(**COMMON | {"threshold": 90.0} | fields)


def performance(**fields: Any) -> Rule:
    return PerformanceRule(**COMMON | {"threshold": 0.5} | fields)


def burn(**fields: Any) -> Rule:
    return performance(**{"objective": Objective.BURN_RATE, "total_metric": "all", "threshold": 14.4} | fields)


def milestone(**fields: Any) -> Rule:
    return MilestoneRule(**COMMON | {"goals": (1.0, 2.0)} | fields)


RIGHT = [
    threshold(),
    threshold(recovery=90.0),
    threshold(recovery=80.0, for_s=60.0, aggregate=Aggregate.AVG, window_s=60.0),
    threshold(comparison=Comparison.BELOW, recovery=95.0),
    threshold(comparison=Comparison.OUTSIDE, upper=95.0),
    threshold(title="{{ labels.host }}", annotations={"a": "{{ value }}"}, notify=("on-call",), workspace="w"),
    threshold(schedule=ActiveHours(start="22:00", end="06:00", days=("mon",), zone="Europe/Berlin")),
    threshold(no_data=NoData.ALERT, no_data_s=1.0, suppression_s=0.0, match={"a": "b"}, labels={"c": ""}),
    performance(),
    performance(recovery=0.4),
    performance(objective=Objective.ERROR_RATE, total_metric="all"),
    burn(short_window_s=30.0),
    milestone(progress=(50.0,)),
    AnomalyRule(**COMMON),
]


@pytest.mark.parametrize("rule", RIGHT, ids=str)
def test_a_rule_that_can_work_is_let_in(rule: Rule) -> None:
    check_rule(rule)


@pytest.mark.parametrize(
    ("rule", "field", "said"),
    [
        (threshold(id="../x"), "id", "is not allowed"),
        (threshold(metric="a\nb"), "metric", "is not allowed"),
        (threshold(workspace="a:b"), "workspace", "is not allowed"),
        (threshold(notify=("a\0",)), "notify", "no name of an endpoint"),
        (threshold(title="{{ value.real }}"), "title", "is no word of templates"),
        (threshold(message="{{ open"), "message", "is not closed"),
        (threshold(annotations={"run": "{{ x }}"}), "annotations.run", "is no word of templates"),
        (threshold(labels={"a": "\0"}), "a", "NUL"),
        (threshold(match={"": "a"}), "match", "has no name"),
        (threshold(suppression_s=-1.0), "suppression_s", "is no time"),
        (threshold(no_data=NoData.ALERT, no_data_s=0.5), "no_data_s", "less than 1"),
        (threshold(schedule=ActiveHours(days=("noday",))), "schedule", "is no day"),
        (threshold(schedule=ActiveHours(zone="Nowhere/X")), "schedule", "is no time zone"),
        (threshold(comparison=Comparison.BETWEEN), "upper", "needs an upper end above threshold (90)"),
        (threshold(comparison=Comparison.OUTSIDE, upper=90.0), "upper", "needs an upper end"),
        (threshold(upper=95.0), "upper", "means nothing to >"),
        (threshold(recovery=91.0), "recovery", "on the wrong side"),
        (threshold(comparison=Comparison.AT_MOST, recovery=89.0), "recovery", "on the wrong side"),
        (threshold(comparison=Comparison.EQUAL, recovery=80.0), "recovery", "has no side"),
        (threshold(comparison=Comparison.BETWEEN, upper=95.0, recovery=80.0), "recovery", "has no side"),
        (threshold(aggregate=Aggregate.AVG), "window_s", "needs a window of at least 1 s"),
        (performance(window_s=0.0), "window_s", "less than 1"),
        (performance(recovery=0.6), "recovery", "on the wrong side"),
        (performance(total_metric="all"), "total_metric", "means nothing to a percentile"),
        (performance(short_window_s=5.0), "short_window_s", "means nothing to percentile"),
        (performance(objective=Objective.ERROR_RATE), "total_metric", "divides the errors (m)"),
        (burn(total_metric="m"), "total_metric", "divides the errors (m)"),
        (burn(total_metric="../m"), "total_metric", "divides the errors (m)"),
        (burn(short_window_s=300.0), "short_window_s", "is not between 1 and window_s (300)"),
        (burn(threshold=-1.0), "threshold", "is no such rate"),
        (performance(objective=Objective.ERROR_RATE, total_metric="all", threshold=1.0), "threshold", "no such rate"),
        (milestone(goals=(2.0, 2.0)), "goals", "do not rise"),
        (milestone(goals=(-2.0, 0.0), progress=(50.0,)), "progress", "has no percentages"),
        (milestone(for_s=1.0), "for_s", "means nothing to a milestone"),
        (milestone(suppress_by=SuppressBy.RULE), "suppress_by", "means nothing to a milestone"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_the_field_and_the_reason(rule: Rule, field: str, said: str) -> None:
    with pytest.raises(RuleInvalid) as refused:
        check_rule(rule)
    assert refused.value.field == field
    assert said in refused.value.reason
    assert refused.value.example
    assert str(refused.value) == f"{field}: {refused.value.reason}; for example {refused.value.example}"


def test_a_configuration_with_such_a_rule_does_not_start() -> None:
    with pytest.raises(ConfigError, match=r"rules\[0\].recovery: 95 is above threshold \(90\).* use threshold = 90"):
        Config(rules=(threshold(recovery=95.0),))  # type: ignore[arg-type]
