"""Evaluators one by one: what they say of themselves, what survives a restart, and numbers at the edges."""

from __future__ import annotations

import math
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.rules.book import comparison_of, threshold_of, title_of
from engine.core.rules.evaluation import Evaluator, Seen
from engine.core.rules.milestone import MilestoneEvaluator
from engine.core.rules.series import evaluator_of
from engine.core.rules.sketch import BINS_MAX, RELATIVE_ERROR, SlidingPercentile, bin_of, middle_of, rank_of
from protocol.model import Comparison
from protocol.rules import (
    Aggregate,
    AnomalyRule,
    Direction,
    MilestoneRule,
    Objective,
    PerformanceRule,
    Rule,
    ThresholdRule,
)
from protocol.times import SECOND_US

COMMON: dict[str, Any] = {"id": "r", "framework": "f", "metric": "m"}
START = 1_700_000_000 * SECOND_US


def threshold(**fields: Any) -> ThresholdRule:
    return ThresholdRule(**COMMON | {"threshold": 50.0} | fields)


def performance(**fields: Any) -> PerformanceRule:
    return PerformanceRule(**COMMON | {"threshold": 0.5} | fields)


ALL: list[Rule] = [
    threshold(recovery=20.0),
    *[threshold(aggregate=aggregate, window_s=30.0) for aggregate in Aggregate],
    performance(threshold=60.0, window_s=40.0, recovery=30.0, at_least=2.0),
    performance(objective=Objective.ERROR_RATE, total_metric="all", window_s=60.0),
    performance(objective=Objective.BURN_RATE, total_metric="all", window_s=60.0, short_window_s=5.0, slo=0.9),
    MilestoneRule(**COMMON, goals=(100.0, 500.0), is_cumulative=True, progress=(50.0,)),
]
heard = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from([0.0, 10.0, 40.0, 55.0, 90.0]), st.sampled_from(["m", "all"])),
    max_size=60,
)


def answers(evaluator: Evaluator, readings: list[tuple[int, float, str]]) -> list[object]:
    found: list[object] = []
    for after, value, metric in readings:
        found += [evaluator.observe(START + after * SECOND_US, value, metric), evaluator.value(), evaluator.why()]
        if isinstance(evaluator, MilestoneEvaluator):
            found.append([mark.name for mark in evaluator.reached()])
            evaluator.told.update(mark.name for mark in evaluator.reached())
    return found


@pytest.mark.parametrize("rule", ALL, ids=title_of)
@given(before=heard, after=heard)
def test_an_evaluator_goes_on_from_its_state_as_if_nothing_had_happened(
    rule: Rule, before: list[tuple[int, float, str]], after: list[tuple[int, float, str]]
) -> None:
    one, other = evaluator_of(rule), evaluator_of(rule)
    answers(one, before)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    assert (other.value(), other.limit(), other.why()) == (one.value(), one.limit(), one.why())
    assert answers(one, after) == answers(other, after)


# In order, out of order, of one time, a window later, hopelessly late, and far from all of them.
STORY: list[tuple[int, float, str]] = [
    *[(200, 0.0, "m"), (203, 90.0, "all"), (201, 55.0, "m"), (203, 10.0, "m"), (203, 90.0, "m"), (202, 1e-12, "all")],
    *[(232, 40.0, "all"), (233, -30.0, "m"), (210, 90.0, "m"), (100, 90.0, "m"), (100, 90.0, "all"), (90, 1.0, "m")],
    *[(500, 55.0, "m"), (501, 90.0, "all"), (502, 90.0, "m"), (300, 40.0, "m")],
]


@pytest.mark.parametrize("rule", [*ALL, AnomalyRule(**COMMON, warm_up=4)], ids=title_of)
@pytest.mark.parametrize("restarts_before", range(0, len(STORY), 3))
def test_the_answers_of_a_story_are_the_same_wherever_a_restart_comes(rule: Rule, restarts_before: int) -> None:
    one, other = evaluator_of(rule), evaluator_of(rule)
    before, after = STORY[:restarts_before], STORY[restarts_before:]
    answers(one, before)
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    assert answers(one, after) == answers(other, after)


@pytest.mark.parametrize("rule", ALL[:-1], ids=title_of)
def test_what_is_late_changes_neither_the_answer_nor_the_state(rule: Rule) -> None:
    evaluator = evaluator_of(rule)
    answers(evaluator, STORY)
    before = msgspec.msgpack.encode(evaluator.state())
    assert evaluator.observe(START, 1e6, "m") is Seen.LATE
    assert msgspec.msgpack.encode(evaluator.state()) == before


