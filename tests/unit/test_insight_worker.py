"""What the process of insights makes of its tasks, done in this one."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.analytics.insight_tasks import Answer, HeldRule, KnownFramework, Look, MetricHours, Suspect, Try, TryOn
from engine.analytics.insight_worker import compute, past
from engine.core.analytics.knowing import EXPIRED_US
from engine.core.analytics.trends import trends_of
from engine.stores.findings import HistoryRow
from engine.stores.readings import KeptReadings
from engine.trying.backtest_worker import StoredPage
from protocol.directory import HealthCategory
from protocol.insights import Basis, Because, Measure, Recommendation
from protocol.model import AlertState, Severity
from protocol.rules import Rule, ThresholdRule
from protocol.times import SECOND_US, rfc3339
from tests.support.insights import a_recommendation

NOW = 1_769_860_800_000_000
MINUTE_US, HOUR_US = 60 * SECOND_US, 3_600 * SECOND_US
CPU = ThresholdRule(id="cpu", framework="web", metric="cpu", threshold=90.0, severity=Severity.ERROR)
HELD = HeldRule(CPU, 3, is_escalated=False)


def row(number: int, **fields: Any) -> HistoryRow:
    """Each half hour one, over after two minutes; the newest is number 0."""
    at = NOW - (number + 1) * 30 * MINUTE_US
    usual: dict[str, Any] = {
        "id": f"a{number:03}", "framework": "web", "rule_id": "cpu", "title": "cpu", "identity": "cpu on h1",
        "severity": Severity.ERROR, "state": AlertState.RESOLVED, "triggered_at": at, "acknowledged": None,
        "resolved_at": at + 2 * MINUTE_US, "resolved_by": "rule", "occurrences": 1, "labels": {},
    }  # fmt: skip
    return HistoryRow(**(usual | fields))


def points(*values: float, every_us: int, labels: dict[str, str] | None = None) -> bytes:
    """The last one just before now."""
    return msgspec.json.encode(
        [
            {
                "at": rfc3339(NOW - (len(values) - place) * every_us), "labels": labels or {}, "value": value,
                "count": 1, "min": value, "max": value, "sum": value, "last": value,
            }
            for place, value in enumerate(values)
        ]
    )  # fmt: skip


def done(task: Look | Try) -> Answer:
    return msgspec.msgpack.decode(compute(msgspec.msgpack.encode(task)), type=Answer)


def a_look(
    rows: list[HistoryRow],
    *frameworks: KnownFramework,
    rules: tuple[HeldRule, ...] = (HELD,),
    applied: tuple[Recommendation, ...] = (),
) -> Look:
    return Look(
        (msgspec.json.encode(rows).decode(),), frameworks, (msgspec.msgpack.encode(rules),), NOW, applied=applied
    )


def applied(at: int, rule_id: str = "cpu") -> Recommendation:
    """A wider window, at a click."""
    one = a_recommendation(1, at)
    return msgspec.structs.replace(
        one, measure=Measure.WIDEN_WINDOW, rule_id=rule_id, decided_at=rfc3339(at), change={"suppression_s": 1_800.0}
    )


def test_frameworks_that_nobody_described_are_scored_by_their_alerts_and_others_are_unknown() -> None:
    found = done(a_look([row(0), row(1, rule_id=None)], KnownFramework("quiet", {}, None, ())))
    assert [(each.framework_id, each.health is None) for each in found.insights] == [("quiet", True), ("web", False)]
    assert (found.suspects, found.insights[1].note) == ([], None)


def test_readings_tell_of_strain_where_a_rule_watches_and_of_drift_where_none_does() -> None:
    hours = points(*[10.0] * 100, *[20.0] * 24, every_us=HOUR_US, labels={"host": "h1"})
    metrics = {"cpu": HealthCategory.PERFORMANCE, "queue": HealthCategory.SCALABILITY}
    web = KnownFramework(
        "web", metrics, None, ("cpu", "queue"),
        (MetricHours("cpu", (points(85.0, every_us=HOUR_US),)), MetricHours("queue", (hours,))),
    )  # fmt: skip
    only_h2 = msgspec.structs.replace(CPU, id="other", match={"host": "h2"}, threshold=1.0)
    (one,) = done(a_look([], web, rules=(HELD, HeldRule(only_h2, 1, is_escalated=False)))).insights
    assert {each.because for each in one.pulled_down} == {Because.STRAIN, Because.DRIFT}
    assert {side.category for side in one.categories if side.health is not None} == set(metrics.values())


def test_a_rule_that_troubles_people_is_a_suspect_and_one_that_is_off_is_not() -> None:
    rows = [row(number) for number in range(20)]
    web = KnownFramework("web", {}, "ops", ())
    (suspect,) = done(a_look(rows, web)).suspects
    assert (suspect.held, suspect.team) == (HELD, "ops")
    assert len(msgspec.json.decode(suspect.alerts)) == 20
    off = HeldRule(msgspec.structs.replace(CPU, enabled=False), 1, is_escalated=False)
    for rules in ((off,), ()):
        assert done(a_look(rows, web, rules=rules)).suspects == []
    elsewhere: Rule = msgspec.structs.replace(CPU, framework="unknown")
    (lonely,) = done(a_look(rows, rules=(HeldRule(elsewhere, 1, is_escalated=False),))).suspects
    assert lonely.team is None


def test_only_what_rang_since_a_rule_was_changed_at_a_click_makes_it_a_suspect() -> None:
    rows = [row(number) for number in range(20)]
    at = rows[9].triggered_at
    ten = a_look(rows, applied=(applied(at), applied(at - 1), applied(NOW, rule_id="other")))
    (suspect,) = done(ten).suspects
    assert (len(msgspec.json.decode(suspect.alerts)), suspect.held.applied.at) == (10, at)
    assert done(a_look(rows, applied=(applied(at + 1),))).suspects == []


def test_what_was_applied_is_tried_in_larger_sizes_only() -> None:
    rule = msgspec.structs.replace(CPU, suppression_s=1_800.0)
    held = HeldRule(rule, 4, is_escalated=False)
    rows = [row(number) for number in range(40)]
    (suspect,) = done(a_look(rows, rules=(held,), applied=(applied(rows[-1].triggered_at),))).suspects
    task = Try(TryOn("main", suspect, suspect.held.applied.at, NOW, 300.0, KeptReadings()))
    (wider,) = [one for one in done(task).recommendations if one.measure is Measure.WIDEN_WINDOW]
    assert (wider.change, wider.was) == ({"suppression_s": 3_600.0}, {"suppression_s": 1_800.0})


def test_measures_are_tried_on_the_readings_that_there_are_and_else_on_the_alerts() -> None:
    rows = [row(number) for number in reversed(range(20))]
    suspect = Suspect(HELD, msgspec.json.encode(rows), None)
    task = Try(TryOn("main", suspect, NOW - 11 * HOUR_US, NOW, 300.0, KeptReadings()))
    assert {each.promise.basis for each in done(task).recommendations} == {Basis.ALERTS}
    # In each half hour from its beginning on two readings are too high.
    spikes = points(*[95.0 if n % 30 < 2 else 50.0 for n in range(660)], every_us=MINUTE_US)
    stored = (StoredPage("cpu", 60, spikes),)
    found = {each.measure: each for each in done(msgspec.structs.replace(task, stored=stored)).recommendations}
    assert (found[Measure.WAIT].promise.basis, found[Measure.WAIT].rule_version) == (Basis.READINGS, 3)
    assert "1 m" in (found[Measure.WAIT].promise.note or "")


def test_alerts_of_the_past_end_when_they_were_resolved_or_some_time_after_they_were_silent() -> None:
    assert past(row(0)).until == row(0).resolved_at
    gone = row(0, state=AlertState.EXPIRED, resolved_at=None)
    assert past(gone).until == gone.triggered_at + EXPIRED_US
    taken = past(row(0, state=AlertState.ACKNOWLEDGED, acknowledged="2026-01-31T12:00:00Z", noise=True))
    assert (taken.until, taken.taken_at, taken.is_noise) == (None, NOW, True)


def test_a_trend_needs_some_days() -> None:
    week, month = trends_of(80.0, dict.fromkeys(range(1, 13), 90.0) | {31: 0.0, 0: 0.0})
    assert (week.change, month.change) == (-10.0, -10.0)
    week, month = trends_of(80.0, {1: 90.0, 2: 90.0})
    assert (week.note, month.note) == ("needs scores of 3 days, has 2", "needs scores of 12 days, has 2")
    assert [each.note for each in trends_of(None, {1: 90.0})] == ["nothing is known of it today"] * 2
