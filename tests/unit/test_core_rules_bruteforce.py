"""Each kind of rule against an independent reckoning, on 100,000 readings with late, missing and out-of-order ones.

The reckoning keeps every reading and goes through all that are inside the window each time. It has no ring of buckets,
no running sums, no bins: only the definition of the window (`engine.core.rules.windows`), said once more. Values are
eighths, so that sums are exact whatever the order.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

import pytest

from engine.core.rules.evaluation import Seen
from engine.core.rules.milestone import MilestoneEvaluator
from engine.core.rules.performance import performance_evaluator
from engine.core.rules.sketch import RELATIVE_ERROR
from engine.core.rules.threshold import ThresholdEvaluator
from protocol.model import Comparison
from protocol.rules import Aggregate, MilestoneRule, Objective, PerformanceRule, ThresholdRule

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
READINGS = 100_000

Reading = tuple[int, float]


def readings(count: int, seed: int, about_s: float = 2.0, scale: float = 100.0) -> Iterator[Reading]:
    """A series as it arrives: jittered, with pauses, repeated times, out-of-order and hopelessly late ones."""
    luck, now = random.Random(seed), START
    for _ in range(count):
        now += int(luck.expovariate(1 / about_s) * SECOND) if luck.random() > 0.1 else 0
        if luck.random() < 0.002:
            now += luck.randrange(300) * SECOND  # nothing came for minutes
        at, chance = now, luck.random()
        if chance < 0.15:
            at -= luck.randrange(30 * SECOND)  # out of order
        elif chance < 0.20:
            at -= luck.randrange(900 * SECOND)  # very late
        yield at, luck.randrange(int(8 * scale)) / 8


class Past:
    """Every reading ever, and which of them are inside the window that ends with the newest."""

    def __init__(self, window_s: float, buckets: int = 60) -> None:
        window = int(window_s * SECOND)
        self.width = max(SECOND, math.ceil(Fraction(window, buckets)))
        self.count = math.ceil(Fraction(window, self.width))
        self.inside: list[tuple[int, int, float]] = []
        self.newest: int | None = None
        self.heard = 0

    def hear(self, at: int, value: float) -> bool:
        """False: late."""
        self.heard += 1
        bucket = at // self.width
        if self.newest is not None and bucket <= self.newest - self.count:
            return False
        self.newest = bucket if self.newest is None else max(bucket, self.newest)
        self.inside.append((at, self.heard, value))
        oldest = (self.newest - self.count + 1) * self.width
        self.inside = [each for each in self.inside if each[0] >= oldest]
        return True

    def values(self) -> list[float]:
        return [value for _, _, value in self.inside]


def rate(past: Past) -> float | None:
    oldest = min(past.inside, key=lambda each: (each[0], each[1]))
    newest = max(past.inside, key=lambda each: (each[0], each[1]))
    if newest[0] == oldest[0]:
        return None
    return (newest[2] - oldest[2]) * SECOND / (newest[0] - oldest[0])


NAIVE: dict[Aggregate, Callable[[Past], float | None]] = {
    Aggregate.AVG: lambda past: sum(past.values()) / len(past.values()),
    Aggregate.MIN: lambda past: min(past.values()),
    Aggregate.MAX: lambda past: max(past.values()),
    Aggregate.SUM: lambda past: sum(past.values()),
    Aggregate.COUNT: lambda past: float(len(past.values())),
    Aggregate.RATE: rate,
}
# About in the middle of what comes, so that it holds and recovers often.
MIDDLES = {
    Aggregate.AVG: 50.0,
    Aggregate.MIN: 4.0,
    Aggregate.MAX: 97.0,
    Aggregate.SUM: 1_500.0,
    Aggregate.COUNT: 30.0,
    Aggregate.RATE: 0.0,
}


@pytest.mark.parametrize("aggregate", NAIVE, ids=lambda aggregate: aggregate.value)
@pytest.mark.parametrize("window_s", [45.0, 130.0])
def test_an_aggregate_over_a_window_is_what_all_its_readings_give(aggregate: Aggregate, window_s: float) -> None:
    threshold = MIDDLES[aggregate]
    rule = ThresholdRule(
        id="r",
        framework="f",
        metric="m",
        threshold=threshold,
        recovery=threshold - 0.25,
        aggregate=aggregate,
        window_s=window_s,
    )
    evaluator, past = ThresholdEvaluator(rule), Past(window_s)
    held, seen = False, dict.fromkeys(Seen, 0)
    for at, value in readings(READINGS // 2 // len(NAIVE), seed=len(aggregate.value)):
        verdict = evaluator.observe(at, value, "m")
        seen[verdict] += 1
        if not past.hear(at, value):
            assert verdict is Seen.LATE
            continue
        wanted = NAIVE[aggregate](past)
        assert evaluator.value() == wanted
        if wanted is None:
            assert verdict is Seen.NOTHING
            continue
        held = wanted > threshold or (held and wanted > threshold - 0.25)
        assert verdict is (Seen.HOLDS if held else Seen.FINE)
    assert min(seen[Seen.HOLDS], seen[Seen.FINE], seen[Seen.LATE]) > 100


def test_without_a_window_the_newest_reading_counts_and_older_ones_change_nothing() -> None:
    rule = ThresholdRule(id="r", framework="f", metric="m", threshold=50.0, comparison=Comparison.AT_MOST)
    evaluator, newest, late = ThresholdEvaluator(rule), -1, 0
    for at, value in readings(READINGS, seed=1):
        verdict = evaluator.observe(at, value, "m")
        if at < newest:
            late += verdict is Seen.LATE
            assert verdict is Seen.LATE
            continue
        newest = at
        assert verdict is (Seen.HOLDS if value <= 50.0 else Seen.FINE)
    assert late > 1_000


@pytest.mark.parametrize("percentile", [50.0, 95.0, 99.9])
def test_a_percentile_holds_exactly_and_is_shown_to_one_percent(percentile: float) -> None:
    threshold = {50.0: 48.0, 95.0: 95.0, 99.9: 99.5}[percentile]
    rule = PerformanceRule(
        id="r",
        framework="f",
        metric="m",
        threshold=threshold,
        recovery=threshold - 1,
        percentile=percentile,
        window_s=200.0,
        at_least=20,
    )
    evaluator, past, held = performance_evaluator(rule), Past(200.0, buckets=20), False
    seen = dict.fromkeys(Seen, 0)
    for at, value in readings(READINGS // 3, seed=int(percentile)):
        verdict = evaluator.observe(at, value, "m")
        seen[verdict] += 1
        if not past.hear(at, value):
            assert verdict is Seen.LATE
            continue
        ordered = sorted(past.values())
        if len(ordered) < 20:
            assert verdict is Seen.NOTHING
            continue
        wanted = ordered[math.ceil(Fraction(str(percentile)) * len(ordered) / 100) - 1]
        held = wanted > threshold or (held and wanted > threshold - 1)
        assert verdict is (Seen.HOLDS if held else Seen.FINE)
        if past.heard % 10 == 0:
            assert evaluator.value() == pytest.approx(wanted, rel=RELATIVE_ERROR + 1e-9)
    assert min(seen.values()) > 50


@pytest.mark.parametrize("objective", [Objective.ERROR_RATE, Objective.BURN_RATE])
def test_a_rate_is_all_errors_by_all_requests_of_its_windows(objective: Objective) -> None:
    is_burn = objective is Objective.BURN_RATE
    rule = PerformanceRule(
        id="r",
        framework="f",
        metric="errors",
        total_metric="requests",
        objective=objective,
        threshold=8.0 if is_burn else 0.08,
        recovery=7.0 if is_burn else 0.07,
        slo=0.99,
        window_s=240.0,
        short_window_s=30.0 if is_burn else 0.0,
        at_least=100,
    )
    evaluator, luck, held = performance_evaluator(rule), random.Random(7), False
    spans = [240.0, 30.0] if is_burn else [240.0]
    pasts = [(Past(span), Past(span)) for span in spans]
    seen = dict.fromkeys(Seen, 0)
    for at, value in readings(READINGS // 2, seed=3):
        is_total = luck.random() < 0.5
        amount = float(int(value)) if is_total else float(int(value) % 9)
        verdict = evaluator.observe(at, amount, "requests" if is_total else "errors")
        seen[verdict] += 1
        # The window ends with the newest reading of either metric: both are heard in both, with nothing in one.
        taken = [
            (errors.hear(at, 0.0 if is_total else amount), totals.hear(at, amount if is_total else 0.0))
            for errors, totals in pasts
        ]
        if not taken[0][0]:
            assert verdict is Seen.LATE
            continue
        sums = [(sum(errors.values()), sum(totals.values())) for errors, totals in pasts]
        if any(total < 100 for _, total in sums):
            assert verdict is Seen.NOTHING
            continue
        wanted = min(errors / total for errors, total in sums) / ((1 - rule.slo) if is_burn else 1.0)
        assert evaluator.value() == pytest.approx(wanted)
        held = wanted > rule.threshold or (held and wanted > (rule.recovery or 0))
        assert verdict is (Seen.HOLDS if held else Seen.FINE)
    assert min(seen.values()) > 50


@pytest.mark.parametrize("is_cumulative", [True, False])
def test_a_milestone_is_told_once_in_whatever_order_readings_come(is_cumulative: bool) -> None:
    goals = tuple(float(goal) for goal in ((10**5, 10**6, 2_000_000) if is_cumulative else (50, 99, 99.875)))
    rule = MilestoneRule(
        id="r", framework="f", metric="m", goals=goals, is_cumulative=is_cumulative, progress=(25.0, 50.0)
    )
    evaluator, all_values = MilestoneEvaluator(rule), []
    first: dict[str, int] = {}
    for number, (at, value) in enumerate(readings(READINGS // 2, seed=11)):
        all_values.append(value)
        evaluator.observe(at, value, "m")
        for mark in evaluator.reached():
            assert mark.name not in first
            evaluator.told.add(mark.name)
            first[mark.name] = number
    wanted = {}
    stands = 0.0
    for number, value in enumerate(all_values):
        stands = stands + value if is_cumulative else value
        for name, goal in [
            *((f"{goal:.10g}", goal) for goal in goals),
            ("25 %", goals[-1] / 4),
            ("50 %", goals[-1] / 2),
        ]:
            if stands >= goal and name not in wanted:
                wanted[name] = number
    assert first == wanted
    assert len(wanted) >= 4