@pytest.mark.parametrize(
    ("rule", "why", "limit"),
    [
        (ALL[0], "m is 60; rings when > 50", 50.0),
        (threshold(aggregate=Aggregate.AVG, window_s=30.0), "avg of m over 30 s is 60; rings when > 50", 50.0),
        (
            threshold(comparison=Comparison.OUTSIDE, upper=55.0),
            "m is 60; rings when outside 50 and 55",
            50.0,
        ),
        (ALL[8], "p95 of m over 40 s is 59.7 (to 1 %, 1 reading); rings when > 60", 60.0),
        (ALL[9], "error rate of m over 60 s is unknown; rings when > 0.5", 0.5),
        (ALL[10], "burn rate at an objective of 0.9 of m over 60 s and 5 s is unknown; rings when > 0.5", 0.5),
        (ALL[11], "m stands at 60; told: nothing yet", 100.0),
    ],
)
def test_an_evaluator_says_in_a_sentence_what_it_came_to(rule: Rule, why: str, limit: float) -> None:
    evaluator = evaluator_of(rule)
    evaluator.observe(START, 60.0, "m")
    assert (evaluator.why(), evaluator.limit()) == (why, limit)


def test_a_milestone_whose_marks_were_all_told_waits_for_none() -> None:
    evaluator = MilestoneEvaluator(MilestoneRule(**COMMON, goals=(1.0,)))
    assert (evaluator.reached(), evaluator.value()) == ([], None)
    evaluator.observe(START, 1.0, "m")
    evaluator.told.add("1")
    assert (evaluator.reached(), evaluator.limit(), evaluator.why()) == ([], None, "m stands at 1; told: 1")


@pytest.mark.parametrize("aggregate", [Aggregate.SUM, Aggregate.AVG, Aggregate.RATE])
def test_what_goes_beyond_floating_point_says_nothing(aggregate: Aggregate) -> None:
    evaluator = evaluator_of(threshold(aggregate=aggregate, window_s=30.0))
    largest = sys.float_info.max
    evaluator.observe(START, -largest if aggregate is Aggregate.RATE else largest, "m")
    assert evaluator.observe(START + 1, largest, "m") is Seen.NOTHING
    assert evaluator.value() is None


def test_a_sum_that_never_ends_stays_a_number() -> None:
    evaluator = MilestoneEvaluator(MilestoneRule(**COMMON, goals=(1.0,), is_cumulative=True))
    for _ in range(3):
        evaluator.observe(START, sys.float_info.max, "m")
    assert evaluator.value() == sys.float_info.max


@pytest.mark.parametrize("value", [0.0, 1e-9, -1e-9, 1.0, -1.0, 12_345.6, -1e307])
def test_a_value_and_its_mirror_image_are_in_bins_whose_middles_mirror(value: float) -> None:
    assert middle_of(bin_of(value)) == -middle_of(bin_of(-value)) == pytest.approx(value, rel=RELATIVE_ERROR * 1.000001)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_middle_of_a_values_bin_is_within_one_percent_of_it(value: float) -> None:
    if abs(value) < 1e-9:
        assert middle_of(bin_of(value)) == 0.0
    elif abs(value) < 1e308:
        assert middle_of(bin_of(value)) == pytest.approx(value, rel=RELATIVE_ERROR * 1.000001)
    else:
        assert math.isfinite(middle_of(bin_of(value)))


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_bins_are_in_the_order_of_their_values(one: float, other: float) -> None:
    assert (bin_of(one) <= bin_of(other)) or one > other


@pytest.mark.parametrize(("percentile", "count", "rank"), [(50, 1, 1), (50, 4, 2), (95, 100, 95), (99.9, 1_000, 999)])
def test_a_percentile_is_the_nearest_rank(percentile: float, count: int, rank: int) -> None:
    assert rank_of(percentile, count) == rank


def test_a_part_with_too_many_bins_joins_its_lowest_and_keeps_high_percentiles() -> None:
    window = SlidingPercentile(100.0, (0.0,))
    values = [1.03**number for number in range(3 * BINS_MAX)]
    for value in values:
        window.take(START, value)
    assert len(window.state()[1][START // (5 * SECOND_US) % 20]) == BINS_MAX
    assert window.count() == len(values)
    assert window.percentile(95.0) == pytest.approx(values[rank_of(95.0, len(values)) - 1], rel=0.011)
    window.take(START + 200 * SECOND_US, 7.0)
    assert window.percentile(95.0) == pytest.approx(7.0, rel=0.011), "the others have left, with all that was counted"


def test_an_empty_window_has_no_percentile() -> None:
    assert SlidingPercentile(100.0, (0.0,)).percentile(95.0) is None


@pytest.mark.parametrize(
    ("rule", "title", "comparison", "limit"),
    [
        (AnomalyRule(**COMMON), "m is unusual", Comparison.ABOVE, None),
        (AnomalyRule(**COMMON, direction=Direction.DOWN), "m is unusual", Comparison.BELOW, None),
        (MilestoneRule(**COMMON, goals=(1.0,)), "m has reached a milestone", Comparison.AT_LEAST, None),
        (performance(), "p95 of m over 300 s > 0.5", Comparison.ABOVE, 0.5),
        (ALL[10], "burn rate of m over 60 s > 0.5", Comparison.ABOVE, 0.5),
    ],
)
def test_every_kind_has_a_title_a_direction_and_perhaps_a_threshold(
    rule: Rule, title: str, comparison: Comparison, limit: float | None
) -> None:
    assert (title_of(rule), comparison_of(rule), threshold_of(rule)) == (title, comparison, limit)
