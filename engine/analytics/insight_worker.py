"""The process that reckons insights and tries measures.

Two tasks: `Look` at a workspace (how are its frameworks, and which rules trouble people), and `Try` one of those rules.
Each is read by `gather`, as it was asked for, and done by `compute`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from engine.analytics.insight_reading import read_look, read_try
from engine.analytics.insight_tasks import Answer, HeldRule, KnownFramework, Look, LookAt, Suspect, Try, TryOn
from engine.core.analytics.diagnosing import Case, diagnosed, worst_rules
from engine.core.analytics.knowing import (
    EXPIRED_US,
    Hour,
    PastAlert,
    alarms_of,
    category_of_rule,
    drift_of,
    strain_of,
)
from engine.core.analytics.measures import applied_to
from engine.core.analytics.recommending import Replay, Span, recommended
from engine.core.analytics.scoring import Drift, Strain, Watched, score
from engine.core.analytics.trends import trends_of
from engine.core.rules.backtest import Backtest, backtest
from engine.core.rules.book import metrics_of
from engine.core.rules.replay import Stretch, replay
from engine.stores import Store
from engine.stores.findings import HistoryRow, decode_history
from protocol.insights import Insight, Recommendation
from protocol.readings import ReadingPoint
from protocol.rules import Rule
from protocol.times import moment_of, rfc3339

# Rules of a workspace that measures are tried for, a run: those with most alerts.
TRIED_RULES_MAX = 20


_held = msgspec.msgpack.Decoder(list[HeldRule]).decode
_rows = msgspec.json.Decoder(list[HistoryRow]).decode
_points = msgspec.json.Decoder(list[ReadingPoint]).decode


async def gather(store: Store, asked: bytes) -> bytes:
    """Reads a task, packed; see `engine.computing.asking`. Raises StoreUnavailable."""
    what = msgspec.msgpack.decode(asked, type=LookAt | TryOn)
    task = await read_look(store, what) if isinstance(what, LookAt) else await read_try(store, what)
    return msgspec.msgpack.encode(task)


def compute(task: bytes) -> bytes:
    """What `engine.computing` has a process do."""
    found = msgspec.msgpack.decode(task, type=Look | Try)
    return msgspec.msgpack.encode(look(found) if isinstance(found, Look) else tried(found))


def look(task: Look) -> Answer:
    """How each framework is, and which rules trouble people."""
    rows = [row for page in task.history for row in decode_history(page)]
    applied = _by_rule(task.applied)
    held = {each.rule.id: _touched(each, applied, task.now) for page in task.rules for each in _held(page)}
    by_framework: dict[str, list[PastAlert]] = {}
    for row in rows:
        by_framework.setdefault(row.framework, []).append(past(row))
    known = {framework.id: framework for framework in task.frameworks}
    for name in by_framework.keys() - known.keys() - set(task.archived):
        known[name] = KnownFramework(name, {}, None, ())
    return Answer(
        insights=[_insight(known[name], by_framework.get(name, []), held, task) for name in sorted(known)],
        suspects=_suspects([row for row in rows if row.framework in known], held, known, task.now),
        alerts=task.alerts,
        is_cut=task.is_cut,
        metrics_left_out=task.metrics_left_out,
    )


def _by_rule(applied: Iterable[Recommendation]) -> dict[str, list[Recommendation]]:
    found: dict[str, list[Recommendation]] = {}
    for one in applied:
        found.setdefault(one.rule_id, []).append(one)
    return found


def _touched(held: HeldRule, applied: Mapping[str, Sequence[Recommendation]], now: int) -> HeldRule:
    those = applied.get(held.rule.id)
    return msgspec.structs.replace(held, applied=applied_to(held.rule, those, now)) if those else held


def past(row: HistoryRow) -> PastAlert:
    """An alert of the history, as what decides takes it."""
    until = row.resolved_at
    if until is None and not row.state.is_open:
        until = row.triggered_at + EXPIRED_US
    return PastAlert(
        id=row.id,
        framework=row.framework,
        rule_id=row.rule_id,
        identity=row.identity,
        severity=row.severity,
        since=row.triggered_at,
        until=None if row.state.is_open else until,
        taken_at=row.acknowledged_at,
        ended_by=row.resolved_by,
        labels=row.labels,
        is_noise=row.noise,
    )


def _insight(
    framework: KnownFramework, alerts: Sequence[PastAlert], held: Mapping[str, HeldRule], task: Look
) -> Insight:
    now = task.now
    rules = [each.rule for each in held.values() if each.rule.framework == framework.id and each.rule.enabled]
    alive = set(framework.alive)
    sides = {category_of_rule(rule, framework.metrics) for rule in rules if alive & set(metrics_of(rule))}
    sides |= {side for metric, side in framework.metrics.items() if metric in alive}
    strains, drifts = _by_readings(framework, rules, now)
    alarms = alarms_of(alerts, {rule.id: rule for rule in rules}, framework.metrics)
    found = score(Watched(known=sides, alarms=alarms, strains=strains, drifts=drifts), now)
    at = rfc3339(now)
    return Insight(
        framework_id=framework.id,
        day=at[:10],
        at=at,
        health=found.health,
        risk=found.risk,
        categories=found.categories,
        pulled_down=found.pulled_down,
        risks=found.risks,
        trends=trends_of(found.health, task.past.get(framework.id, {})),
        note="nothing is known of it: it had no alerts in 14 days, and no readings in one"
        if found.health is None
        else framework.note,
    )


def _by_readings(framework: KnownFramework, rules: Sequence[Rule], now: int) -> tuple[list[Strain], list[Drift]]:
    strains: list[Strain] = []
    drifts: list[Drift] = []
    for metric, series in _series(framework):
        side = framework.metrics[metric]
        watching = [rule for rule in rules if rule.metric == metric]
        for labels, hours in series.items():
            strains += [
                strain
                for rule in watching
                if rule.match.items() <= set(labels)
                if (strain := strain_of(rule, hours, now, side)) is not None
            ]
            if not watching and (drift := drift_of(metric, hours, now, side)) is not None:
                drifts.append(drift)
    return strains, drifts


Labels = frozenset[tuple[str, str]]


def _series(framework: KnownFramework) -> list[tuple[str, dict[Labels, list[Hour]]]]:
    found = []
    for metric in framework.hours:
        series: dict[Labels, list[Hour]] = {}
        for page in metric.pages:
            for point in _points(page):
                hour = Hour(moment_of(point.at, "at"), point.min, point.max, point.value)
                series.setdefault(frozenset(point.labels.items()), []).append(hour)
        found.append((metric.metric, series))
    return found


def _suspects(
    rows: Sequence[HistoryRow], held: Mapping[str, HeldRule], known: Mapping[str, KnownFramework], now: int
) -> list[Suspect]:
    by_rule: dict[str, list[HistoryRow]] = {}
    for row in sorted(rows, key=lambda each: (each.triggered_at, each.id)):
        by = held.get(row.rule_id or "")
        if by is not None and by.rule.enabled and row.triggered_at >= by.applied.at:
            by_rule.setdefault(by.rule.id, []).append(row)
    cases = [_case(held[name], those, known) for name, those in by_rule.items()]
    return [
        Suspect(held[case.rule.id], msgspec.json.encode(by_rule[case.rule.id]), case.team)
        for case, _ in worst_rules(cases, now, TRIED_RULES_MAX)
    ]


def _case(held: HeldRule, rows: Sequence[HistoryRow], known: Mapping[str, KnownFramework]) -> Case:
    team = known[held.rule.framework].team if held.rule.framework in known else None
    return _as_case(held, rows, team)


def _as_case(held: HeldRule, rows: Iterable[HistoryRow], team: str | None) -> Case:
    return Case(held.rule, held.version, [past(row) for row in rows], team, held.is_escalated, held.applied)


def tried(task: Try) -> Answer:
    """What helps one rule."""
    asked, suspect = task.asked, task.asked.suspect
    case = _as_case(suspect.held, _rows(suspect.alerts), suspect.team)
    span = Span(asked.since, asked.until)
    on_readings: Replay | None = _on_readings(task) if task.stored else None
    found = [
        recommended(case, diagnosis, span, asked.suppression_s, on_readings)
        for diagnosis in diagnosed(case, asked.until)
    ]
    return Answer(recommendations=[each for each in found if each is not None])


def _on_readings(task: Try) -> Replay:
    """Readings as a rule would hear them again: what a roll-up tells depends on the rule."""
    stretches = [Stretch(page.metric, page.width_s, _points(page.points)) for page in task.stored]
    until, suppression_s = task.asked.until, task.asked.suppression_s

    def run(rule: Rule) -> Backtest:
        asked, readings, note = replay(rule, stretches, until)
        return msgspec.structs.replace(backtest(asked, readings, suppression_s, until), note=note)

    return run
