"""Recommendations: what is wrong with a rule, what helps, and that what is promised is what a replay then says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest

from engine.core.analytics import measures
from engine.core.analytics.diagnosing import ALERTS_MIN, REPLAYED_MAX, Case, Diagnosis, diagnosed, worst_rules
from engine.core.analytics.knowing import PastAlert
from engine.core.analytics.recommending import (
    OUTDATED,
    Span,
    as_it_stands,
    heard_under,
    key_of,
    on_alerts,
    recommended,
    tried_of,
)
from engine.core.rules.backtest import backtest
from engine.shelf.edits import merged
from protocol.commands import Observe
from protocol.insights import Basis, Measure, Recommendation, RecommendationState
from protocol.model import Comparison, EventKind, Severity
from protocol.rules import Rule, SuppressBy, ThresholdRule
from protocol.times import SECOND_US, parse_rfc3339
from tests.support.insights import a_recommendation

START = 1_769_860_800_000_000
MINUTE_US, HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US
SPAN = Span(START, START + 48 * HOUR_US)
WINDOW_S = 300.0
CPU = ThresholdRule(
    id="cpu", framework="web", metric="cpu", threshold=90.0, severity=Severity.ERROR, title="CPU is hot"
)


def readings(values: Iterable[float], every_s: int = 60, host: str = "h1") -> list[Observe]:
    return [
        Observe(metric="cpu", value=value, at=START + n * every_s * SECOND_US, labels={"host": host})
        for n, value in enumerate(values)
    ]


def spiky(hours: int = 8) -> list[Observe]:
    """Twice an hour a spike of two minutes."""
    return readings(95.0 if n % 30 in (10, 11) else 50.0 for n in range(hours * 60))


def hovering(hours: int = 6) -> list[Observe]:
    """Up and down over the threshold every ten minutes, never far from it."""
    return readings(91.0 if n // 10 % 2 else 89.0 for n in range(hours * 60))


def history(rule: Rule, heard: Sequence[Observe], **fields: Any) -> list[PastAlert]:
    """The alerts that the engine would have made of these readings."""
    found: list[PastAlert] = []
    for event in backtest(rule, heard, WINDOW_S, SPAN.until).events:
        at = parse_rfc3339(event.at)
        if event.event is EventKind.FIRED:
            found.append(past(len(found), at, None, labels=event.labels, rule_id=rule.id, **fields))
        elif event.event is EventKind.RESOLVED:
            found[-1] = found[-1]._replace(until=at)
    return found


def past(number: int, since: int, until: int | None, **fields: Any) -> PastAlert:
    usual: dict[str, Any] = {
        "framework": "web", "rule_id": "cpu", "identity": "cpu on h1", "severity": Severity.ERROR, "taken_at": None,
        "ended_by": "rule", "labels": {"host": "h1"}, "is_noise": False,
    }  # fmt: skip
    return PastAlert(id=f"a{number:04}", since=since, until=until, **(usual | fields))


def found_in(case: Case) -> dict[Measure, Diagnosis]:
    return {each.measure: each for each in diagnosed(case, SPAN.until)}


def recommend(case: Case, measure: Measure, heard: Sequence[Observe] = ()) -> Recommendation | None:
    replay = (lambda rule: backtest(rule, heard, WINDOW_S, SPAN.until)) if heard else None
    return recommended(case, found_in(case)[measure], SPAN, WINDOW_S, replay)


def applied(rule: Rule, made: Recommendation) -> Rule:
    """As the shelf of rules makes of a merge patch."""
    return msgspec.convert(merged(msgspec.to_builtins(rule), made.change), Rule)


# What is promised


@pytest.mark.parametrize(
    ("measure", "heard", "fields", "change"),
    [
        (Measure.WAIT, spiky(), {}, {"for_s": 300.0}),
        (Measure.RAISE_THRESHOLD, spiky(), {"is_noise": True}, {"threshold": 99.0}),
        (Measure.ADD_HYSTERESIS, hovering(), {}, {"recovery": 88.2, "suppression_s": 3_600.0}),
        (Measure.WIDEN_WINDOW, hovering(), {}, {"suppression_s": 1_800.0}),
    ],
)
def test_a_recommendation_that_is_applied_gives_in_a_replay_exactly_what_it_promised(
    measure: Measure, heard: list[Observe], fields: dict[str, Any], change: dict[str, float]
) -> None:
    case = Case(CPU, 3, history(CPU, heard, **fields))
    made = recommend(case, measure, heard)
    assert made is not None
    assert (made.change, made.promise.basis, made.rule_version, made.cannot) == (change, Basis.READINGS, 3, None)
    before, after = (
        backtest(CPU, heard, WINDOW_S, SPAN.until),
        backtest(applied(CPU, made), heard, WINDOW_S, SPAN.until),
    )
    assert (made.promise.before, made.promise.after) == (tried_of(before), tried_of(after))
    assert made.promise.after.notified <= made.promise.before.notified / 2
    assert made.evidence[0] == case.alerts[-1].id


def test_a_window_is_tried_on_the_alerts_where_no_readings_are_kept_and_keeps_its_promise() -> None:
    alerts = [past(n, START + n * 20 * MINUTE_US, START + (n * 20 + 5) * MINUTE_US) for n in range(60)]
    made = recommend(Case(CPU, 1, alerts), Measure.WIDEN_WINDOW)
    assert made is not None
    assert (made.promise.basis, made.promise.before.fired, made.change) == (
        Basis.ALERTS,
        60,
        {"suppression_s": 1_800.0},
    )
    assert tried_of(on_alerts(applied(CPU, made), alerts, WINDOW_S, SPAN.until)) == made.promise.after


def test_readings_that_do_not_tell_of_the_alerts_are_not_believed() -> None:
    alerts = [past(n, START + n * 20 * MINUTE_US, START + (n * 20 + 5) * MINUTE_US) for n in range(60)]
    calm = readings([10.0] * 600)
    made = recommend(Case(CPU, 1, alerts), Measure.WIDEN_WINDOW, calm)
    assert made is not None
    assert made.promise.basis is Basis.ALERTS
    assert recommend(Case(CPU, 1, alerts), Measure.WAIT, calm) is None


def test_a_silence_promises_what_is_heard_under_it() -> None:
    alerts = [past(n, START + n * 40 * MINUTE_US, START + (n * 40 + 5) * MINUTE_US, is_noise=True) for n in range(20)]
    made = recommend(Case(CPU, 0, alerts), Measure.SILENCE)
    assert made is not None
    assert (made.promise.before.notified, made.promise.after.notified, made.promise.after.fired) == (40, 0, 20)
    quieting = measures.under(made.change, *SPAN)
    assert heard_under(on_alerts(CPU, alerts, WINDOW_S, SPAN.until, quieting)) == made.promise.after
    assert (made.cannot, made.title) == (None, 'Silence "CPU is hot" for a week')
    assert measures.silence_end(START) == START + 7 * 24 * HOUR_US


def test_an_escalation_promises_one_word_more_for_each_alert_that_nobody_answered() -> None:
    late = [past(n, START + n * HOUR_US, START + n * HOUR_US + 50 * MINUTE_US) for n in range(8)]
    quick = [
        past(n, START + n * HOUR_US, None, taken_at=START + n * HOUR_US + MINUTE_US, identity=f"{n}")
        for n in range(8, 16)
    ]
    made = recommend(Case(CPU, 1, late + quick, team="ops"), Measure.ADD_ESCALATION)
    assert made is not None
    assert made.promise.after.notified == made.promise.before.notified + 8
    assert made.change["steps"] == [{"after_s": 900.0, "teams": ["ops"]}]
    assert (made.change["min_severity"], made.change["rules"], made.cannot) == ("error", ["cpu"], None)
    assert made.title == 'Escalate "CPU is hot" after 15 minutes without an answer'
    nobody = recommend(Case(CPU, 1, late + quick), Measure.ADD_ESCALATION)
    assert nobody is not None
    assert "give the framework web an owner" in (nobody.cannot or "")


# What is not recommended


def test_what_somebody_handled_must_not_be_lost() -> None:
    heard = spiky()
    alerts = history(CPU, heard)
    handled = [*alerts[:-1], alerts[-1]._replace(taken_at=alerts[-1].since + 1)]
    made = recommend(Case(CPU, 1, handled), Measure.WAIT, heard)
    assert made is None
    marked = [*alerts[:-1], alerts[-1]._replace(taken_at=alerts[-1].since + 1, is_noise=True)]
    assert recommend(Case(CPU, 1, marked), Measure.WAIT, heard) is not None


def test_what_somebody_handled_and_would_be_there_still_is_no_hindrance() -> None:
    heard = [
        *spiky(),
        *[
            Observe(metric="cpu", value=99.0, at=START + (8 * 60 + n) * MINUTE_US, labels={"host": "h1"})
            for n in range(60)
        ],
    ]
    alerts = history(CPU, heard)
    assert alerts[-1].until is None
    handled = [*alerts[:-1], alerts[-1]._replace(taken_at=alerts[-1].since + 1)]
    made = recommend(Case(CPU, 1, handled), Measure.WAIT, heard)
    assert made is not None
    assert made.change == {"for_s": 300.0}
    ended = [*alerts[:-1], alerts[-1]._replace(until=alerts[-1].since + 30 * MINUTE_US, ended_by="ann")]
    assert recommend(Case(CPU, 1, ended), Measure.WAIT, heard) is not None
    over = [*heard, Observe(metric="cpu", value=50.0, at=START + 9 * HOUR_US, labels={"host": "h1"})]
    assert recommend(Case(CPU, 1, ended), Measure.WAIT, over) is not None


def test_what_another_series_still_rings_does_not_stand_for_one_that_somebody_handled() -> None:
    heard = sorted([*spiky(), *readings([99.0] * 300, host="h2")], key=lambda one: one.at)
    alerts = history(CPU, spiky())
    handled = [*alerts[:-1], alerts[-1]._replace(taken_at=alerts[-1].since + 1)]
    assert recommend(Case(CPU, 1, handled), Measure.WAIT, heard) is None


def test_where_more_would_be_told_than_is_listed_nothing_can_be_promised_of_what_somebody_handled() -> None:
    heard = readings((95.0 if n % 2 else 50.0 for n in range(1_100)), every_s=60)
    rule = msgspec.structs.replace(CPU, suppression_s=0.0)
    alerts = history(rule, heard)
    many = backtest(rule, heard, WINDOW_S, SPAN.until)
    assert many.more > 0
    handled = [alerts[0]._replace(taken_at=1), *alerts[1:]]
    fewer = msgspec.structs.replace(many, notified=10)
    diagnosis = Diagnosis(Measure.WIDEN_WINDOW, "", ())
    for those, is_made in ((alerts, True), (handled, False)):
        found = recommended(Case(rule, 1, those), diagnosis, SPAN, WINDOW_S, lambda one: many if one == rule else fewer)
        assert (found is not None) is is_made


def test_few_alerts_and_alerts_that_people_answer_are_not_diagnosed() -> None:
    few = [past(n, START + n * HOUR_US, START + n * HOUR_US + 1, is_noise=True) for n in range(ALERTS_MIN - 1)]
    assert found_in(Case(CPU, 1, few)) == {}
    good = [
        past(n, START + n * 9 * HOUR_US, START + (n * 9 + 1) * HOUR_US, taken_at=START + n * 9 * HOUR_US + 1)
        for n in range(20)
    ]
    assert found_in(Case(CPU, 1, good)) == {}


def test_a_threshold_is_moved_and_a_rule_silenced_only_where_people_call_its_alerts_noise() -> None:
    heard = history(CPU, spiky())
    assert Measure.RAISE_THRESHOLD not in found_in(Case(CPU, 1, heard))
    half = [alert._replace(is_noise=n % 3 > 0) for n, alert in enumerate(heard)]
    assert Measure.RAISE_THRESHOLD in found_in(Case(CPU, 1, half))
    assert Measure.SILENCE not in found_in(Case(CPU, 1, half))


def test_who_has_a_chain_needs_none() -> None:
    late = [past(n, START + n * HOUR_US, START + n * HOUR_US + 50 * MINUTE_US) for n in range(12)]
    assert Measure.ADD_ESCALATION in found_in(Case(CPU, 1, late))
    assert Measure.ADD_ESCALATION not in found_in(Case(CPU, 1, late, is_escalated=True))
    warnings = [alert._replace(severity=Severity.WARNING) for alert in late]
    assert Measure.ADD_ESCALATION not in found_in(Case(CPU, 1, warnings))


def test_a_rule_of_the_configuration_is_changed_there() -> None:
    made = recommend(Case(CPU, 0, history(CPU, spiky())), Measure.WAIT, spiky())
    assert made is not None
    assert "tocsin.toml" in (made.cannot or "")


def test_a_form_that_cannot_work_is_passed_over() -> None:
    rule = msgspec.structs.replace(CPU, recovery=95.0, comparison=Comparison.BELOW)
    assert measures.patched(rule, {"recovery": 85.0}) is None
    rule = msgspec.structs.replace(CPU, threshold=90.0, upper=92.0, comparison=Comparison.BETWEEN)
    assert list(measures.changes(Measure.RAISE_THRESHOLD, rule, WINDOW_S)) == []
    alerts = [past(n, START + n * 20 * MINUTE_US, START + (n * 20 + 5) * MINUTE_US) for n in range(60)]
    broken = msgspec.structs.replace(CPU, recovery=95.0)
    case = Case(broken, 1, alerts)
    assert recommended(case, Diagnosis(Measure.WIDEN_WINDOW, "", ()), SPAN, WINDOW_S, None) is None


def test_the_same_measure_for_the_same_state_of_a_rule_is_the_same_recommendation() -> None:
    assert key_of(Measure.WAIT, "cpu", 1) == key_of(Measure.WAIT, "cpu", 1)
    assert len({key_of(measure, rule, version) for measure in Measure for rule in "ab" for version in (1, 2)}) == 24


def test_an_open_one_is_overtaken_by_its_rule_and_a_decided_one_is_not() -> None:
    one = a_recommendation(1, START)
    assert as_it_stands(one, one.rule_version) is one
    newer = as_it_stands(one, one.rule_version + 1)
    assert (newer.is_outdated, newer.cannot, newer.state) == (True, OUTDATED, RecommendationState.OPEN)
    assert as_it_stands(one, None).state is RecommendationState.GONE
    for state in set(RecommendationState) - {RecommendationState.OPEN}:
        decided = msgspec.structs.replace(one, state=state)
        assert as_it_stands(decided, None) is as_it_stands(decided, 99) is decided


# Which rules


def test_the_rules_with_most_alerts_are_looked_at_first_and_those_with_too_many_to_replay_not_at_all() -> None:
    few, many = history(CPU, spiky(6)), history(CPU, spiky(8))
    other = msgspec.structs.replace(CPU, id="other")
    flood = [past(0, START, START + 1)] * (REPLAYED_MAX + 1)
    cases = [Case(CPU, 1, few), Case(other, 1, many), Case(msgspec.structs.replace(CPU, id="flood"), 1, flood)]
    assert [case.rule.id for case, _ in worst_rules(cases, SPAN.until, 5)] == ["other", "cpu"]
    assert [case.rule.id for case, _ in worst_rules(cases, SPAN.until, 1)] == ["other"]


def test_alerts_are_rung_again_each_as_itself_whatever_their_rule_suppresses_by() -> None:
    rule = msgspec.structs.replace(CPU, suppress_by=SuppressBy.RULE)
    alerts = [past(n, START + n * MINUTE_US, None, identity=f"i{n}") for n in range(5)]
    assert tried_of(on_alerts(rule, alerts, WINDOW_S, SPAN.until)).fired == 5
