"""Which measure helps a rule that something is wrong with, tried on what there was. Pure.

Each measure is tried from its mildest form on, by the engine's own machine: on the readings where they are stored, else
on the alerts that there were. The first form that halves what people are sent and loses no alert that somebody handled
is recommended, with what the replay said: what is promised is that very number. Where readings are replayed by the
minute or hour the note of the backtest goes along. Without a form that helps there is no recommendation.

What was recommended is kept, and read while its rule goes on living: `as_it_stands` says what it is worth then.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from engine.core.analytics.diagnosing import ALERTS_MIN, Case, Diagnosis, is_unanswered
from engine.core.analytics.heeding import is_heeded
from engine.core.analytics.knowing import PastAlert
from engine.core.analytics.measures import (
    OF_THE_RULE,
    Change,
    changes,
    escalation_of,
    in_words,
    patched,
    silence_of,
    under,
)
from engine.core.rules.backtest import Backtest, replayed
from engine.core.rules.book import identity_under
from protocol.changes import Action
from protocol.commands import Act, Command, Ring
from protocol.insights import Basis, Measure, Promise, Recommendation, RecommendationState, Tried
from protocol.model import EventKind
from protocol.quieting import NOTHING, Quieting
from protocol.rules import Rule
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

# A measure must spare people at least this part of what they are sent.
SPARED_MIN = 0.5
# Readings that would have fired fewer of the alerts that there were are not what they were made of.
TOLD_MIN = 0.5
# What is said of one that is about another state of the rule.
OUTDATED = "the rule has changed since this was tried on it: the next run, at night, looks at the rule as it is now"
# A replay of readings tells of a moment later or earlier than the alert was made.
SLACK_US = 60 * SECOND_US


class Span(NamedTuple):
    """What is replayed: from when until when (microseconds)."""

    since: int
    until: int


# A rule over what there was: what would have happened.
Replay = Callable[[Rule], Backtest]
Series = frozenset[tuple[str, str]]


def recommended(
    case: Case, diagnosis: Diagnosis, span: Span, suppression_s: float, on_readings: Replay | None
) -> Recommendation | None:
    """The mildest form of a measure that helps, with what it promises; None: there is none.

    `on_readings`: replays readings of the time; None: there are none, or too few to tell of these alerts.
    """
    measure, rule = diagnosis.measure, case.rule
    if measure is Measure.ADD_ESCALATION:
        return _escalation(case, diagnosis, span, suppression_s)
    if measure is Measure.SILENCE:
        return _silence(case, diagnosis, span, suppression_s)
    before = None if on_readings is None else on_readings(rule)
    if on_readings is None or before is None or tried_of(before).fired < TOLD_MIN * len(case.alerts):
        # What an alert's values were between its beginning and its end nobody knows: only its window can be tried.
        return _tried(case, diagnosis, span, Basis.ALERTS, _alerts_again(case, suppression_s, span), suppression_s)
    return _tried(case, diagnosis, span, Basis.READINGS, on_readings, suppression_s)


def _alerts_again(case: Case, suppression_s: float, span: Span) -> Replay:
    return lambda rule: on_alerts(rule, case.alerts, suppression_s, span.until)


def _tried(
    case: Case, diagnosis: Diagnosis, span: Span, basis: Basis, replay: Replay, suppression_s: float
) -> Recommendation | None:
    """The first form of a measure that spares people enough and keeps what somebody handled."""
    if basis is Basis.ALERTS and diagnosis.measure is not Measure.WIDEN_WINDOW:
        return None
    before = replay(case.rule)
    real = [alert for alert in case.alerts if is_heeded(alert.is_noise, alert.taken_at, alert.ended_by)]
    for change in changes(diagnosis.measure, case.rule, suppression_s, case.applied):
        rule = patched(case.rule, change)
        after = None if rule is None else replay(rule)
        if after is not None and _helps(before, after) and _keeps(after, real):
            promise = _promise(basis, span, tried_of(before), tried_of(after), after.note)
            return _made(case, diagnosis, change, promise)
    return None


def _helps(before: Backtest, after: Backtest) -> bool:
    return before.notified >= ALERTS_MIN and after.notified <= (1.0 - SPARED_MIN) * before.notified


def _keeps(after: Backtest, real: Sequence[PastAlert]) -> bool:
    """Whether each of these would have been there, at a time at which it was."""
    if not real:
        return True
    if after.more:
        return False
    spans = _open_spans(after)
    return all(
        any(since <= _last(alert) and until >= alert.since - SLACK_US for since, until in spans.get(_series(alert), ()))
        for alert in real
    )


def _last(alert: PastAlert) -> float:
    return math.inf if alert.until is None else alert.until + SLACK_US


def _series(alert: PastAlert) -> Series:
    return frozenset(alert.labels.items())


def _open_spans(found: Backtest) -> dict[Series, list[tuple[float, float]]]:
    """When alerts of a replay were open, by their labels."""
    spans: dict[Series, list[tuple[float, float]]] = {}
    for event in found.events:
        of_series, at = spans.setdefault(frozenset(event.labels.items()), []), float(parse_rfc3339(event.at))
        if event.event is EventKind.FIRED:
            of_series.append((at, math.inf))
        elif event.event in (EventKind.RESOLVED, EventKind.EXPIRED):
            of_series[-1] = (of_series[-1][0], at)
    return spans


def on_alerts(
    rule: Rule, alerts: Sequence[PastAlert], suppression_s: float, until: int, quieting: Quieting = NOTHING
) -> Backtest:
    """The alerts that there were, rung again and ended when they ended, by the engine's machine.

    What an alert was told of again while it was open is not in it: nobody keeps when that was.
    """
    commands = sorted(_commands(rule, alerts), key=lambda timed: timed[0])
    return replayed(rule, commands, suppression_s, until, quieting)


def _commands(rule: Rule, alerts: Iterable[PastAlert]) -> Iterator[tuple[int, Command]]:
    for alert in alerts:
        ring = Ring(rule_id=rule.id, severity=alert.severity, dedup_key=alert.identity, labels=dict(alert.labels))
        yield alert.since, ring
        if alert.until is not None:
            identity = identity_under(rule.framework, ring, rule)
            yield alert.until, Act(identity=identity, action=Action.RESOLVE, by=alert.ended_by or "rule")


def _silence(case: Case, diagnosis: Diagnosis, span: Span, suppression_s: float) -> Recommendation:
    change = silence_of(case.rule)
    before = on_alerts(case.rule, case.alerts, suppression_s, span.until)
    quieting = under(change, span.since, span.until)
    after = heard_under(on_alerts(case.rule, case.alerts, suppression_s, span.until, quieting))
    return _made(case, diagnosis, change, _promise(Basis.ALERTS, span, tried_of(before), after))


def heard_under(found: Backtest) -> Tried:
    """What people hear under a silence of all the time: of an end only those hear who have heard of the beginning."""
    tried = tried_of(found)
    ends = found.told.get(EventKind.RESOLVED.value, 0) + found.told.get(EventKind.EXPIRED.value, 0)
    return Tried(fired=tried.fired, notified=tried.notified - ends)


def _escalation(case: Case, diagnosis: Diagnosis, span: Span, suppression_s: float) -> Recommendation:
    before = tried_of(on_alerts(case.rule, case.alerts, suppression_s, span.until))
    waited = [alert for alert in case.alerts if is_unanswered(alert, span.until)]
    after = Tried(fired=before.fired, notified=before.notified + len(waited))
    change = escalation_of(case.rule, case.team, min((alert.severity for alert in waited), key=lambda each: each.rank))
    cannot = None
    if case.team is None:
        cannot = f"nobody is named to escalate to: give the framework {case.rule.framework} an owner (a team) first"
    return _made(case, diagnosis, change, _promise(Basis.ALERTS, span, before, after), cannot)


def _promise(basis: Basis, span: Span, before: Tried, after: Tried, note: str | None = None) -> Promise:
    since, until = rfc3339(span.since), rfc3339(span.until)
    return Promise(basis=basis, since=since, until=until, before=before, after=after, note=note)


def tried_of(found: Backtest) -> Tried:
    """What of a replay is promised."""
    return Tried(fired=found.told.get(EventKind.FIRED.value, 0), notified=found.notified)


def _made(
    case: Case, diagnosis: Diagnosis, change: Change, promise: Promise, cannot: str | None = None
) -> Recommendation:
    rule = case.rule
    if not case.version and diagnosis.measure in OF_THE_RULE:
        cannot = "the rule is one of tocsin.toml: change it there, and start the engine again"
    return Recommendation(
        id=key_of(diagnosis.measure, rule.id, case.version),
        measure=diagnosis.measure,
        framework_id=rule.framework,
        rule_id=rule.id,
        rule_version=case.version,
        title=in_words(diagnosis.measure, rule, change),
        reason=diagnosis.reason,
        change=change,
        promise=promise,
        was={field: getattr(rule, field) for field in change if diagnosis.measure in OF_THE_RULE},
        evidence=diagnosis.proofs,
        cannot=cannot,
    )


def key_of(measure: Measure, rule_id: str, version: int) -> str:
    """What makes two recommendations the same: the measure, and the state of the rule that it is about."""
    return hashlib.sha256(f"{measure.value}\0{rule_id}\0{version}".encode()).hexdigest()[:20]


def as_it_stands(one: Recommendation, version: int | None) -> Recommendation:
    """One that was kept, beside its rule as it is now. `version` None: nothing rings by that rule any more.

    Only an open one can be overtaken: what was decided stays decided.
    """
    if one.state is not RecommendationState.OPEN:
        return one
    if version is None:
        return msgspec.structs.replace(one, state=RecommendationState.GONE)
    if version == one.rule_version:
        return one
    return msgspec.structs.replace(one, is_outdated=True, cannot=OUTDATED)
