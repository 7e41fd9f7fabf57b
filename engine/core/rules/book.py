"""What a trigger takes from its rule, and the rules of one channel by what they look at.

A trigger that names a rule gets from it whatever it leaves out: severity, threshold, title, suppression window, texts,
and the comparison. Without a rule and without a comparison of its own it is held against its threshold with `>=`.

The rules that concern a reading are found by its metric, then by one of its labels: each rule that asks for labels
stands under the rarest of them, so ten thousand rules on one metric, each for another host, cost a reading nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from engine.core.identity import identity_of
from engine.core.rules.evaluation import holds, in_words
from engine.core.rules.templates import Texts
from engine.core.rules.threshold import name_of
from protocol.commands import Ring
from protocol.model import Comparison, Severity
from protocol.rules import (
    AnomalyRule,
    Direction,
    MilestoneRule,
    Objective,
    PerformanceRule,
    Rule,
    SuppressBy,
    ThresholdRule,
)


class Firing(msgspec.Struct, frozen=True, gc=False):
    """A trigger with everything filled in that its rule or a default had to add."""

    ring: Ring
    severity: Severity
    threshold: float | None
    comparison: Comparison
    title: str
    # Seconds; None: what the policy says.
    suppression_s: float | None
    upper: float | None = None
    # What else its rule has to say, filled in only when it is told.
    texts: Texts | None = None
    # What it came to, as a sentence: the message of an alert whose rule and trigger have none.
    why: Callable[[], str] | None = None

    @property
    def is_below(self) -> bool:
        """Whether both values are known and the comparison between them does not hold."""
        value = self.ring.current_value
        if value is None or self.threshold is None:
            return False
        return not holds(value, self.comparison, self.threshold, self.upper)


def fill(ring: Ring, rule: Rule | None, texts: Texts | None = None, why: Callable[[], str] | None = None) -> Firing:
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
        threshold_of(rule) if threshold is None else threshold,
        comparison or comparison_of(rule),
        title or title_of(rule),
        rule.suppression_s,
        rule.upper if isinstance(rule, ThresholdRule) else None,
        texts,
        why,
    )


def dressed(firing: Firing) -> Firing:
    """The firing as it is told: with its rule's labels, and its texts filled in."""
    if firing.texts is None:
        return firing
    ring, title = firing.texts.dress(firing.ring, firing.threshold, firing.severity, firing.title)
    if firing.why is not None and ring.message is None:
        ring = msgspec.structs.replace(ring, message=firing.why())
    return msgspec.structs.replace(firing, ring=ring, title=title)


def identity_under(framework: str, ring: Ring, rule: Rule | None) -> str:
    """The identity of what a trigger reports; a rule may have one for all its labels."""
    if rule is not None and rule.suppress_by is SuppressBy.RULE and not (ring.dedup_key or ring.step_id):
        return identity_of(framework, Ring(rule_id=rule.id))
    return identity_of(framework, ring)


def threshold_of(rule: Rule) -> float | None:
    """The value that the rule's own value is held against, if there is one."""
    return rule.threshold if isinstance(rule, ThresholdRule | PerformanceRule) else None


def comparison_of(rule: Rule) -> Comparison:
    """The direction in which a rule's values are worse."""
    if isinstance(rule, ThresholdRule):
        return rule.comparison
    if isinstance(rule, MilestoneRule):
        return Comparison.AT_LEAST
    is_down = isinstance(rule, AnomalyRule) and rule.direction is Direction.DOWN
    return Comparison.BELOW if is_down else Comparison.ABOVE


def title_of(rule: Rule) -> str:
    """What an alert of this rule is called: the rule's title, else its condition (`cpu_percent > 90`)."""
    if rule.title:
        return rule.title
    match rule:
        case ThresholdRule():
            return f"{name_of(rule)} {in_words(rule.comparison, rule.threshold, rule.upper)}"
        case PerformanceRule(objective=Objective.PERCENTILE):
            return f"p{rule.percentile:g} of {rule.metric} over {rule.window_s:g} s > {rule.threshold:.10g}"
        case PerformanceRule():
            name = rule.objective.value.replace("_", " ")
            return f"{name} of {rule.metric} over {rule.window_s:g} s > {rule.threshold:.10g}"
        case MilestoneRule():
            return f"{rule.metric} has reached a milestone"
    return f"{rule.metric} is unusual"


Pair = tuple[str, str]


class RuleBook:
    """The rules of one channel, by id (all) and by what they look at (those that are enabled)."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.by_id: Mapping[str, Rule] = {rule.id: rule for rule in rules}
        self._texts: dict[str, Texts] = {}
        self._place = {id_: place for place, id_ in enumerate(self.by_id)}
        by_metric: dict[str, list[Rule]] = {}
        for rule in self.by_id.values():
            for metric in metrics_of(rule) if rule.enabled else ():
                by_metric.setdefault(metric, []).append(rule)
        self._shelves = {metric: _by_label(those) for metric, those in by_metric.items()}

    def watching(self, metric: str, labels: Mapping[str, str]) -> Sequence[Rule]:
        """The enabled rules that look at such a reading, in the order in which they were given."""
        shelf = self._shelves.get(metric)
        if shelf is None:
            return ()
        found = list(shelf.get(None, ()))
        for pair in labels.items():
            found += [rule for rule in shelf.get(pair, ()) if rule.match.items() <= labels.items()]
        return sorted(found, key=lambda rule: self._place[rule.id])

    def texts(self, rule: Rule) -> Texts:
        """What the rule's alerts say; taken apart at first use."""
        texts = self._texts.get(rule.id)
        if texts is None:
            texts = self._texts[rule.id] = Texts(rule)
        return texts


def metrics_of(rule: Rule) -> tuple[str, ...]:
    """The metrics that a rule looks at."""
    if isinstance(rule, PerformanceRule) and rule.total_metric:
        return (rule.metric, rule.total_metric)
    return (rule.metric,)


def _by_label(rules: Iterable[Rule]) -> dict[Pair | None, list[Rule]]:
    """The rules of one metric under the rarest label that each asks for; None: those that ask for none."""
    those = list(rules)
    counts = Counter(pair for rule in those for pair in rule.match.items())
    shelf: dict[Pair | None, list[Rule]] = {}
    for rule in those:
        key = min(rule.match.items(), key=lambda pair: (counts[pair], pair), default=None)
        shelf.setdefault(key, []).append(rule)
    return shelf
