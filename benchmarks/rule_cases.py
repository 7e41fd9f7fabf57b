"""What rules cost in `core`: a reading among ten thousand rules, and one of each kind that remembers more than a value.

Each reading is a second later than the one before, so that windows move; none of them rings.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.commands import Observe
from protocol.orders import Orders
from protocol.rules import Aggregate, Objective, PerformanceRule, Rule, ThresholdRule
from protocol.times import SECOND_US

# As many as one engine must carry.
RULES = 10_000
METRIC = "cpu_percent"


def one_rule(kind: str) -> Orders:
    """A rule over a window, on the metric of all readings."""
    rules: dict[str, Rule] = {
        "mean": ThresholdRule(
            id="mean", framework="core", metric=METRIC, threshold=90.0, aggregate=Aggregate.AVG, window_s=300.0
        ),
        "percentile": PerformanceRule(id="p95", framework="core", metric=METRIC, threshold=90.0, window_s=300.0),
        "burn": PerformanceRule(
            id="burn",
            framework="core",
            metric="errors",
            total_metric=METRIC,
            objective=Objective.BURN_RATE,
            threshold=14.4,
            window_s=3_600.0,
            short_window_s=300.0,
        ),
    }
    return Orders(rules=(rules[kind],))


def many_rules() -> Orders:
    """As many rules on one metric, each for another host."""
    return Orders(
        rules=tuple(
            ThresholdRule(
                id=f"rule-{number}", framework="core", metric=METRIC, threshold=90.0, match={"host": f"web-{number}"}
            )
            for number in range(RULES)
        )
    )


def readings(count: int, now_us: int, hosts: int) -> Sequence[Observe]:
    """So many readings in order, the last one of `now_us`, of so many hosts by turns."""
    first = now_us - count * SECOND_US
    return [
        Observe(
            metric=METRIC,
            value=float(number % 80),
            at=first + number * SECOND_US,
            labels={"host": f"web-{number % hosts}", "service": "checkout"},
        )
        for number in range(count)
    ]
