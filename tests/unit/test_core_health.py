"""The engine's health score: what is idle has all, what is crossed takes its points, and what is worse never gains."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.health import FULL, PARTS, SCORE_MIN, Health, Part, State, score
from tests.support.engines import ROOT

BY_NAME = {part.name: part for part in PARTS}
WELL = {part.name: 100.0 if part.is_below else 0.0 for part in PARTS}
# What a loaded engine is to keep.
LOADED_MIN = 80
VALUES = st.none() | st.floats(min_value=0, max_value=20_000)
FIGURES = st.fixed_dictionaries(dict.fromkeys(BY_NAME, VALUES))


def of(health: Health, name: str) -> tuple[State, int]:
    (found,) = (each for each in health.contributions if each.part == name)
    return found.state, found.points


def past(part: Part, limit: float) -> float:
    return math.nextafter(limit, -math.inf if part.is_below else math.inf)


def test_an_idle_engine_has_all_points() -> None:
    idle = {"store_away": 0.0, "channels_parked": 0, "jobs_failed": 0, "restarts": 0, "dead_letters": 0}
    health = score(idle)
    assert (health.score, health.status) == (100, State.HEALTHY)
    assert of(health, "alert_latency_p95_ms") == (State.UNKNOWN, 0)
    assert score(WELL).score == 100


def test_of_whom_nothing_is_known_nothing_is_taken() -> None:
    health = score({})
    assert (health.score, health.status) == (FULL, State.HEALTHY)
    assert {each.state for each in health.contributions} == {State.UNKNOWN}
    assert {each.value for each in health.contributions} == {None}
    texts = {each.part: each.text for each in health.contributions}
    assert texts["alert_latency_p95_ms"] == "not known without 20 answers to triggers in five minutes"


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (12.34, "12.3"), (99, "99"), (440.8333, "441"), (1_234_567.8, "1,234,568")]
)
def test_figures_are_said_as_a_person_reads_them(value: float, said: str) -> None:
    texts = {each.part: each.text for each in score({"jobs_waiting_s": value}).contributions}
    assert texts["jobs_waiting_s"] == f"the job that waits longest could have run {said} s ago"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown(value: float) -> None:
    assert of(score({"jobs_failed": value}), "jobs_failed") == (State.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("name", "limit", "points", "state"),
    [
        ("store_away", 0, 60, State.CRITICAL),
        ("alert_latency_p95_ms", 500, 15, State.WARNING),
        ("alert_latency_p95_ms", 1_000, 35, State.CRITICAL),
        ("alert_errors_percent", 0.1, 15, State.WARNING),
        ("alert_errors_percent", 1, 35, State.CRITICAL),
        ("channels_parked", 0, 35, State.CRITICAL),
        ("jobs_failed", 10, 35, State.CRITICAL),
        ("jobs_waiting_s", 60, 10, State.WARNING),
        ("jobs_waiting_s", 600, 15, State.WARNING),
        ("cache_hit_rate_percent", 70, 10, State.WARNING),
        ("restarts", 0, 10, State.WARNING),
        ("dead_letters", 0, 10, State.WARNING),
        ("loop_lag_p99_ms", 250, 5, State.WARNING),
        ("loop_lag_p99_ms", 1_000, 15, State.WARNING),
        ("fan_out_p99_ms", 100, 5, State.WARNING),
        ("fan_out_p99_ms", 1_000, 15, State.WARNING),
    ],
)
def test_each_threshold_takes_the_points_that_are_documented_once_it_is_crossed(
    name: str, limit: float, points: int, state: State
) -> None:
    crossed = score(WELL | {name: past(BY_NAME[name], limit)})
    assert (crossed.score, crossed.status) == (FULL - points, state)
    first = crossed.contributions[0]
    assert (first.part, first.points, first.threshold, first.state) == (name, points, limit, state)
    assert first.advice
    assert of(score(WELL | {name: limit}), name)[1] < points, "what is just there has not crossed it"


def test_the_page_has_every_threshold_and_no_other() -> None:
    page = (ROOT / "docs" / "analytics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([<>]) ([\d.,]+)[^|]*\| (\w+) \| (\d+) \|$", page, re.MULTILINE)
    documented = [
        (name, sign, float(limit.replace(",", "")), state, int(points)) for name, sign, limit, state, points in rows
    ]
    assert documented == [
        (part.name, "<" if part.is_below else ">", float(each.limit), each.state.value, each.points)
        for part in PARTS
        for each in part.thresholds
    ]


def test_what_is_critical_rings_alone_and_one_warning_leaves_an_engine_above_what_a_loaded_one_is_to_keep() -> None:
    for part in PARTS:
        for threshold in part.thresholds:
            left = FULL - threshold.points
            assert left < SCORE_MIN if threshold.state is State.CRITICAL else left > LOADED_MIN, part.name


def test_a_part_has_its_mildest_threshold_first() -> None:
    for part in PARTS:
        limits = [each.limit for each in part.thresholds]
        assert limits == sorted(limits, reverse=part.is_below)
        assert [each.points for each in part.thresholds] == sorted(each.points for each in part.thresholds)


def test_the_score_ends_at_nought() -> None:
    worst = {part.name: -1.0 if part.is_below else 1e9 for part in PARTS}
    health = score(worst)
    assert (health.score, health.status) == (0, State.CRITICAL)
    assert sum(each.points for each in health.contributions) > FULL


def test_what_took_the_most_stands_first() -> None:
    health = score(WELL | {"fan_out_p99_ms": 200, "jobs_failed": 11, "restarts": 1})
    assert [each.part for each in health.contributions[:3]] == ["jobs_failed", "restarts", "fan_out_p99_ms"]
    assert health.contributions[0].text == "failed jobs that are kept: 11"


def test_a_figure_that_no_part_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no part of the score is called loop_lag"):
        score({"loop_lag": 1.0})


@given(FIGURES)
def test_a_score_is_what_its_parts_leave(figures: dict[str, float | None]) -> None:
    health = score(figures)
    assert health.score == max(0, FULL - sum(each.points for each in health.contributions))
    assert {each.part for each in health.contributions} == BY_NAME.keys()
    assert all(bool(each.points) == bool(each.advice) for each in health.contributions)


@given(FIGURES, st.sampled_from(PARTS), st.floats(min_value=0, max_value=1e6))
def test_a_worse_figure_never_raises_the_score(figures: dict[str, float | None], part: Part, more: float) -> None:
    before = figures[part.name]
    if before is None:
        before = WELL[part.name]
    worse = before - more if part.is_below else before + more
    assert score(figures | {part.name: worse}).score <= score(figures).score


@given(FIGURES, st.sampled_from(PARTS))
def test_what_is_not_known_any_more_never_lowers_the_score(figures: dict[str, float | None], part: Part) -> None:
    assert score(figures | {part.name: None}).score >= score(figures).score
