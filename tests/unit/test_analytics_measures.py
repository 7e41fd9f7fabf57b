"""Measures: their forms, the mildest first, and that no click breeds the next one."""

from __future__ import annotations

import msgspec
import pytest

from engine.core.analytics import measures
from protocol.insights import Measure, Recommendation
from protocol.model import Comparison, Severity
from protocol.rules import AnomalyRule, MilestoneRule, PerformanceRule, Rule, ThresholdRule
from protocol.times import SECOND_US, rfc3339
from tests.support.insights import a_recommendation

START = 1_769_860_800_000_000
HOUR_US = 3_600 * SECOND_US
NOW = START + 48 * HOUR_US
WINDOW_S = 300.0
CPU = ThresholdRule(
    id="cpu", framework="web", metric="cpu", threshold=90.0, severity=Severity.ERROR, title="CPU is hot"
)


@pytest.mark.parametrize(
    ("measure", "rule", "first"),
    [
        (Measure.WAIT, CPU, {"for_s": 60.0}),
        (Measure.WAIT, msgspec.structs.replace(CPU, for_s=300.0), {"for_s": 600.0}),
        (Measure.WIDEN_WINDOW, CPU, {"suppression_s": 900.0}),
        (Measure.WIDEN_WINDOW, msgspec.structs.replace(CPU, suppression_s=3_600.0), {"suppression_s": 7_200.0}),
        (Measure.RAISE_THRESHOLD, CPU, {"threshold": 94.5}),
        (Measure.RAISE_THRESHOLD, msgspec.structs.replace(CPU, comparison=Comparison.BELOW), {"threshold": 85.5}),
        (Measure.ADD_HYSTERESIS, CPU, {"recovery": 88.2}),
        (Measure.ADD_HYSTERESIS, msgspec.structs.replace(CPU, comparison=Comparison.AT_MOST), {"recovery": 91.8}),
        (
            Measure.RAISE_THRESHOLD,
            PerformanceRule(id="p", framework="web", metric="ms", threshold=200.0),
            {"threshold": 210.0},
        ),
        (Measure.RAISE_THRESHOLD, msgspec.structs.replace(CPU, threshold=-10.0), {"threshold": -9.5}),
        (Measure.RAISE_THRESHOLD, msgspec.structs.replace(CPU, threshold=0.0), None),
        (Measure.RAISE_THRESHOLD, AnomalyRule(id="a", framework="web", metric="ms"), None),
        (Measure.ADD_HYSTERESIS, msgspec.structs.replace(CPU, recovery=80.0), None),
        (Measure.ADD_HYSTERESIS, MilestoneRule(id="m", framework="web", metric="ms", goals=(1.0,)), None),
        (Measure.SILENCE, CPU, None),
    ],
)
def test_the_mildest_form_of_a_measure_comes_first(
    measure: Measure, rule: Rule, first: dict[str, float] | None
) -> None:
    assert next(measures.changes(measure, rule, WINDOW_S), None) == first


def test_what_stays_open_longer_is_told_again_less_often_if_that_is_needed() -> None:
    forms = list(measures.changes(Measure.ADD_HYSTERESIS, CPU, WINDOW_S))
    assert [len(form) for form in forms] == [1] * 4 + [2] * 4
    rare = msgspec.structs.replace(CPU, suppression_s=7_200.0)
    assert [len(form) for form in measures.changes(Measure.ADD_HYSTERESIS, rare, WINDOW_S)] == [1] * 4
    title = measures.in_words(Measure.ADD_HYSTERESIS, CPU, forms[4])
    assert title == 'Let "CPU is hot" be over only at 88.2, and tell of it again after 3600 s'


def test_every_measure_has_a_title() -> None:
    given = {"for_s": 60.0, "suppression_s": 900.0, "threshold": 99.0, "recovery": 80.0}
    titles = {measure: measures.in_words(measure, CPU, given) for measure in Measure}
    assert len(set(titles.values())) == len(Measure)
    assert titles[Measure.WAIT] == 'Let "CPU is hot" hold for 60 s before it rings'


# What was applied


def clicked(measure: Measure, hour: int, was: float | None = None, now: float | None = None) -> Recommendation:
    """At a click, in the hour of this number: it moved a threshold from one to the other."""
    return msgspec.structs.replace(
        a_recommendation(hour, START),
        measure=measure,
        was={} if was is None else {"threshold": was},
        change={"threshold": now},
        decided_at=rfc3339(START + hour * HOUR_US),
    )


def test_the_last_click_that_changed_the_rule_itself_counts() -> None:
    clicks = [clicked(Measure.SILENCE, 9), clicked(Measure.WAIT, 3), clicked(Measure.WIDEN_WINDOW, 5)]
    undecided = msgspec.structs.replace(clicked(Measure.WAIT, 8), decided_at=None)
    assert measures.applied_to(CPU, [*clicks, undecided], NOW) == (START + 5 * HOUR_US, None)
    assert measures.applied_to(CPU, [], NOW) == measures.applied_to(CPU, clicks[:1], NOW) == measures.UNTOUCHED


def test_a_click_while_the_run_waited_counts_and_one_of_a_clock_that_was_wrong_does_not() -> None:
    clicks = [clicked(Measure.WAIT, 3), clicked(Measure.WAIT, 49), clicked(Measure.WAIT, 24 * 365)]
    assert measures.applied_to(CPU, clicks, NOW).at == START + 49 * HOUR_US


@pytest.mark.parametrize(
    ("moves", "of_people"),
    [
        ([(90.0, 108.0)], 90.0),
        ([(90.0, 99.0), (99.0, 108.0)], 90.0),
        # Between the two somebody has put it elsewhere, or after them.
        ([(90.0, 99.0), (100.0, 108.0)], 100.0),
        ([(90.0, 99.0)], None),
        # Kept by a version that did not say what it was.
        ([(None, 108.0)], None),
    ],
)
def test_a_threshold_is_followed_back_to_where_people_had_put_it(
    moves: list[tuple[float | None, float]], of_people: float | None
) -> None:
    rule = msgspec.structs.replace(CPU, threshold=108.0)
    clicks = [clicked(Measure.RAISE_THRESHOLD, hour, *move) for hour, move in enumerate(moves)]
    waited = clicked(Measure.WAIT, 40)
    assert measures.applied_to(rule, [waited, *clicks], NOW).threshold == of_people


@pytest.mark.parametrize(
    ("now", "of_people", "values"),
    [
        (90.0, None, [94.5, 99.0, 108.0, 135.0]),
        (94.5, 90.0, [99.225, 103.95, 113.4]),
        (120.0, 90.0, [126.0, 132.0]),
        (135.0, 90.0, []),
        (-85.5, -90.0, [-81.225, -76.95, -68.4]),
    ],
)
def test_a_threshold_is_never_moved_further_than_half_of_what_people_had_put(
    now: float, of_people: float | None, values: list[float]
) -> None:
    rule = msgspec.structs.replace(CPU, threshold=now)
    found = measures.changes(Measure.RAISE_THRESHOLD, rule, WINDOW_S, measures.Applied(START, of_people))
    assert [form["threshold"] for form in found] == values


@pytest.mark.parametrize(
    ("measure", "rule"),
    [
        (Measure.WAIT, msgspec.structs.replace(CPU, for_s=1_800.0)),
        (Measure.WIDEN_WINDOW, msgspec.structs.replace(CPU, suppression_s=28_800.0)),
    ],
)
def test_beyond_the_largest_size_nothing_is_recommended(measure: Measure, rule: Rule) -> None:
    assert list(measures.changes(measure, rule, WINDOW_S)) == []
