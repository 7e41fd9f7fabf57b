"""The engine's own figures as readings, and the rules that nobody stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from engine.configuration.config import Config
from engine.core.health import PARTS, SCORE_MIN
from engine.core.rules.check import check_rule
from engine.sections.watching import OWN_RULES
from engine.shelf.rules import given_rules
from engine.sources.own import INTERVAL_S, OwnSource
from engine.telemetry.own_health import SCORE, SHARED
from protocol.errors import Busy, PermissionDenied
from protocol.items import ReadingInput
from protocol.model import Comparison, Severity
from protocol.rules import ThresholdRule

FIGURES = {"health_score": 100.0, "jobs_failed": 3.0}


class Told:
    """Where readings end up; refuses as long as it has a reason to."""

    def __init__(self) -> None:
        self.readings: list[ReadingInput] = []
        self.refusal: Exception | None = None

    async def __call__(self, readings: Sequence[ReadingInput]) -> None:
        await trio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        self.readings += readings


def a_source(told: Told, tells_shared: bool = True) -> OwnSource:
    return OwnSource(told, lambda: FIGURES, "node-1", SHARED, lambda: tells_shared)


def test_what_all_nodes_count_alike_is_told_by_one_and_has_no_node() -> None:
    score, failed = a_source(Told()).readings()
    assert (score.framework_id, score.metric, score.value, score.labels) == (
        "engine",
        "health_score",
        100.0,
        {"node": "node-1"},
    )
    assert (failed.metric, failed.labels) == ("jobs_failed", {})
    assert [each.metric for each in a_source(Told(), tells_shared=False).readings()] == ["health_score"]


async def test_a_round_that_the_busy_engine_refuses_is_dropped_and_the_next_is_told(autojump_clock: MockClock) -> None:
    told = Told()
    source = a_source(told)
    async with trio.open_nursery() as nursery:
        await nursery.start(source.run)
        told.refusal = Busy("full")
        await trio.sleep(INTERVAL_S + 1)
        told.refusal = None
        await trio.sleep(INTERVAL_S)
        nursery.cancel_scope.cancel()
    assert source.statistics() == {"rounds": 2, "readings": 2, "readings_dropped": 2}
    assert len(told.readings) == 2


async def test_what_no_other_try_would_mend_ends_the_source(autojump_clock: MockClock) -> None:
    told = Told()
    told.refusal = PermissionDenied("no")
    with pytest.raises(PermissionDenied):
        await a_source(told).run()


def test_the_references_thresholds_are_rules_on_figures_that_there_are() -> None:
    rules = [rule for rule in OWN_RULES if isinstance(rule, ThresholdRule)]
    assert [(rule.metric, rule.comparison, rule.threshold, rule.severity) for rule in rules] == [
        ("alert_latency_p95_ms", Comparison.ABOVE, 500, Severity.WARNING),
        ("alert_latency_p95_ms", Comparison.ABOVE, 1_000, Severity.CRITICAL),
        ("cache_hit_rate_percent", Comparison.BELOW, 70, Severity.WARNING),
        ("jobs_failed", Comparison.ABOVE, 10, Severity.CRITICAL),
        ("health_score", Comparison.BELOW, SCORE_MIN, Severity.WARNING),
    ]
    assert {rule.workspace for rule in rules} == {"system"}
    assert {rule.metric for rule in rules} <= {SCORE, *(part.name for part in PARTS)}
    for rule in rules:
        check_rule(rule)


def test_a_rule_of_the_file_with_the_same_id_and_workspace_takes_the_place_of_an_own_one() -> None:
    (health,) = [rule for rule in OWN_RULES if rule.metric == SCORE]
    mine = ThresholdRule(id=health.id, workspace="system", framework="engine", metric=SCORE, threshold=50)
    given = given_rules(Config(data=Path("unused"), rules=(mine,)))
    assert [rule for rule in given if rule.id == health.id] == [mine]
    assert len(given) == len(OWN_RULES)
    elsewhere = ThresholdRule(id=health.id, framework="engine", metric="m", threshold=50)
    assert given_rules(Config(data=Path("unused"), rules=(elsewhere,))) == (elsewhere, *OWN_RULES)


def test_an_engine_that_does_not_watch_itself_has_no_rules_for_that() -> None:
    config = Config(data=Path("unused"), watch_self=False)
    assert given_rules(config) == config.rules
