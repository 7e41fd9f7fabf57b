"""Is it worth ringing for? Threshold rules, and what a trigger takes from its rule.

A trigger that names a rule gets from it whatever it leaves out: severity, threshold, title, suppression window, and the
comparison. Without a rule and without a comparison of its own it is held against its threshold with `>=`. A reading
becomes one trigger per rule that it breaks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

import msgspec

from protocol.commands import Ring
from protocol.model import Comparison, Severity
from protocol.rules import ThresholdRule

_HOLDS: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.EQUAL: operator.eq,
    Comparison.DIFFERENT: operator.ne,
}
_UPWARDS = (Comparison.ABOVE, Comparison.AT_LEAST)
_DOWNWARDS = (Comparison.BELOW, Comparison.AT_MOST)


def holds(value: float, comparison: Comparison, threshold: float) -> bool:
    """Whether `value comparison threshold` is true; exact, as floating point has it."""
    return _HOLDS[comparison](value, threshold)


def worse(comparison: Comparison, known: float | None, value: float | None) -> float | None:
    """The worse of two values: furthest in the direction of the comparison; without a direction the later one."""
    if known is None or value is None:
        return known if value is None else value
    if comparison in _UPWARDS:
        return max(known, value)
    return min(known, value) if comparison in _DOWNWARDS else value


class Firing(msgspec.Struct, frozen=True, gc=False):
    """A trigger with everything filled in that its rule or a default had to add."""

    ring: Ring
    severity: Severity
    threshold: float | None
    comparison: Comparison
    title: str
    # Seconds; None: what the policy says.
    suppression_s: float | None

    @property
    def is_below(self) -> bool:
        """Whether both values are known and the comparison between them does not hold."""
        value = self.ring.current_value
        if value is None or self.threshold is None:
            return False
        return not holds(value, self.comparison, self.threshold)


def fill(ring: Ring, rule: ThresholdRule | None) -> Firing:
    """A trigger together with what its rule (None: it names none) and the defaults add."""
    severity, threshold, comparison, title = ring.severity, ring.threshold_value, ring.comparison, ring.title
    if rule is None:
        title = title or ring.labels.get("alertname") or ring.alert_type or "Alert"
        return Firing(
            ring, severity or Severity.WARNING, threshold, comparison or Comparison.AT_LEAST, title, ring.suppression_s
        )
    return Firing(
        ring,
        severity or rule.severity,
        rule.threshold if threshold is None else threshold,
        comparison or rule.comparison,
        title or title_of(rule),
        rule.suppression_s,
    )


def title_of(rule: ThresholdRule) -> str:
    """What an alert of this rule is called: the rule's title, else `cpu_percent > 90.0`."""
    return rule.title or f"{rule.metric} {rule.comparison.value} {rule.threshold}"


class RuleBook:
    """The rules of one channel, by id (all) and by metric (those that are enabled)."""

    def __init__(self, rules: Sequence[ThresholdRule]) -> None:
        self.by_id: Mapping[str, ThresholdRule] = {rule.id: rule for rule in rules}
        by_metric: dict[str, list[ThresholdRule]] = {}
        for rule in self.by_id.values():
            if rule.enabled:
                by_metric.setdefault(rule.metric, []).append(rule)
        self._by_metric = by_metric

    def watching(self, metric: str) -> Sequence[ThresholdRule]:
        """The enabled rules that look at a metric, in the order in which they were given."""
        return self._by_metric.get(metric, ())
