"""Can this rule work? If not it is refused, with the field, the reason, and an example of a right one.

The Structs have checked types and bounds before. What is here is what one field says about another.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from engine.core.rules.evaluation import DOWNWARDS, RANGES, UPWARDS
from engine.core.rules.schedule import check_hours
from engine.core.rules.templates import Template, TemplateInvalid
from engine.core.suppression import WINDOW_MAX_S
from protocol.names import is_id, is_workspace
from protocol.rules import (
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

# Windows are cut into buckets of at least this.
WINDOW_MIN_S = 1.0


class RuleInvalid(ValueError):
    """A rule that cannot work: which field, why, and what a right one looks like."""

    def __init__(self, field: str, reason: str, example: str) -> None:
        super().__init__(field, reason, example)
        self.field, self.reason, self.example = field, reason, example

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}; for example {self.example}"


def check_rule(rule: Rule) -> None:
    """Raises RuleInvalid."""
    _check_names(rule)
    _check_texts(rule)
    _check_times(rule)
    _check_schedule(rule)
    _KINDS[type(rule)](rule)


def _refuse_if(is_wrong: bool, field: str, reason: str, example: str) -> None:
    if is_wrong:
        raise RuleInvalid(field, reason, example)


def _check_names(rule: Rule) -> None:
    for field, name in (("id", rule.id), ("framework", rule.framework), ("metric", rule.metric)):
        _refuse_if(
            not is_id(name),
            field,
            f"{name[:64]!r} is not allowed: letters, digits, spaces or ._-/@: and no path segment '.' or '..'",
            f'{field} = "cpu_percent"',
        )
    _refuse_if(
        bool(rule.workspace) and not is_workspace(rule.workspace),
        "workspace",
        f"{rule.workspace[:64]!r} is not allowed: letters, digits, spaces or ._-/@",
        'workspace = "main"',
    )
    for name in rule.notify:
        _refuse_if(not is_id(name), "notify", f"{name[:64]!r} is no name of an endpoint", 'notify = ["on-call"]')


def _check_texts(rule: Rule) -> None:
    texts = [("title", rule.title), ("message", rule.message)]
    texts += [(f"annotations.{name}", text) for name, text in rule.annotations.items()]
    for field, text in texts:
        try:
            Template(text)
        except TemplateInvalid as fault:
            raise RuleInvalid(field, str(fault), '"{{ metric }} is {{ value }} on {{ labels.host }}"') from None
    plain = [*texts, *rule.match.items(), *rule.labels.items(), *((name, name) for name in rule.annotations)]
    for field, text in plain:
        _refuse_if("\0" in field + text, field.replace("\0", "?"), "has the NUL character", '"host": "web-1"')
    _refuse_if(
        any(not name for name in [*rule.match, *rule.labels, *rule.annotations]),
        "match",
        "a label or an annotation has no name",
        'match = {host = "web-1"}',
    )


def _check_times(rule: Rule) -> None:
    window = rule.suppression_s
    _refuse_if(
        window is not None and not 0 <= window <= WINDOW_MAX_S,
        "suppression_s",
        f"{window!r:.40} is no time: from 0 to {WINDOW_MAX_S:.0f}",
        "suppression_s = 300",
    )
    _refuse_if(
        rule.no_data is not NoData.KEEP and rule.no_data_s < WINDOW_MIN_S,
        "no_data_s",
        f"{rule.no_data_s:g} is less than {WINDOW_MIN_S:g}, every pause between two readings would be silence",
        "no_data_s = 300",
    )


def _check_schedule(rule: Rule) -> None:
    if rule.schedule is None:
        return
    try:
        check_hours(rule.schedule)
    except ValueError as fault:
        raise RuleInvalid("schedule", str(fault), 'days = ["mon", "tue"], zone = "Europe/Berlin"') from None


def _check_threshold(rule: ThresholdRule) -> None:
    comparison, threshold, upper = rule.comparison, rule.threshold, rule.upper
    if comparison in RANGES:
        _refuse_if(
            upper is None or upper <= threshold,
            "upper",
            f"{comparison.value} needs an upper end above threshold ({threshold:g})",
            f"threshold = {threshold:g}, upper = {threshold + 10:g}",
        )
    else:
        _refuse_if(
            upper is not None,
            "upper",
            f"means nothing to {comparison.value}; it is for between and outside",
            'comparison = "outside", threshold = 10, upper = 20',
        )
    if rule.recovery is not None:
        _refuse_if(
            comparison not in UPWARDS + DOWNWARDS,
            "recovery",
            f"{comparison.value} has no side to recover on; use keep_firing_for_s",
            'comparison = ">", threshold = 90, recovery = 80',
        )
        _check_recovery(rule.recovery, threshold, comparison in UPWARDS)
    _refuse_if(
        rule.aggregate is not Aggregate.LAST and rule.window_s < WINDOW_MIN_S,
        "window_s",
        f"{rule.aggregate.value} needs a window of at least {WINDOW_MIN_S:g} s, this one has {rule.window_s:g}",
        'aggregate = "avg", window_s = 300',
    )


def _check_recovery(recovery: float, threshold: float, is_upwards: bool) -> None:
    is_wrong = recovery > threshold if is_upwards else recovery < threshold
    side, right = ("above", threshold - 10) if is_upwards else ("below", threshold + 10)
    _refuse_if(
        is_wrong,
        "recovery",
        f"{recovery:g} is {side} threshold ({threshold:g}): on the wrong side, it would never be over",
        f"threshold = {threshold:g}, recovery = {right:g}",
    )


def _check_performance(rule: PerformanceRule) -> None:
    _refuse_if(
        rule.window_s < WINDOW_MIN_S,
        "window_s",
        f"{rule.window_s:g} is less than {WINDOW_MIN_S:g}",
        "window_s = 300",
    )
    if rule.recovery is not None:
        _check_recovery(rule.recovery, rule.threshold, is_upwards=True)
    if rule.objective is Objective.PERCENTILE:
        _refuse_if(
            rule.total_metric is not None,
            "total_metric",
            "means nothing to a percentile; it is for error_rate and burn_rate",
            'objective = "error_rate", metric = "errors", total_metric = "requests"',
        )
    else:
        _check_total(rule)
    _refuse_if(
        bool(rule.short_window_s) and rule.objective is not Objective.BURN_RATE,
        "short_window_s",
        f"means nothing to {rule.objective.value}; it is for burn_rate",
        'objective = "burn_rate", window_s = 3600, short_window_s = 300',
    )
    _refuse_if(
        bool(rule.short_window_s) and not WINDOW_MIN_S <= rule.short_window_s < rule.window_s,
        "short_window_s",
        f"{rule.short_window_s:g} is not between {WINDOW_MIN_S:g} and window_s ({rule.window_s:g})",
        "window_s = 3600, short_window_s = 300",
    )


def _check_total(rule: PerformanceRule) -> None:
    total = rule.total_metric
    _refuse_if(
        total is None or total == rule.metric or not is_id(total),
        "total_metric",
        f"{rule.objective.value} divides the errors ({rule.metric}) by another metric, that of all requests",
        'metric = "errors", total_metric = "requests"',
    )
    _refuse_if(
        rule.threshold < 0 or (rule.objective is Objective.ERROR_RATE and rule.threshold >= 1),
        "threshold",
        f"{rule.threshold:g} is no such rate: an error rate is from 0 to 1, a burn rate at least 0",
        "threshold = 0.05",
    )


def _check_anomaly(rule: AnomalyRule) -> None:
    """Its fields are bounded by their types."""


def _check_milestone(rule: MilestoneRule) -> None:
    goals = rule.goals
    _refuse_if(
        any(later <= goal for goal, later in pairwise(goals)),
        "goals",
        "do not rise: each must be above the one before",
        "goals = [100, 1000, 10000]",
    )
    _refuse_if(
        bool(rule.progress) and goals[-1] <= 0,
        "progress",
        f"is told in percent of the last goal, and {goals[-1]:g} has no percentages",
        "goals = [1000], progress = [50, 90]",
    )
    useless: list[tuple[str, bool]] = [
        ("for_s", rule.for_s > 0),
        ("keep_firing_for_s", rule.keep_firing_for_s > 0),
        ("no_data", rule.no_data is not NoData.KEEP),
        ("suppress_by", rule.suppress_by is not SuppressBy.IDENTITY),
    ]
    for field, is_set in useless:
        _refuse_if(is_set, field, "means nothing to a milestone, which is reached once", f"a rule without {field}")


_KINDS: dict[type[Any], Callable[[Any], None]] = {
    ThresholdRule: _check_threshold,
    PerformanceRule: _check_performance,
    AnomalyRule: _check_anomaly,
    MilestoneRule: _check_milestone,
}
