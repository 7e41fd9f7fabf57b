"""What is known of a framework, in the words of its score: alerts of the past, and readings of the last days. Pure.

Of which side of health an alert is: its label `category`, else what the framework says of its rule's metric; else an
alert of a performance rule is of performance, and every other of availability.

How near readings came to a threshold is told where that means something: rules that compare one value upwards or
downwards with a threshold above 0. Hours are ordered by their worst reading, and the worst twentieth is left out: one
spike is an alert's business. Of a metric that no rule looks at only that it has changed can be said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.scoring import Alarm, Drift, Strain
from engine.core.rules.book import metrics_of
from protocol.directory import HealthCategory
from protocol.model import Comparison, Severity
from protocol.rules import Aggregate, PerformanceRule, Rule, ThresholdRule
from protocol.times import SECOND_US

# The source of all alerts that no rule made: their titles may be made up, each another one.
NO_RULE = "alerts without a rule"
CATEGORY_LABEL = "category"
# One that expired does not say when it ended: its source was silent for so long then.
EXPIRED_US = 300 * SECOND_US
# Of the last day, and of the days before, for a drift.
HOURS_TODAY_MIN, HOURS_BEFORE_MIN = 6, 72
# Readings of a metric that hardly moves: a twentieth of its size is no news.
SCALE_MIN_PART = 0.05
MAD_TO_DEVIATION = 1.4826
RATIO_MAX = 10.0
_UP = (Comparison.ABOVE, Comparison.AT_LEAST)
_DOWN = (Comparison.BELOW, Comparison.AT_MOST)
_ONE_VALUE = (Aggregate.LAST, Aggregate.AVG, Aggregate.MIN, Aggregate.MAX)
_CATEGORIES = {each.value: each for each in HealthCategory}


class PastAlert(NamedTuple):
    """What counts of an alert of the past. Times are microseconds; `until` None: it is open. `is_noise`: people say so.

    `ended_by`: the user who resolved it, "rule", "source", or None if nobody said.
    """

    id: str
    framework: str
    rule_id: str | None
    identity: str
    severity: Severity
    since: int
    until: int | None
    taken_at: int | None
    ended_by: str | None
    labels: Mapping[str, str]
    is_noise: bool


class Hour(NamedTuple):
    """Readings of one series in an hour that began `at`."""

    at: int
    min: float
    max: float
    mean: float


def alarms_of(
    alerts: Sequence[PastAlert], rules: Mapping[str, Rule], metrics: Mapping[str, HealthCategory]
) -> list[Alarm]:
    """Alerts of a framework as they count; what people marked as noise does not."""
    return [
        Alarm(
            id=alert.id,
            source=alert.rule_id or NO_RULE,
            category=category_of(alert, rules.get(alert.rule_id or ""), metrics),
            severity=alert.severity,
            identity=alert.identity,
            since=alert.since,
            until=alert.until,
            is_taken=alert.taken_at is not None,
        )
        for alert in alerts
        if not alert.is_noise
    ]


def category_of(alert: PastAlert, rule: Rule | None, metrics: Mapping[str, HealthCategory]) -> HealthCategory:
    """Of which side of health an alert is."""
    said = _CATEGORIES.get(alert.labels.get(CATEGORY_LABEL, ""))
    return said or category_of_rule(rule, metrics)


def category_of_rule(rule: Rule | None, metrics: Mapping[str, HealthCategory]) -> HealthCategory:
    """Of which side the alerts of a rule are that say nothing of it themselves."""
    if rule is None:
        return HealthCategory.AVAILABILITY
    said = _CATEGORIES.get(rule.labels.get(CATEGORY_LABEL, ""))
    mapped = next((metrics[metric] for metric in metrics_of(rule) if metric in metrics), None)
    usual = HealthCategory.PERFORMANCE if isinstance(rule, PerformanceRule) else HealthCategory.AVAILABILITY
    return said or mapped or usual


def strain_of(rule: Rule, hours: Sequence[Hour], now: int, category: HealthCategory) -> Strain | None:
    """How near a series came to a rule's threshold in the last day; None: that cannot be told."""
    today = [hour for hour in hours if now - DAY_US <= hour.at < now]
    if not isinstance(rule, ThresholdRule) or rule.aggregate not in _ONE_VALUE or rule.threshold <= 0 or not today:
        return None
    if rule.comparison in _UP:
        worst = _near_end(sorted(hour.mean if rule.aggregate is Aggregate.AVG else hour.max for hour in today))
        return Strain(rule.metric, category, min(max(worst / rule.threshold, 0.0), RATIO_MAX))
    if rule.comparison in _DOWN:
        values = sorted((hour.mean if rule.aggregate is Aggregate.AVG else hour.min for hour in today), reverse=True)
        worst = _near_end(values)
        ratio = rule.threshold / worst if worst * RATIO_MAX > rule.threshold else RATIO_MAX
        return Strain(rule.metric, category, ratio)
    return None


def _near_end(ordered: Sequence[float]) -> float:
    """The worst but a twentieth of these, which end with the worst."""
    return ordered[len(ordered) - 1 - len(ordered) // 20]


def drift_of(metric: str, hours: Sequence[Hour], now: int, category: HealthCategory) -> Drift | None:
    """How far the last day of a series is from the days before; None: there is too little of either."""
    today = [hour.mean for hour in hours if now - DAY_US <= hour.at < now]
    before = [hour.mean for hour in hours if hour.at < now - DAY_US]
    if len(today) < HOURS_TODAY_MIN or len(before) < HOURS_BEFORE_MIN:
        return None
    usual = median(before)
    spread = MAD_TO_DEVIATION * median(abs(value - usual) for value in before)
    scale = max(spread, SCALE_MIN_PART * abs(usual), 1e-9)
    return Drift(metric, category, abs(median(today) - usual) / scale)
