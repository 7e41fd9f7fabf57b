"""What is wrong with a rule, by the alerts that it made in two weeks, and what to try. Pure.

Were its alerts over by themselves at once, did the same ones come again and again, did people call them noise, did
nobody answer? Each of these has measures that are meant for it; whether one helps says a replay
(`engine.core.analytics.recommending`). The threshold is only moved, and a rule only silenced, where people have said
that its alerts were noise: a rule that rings rightly must not be made deaf because it rings often.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.core.analytics.heeding import NOBODY
from engine.core.analytics.knowing import PastAlert
from engine.core.analytics.measures import ESCALATE_S, UNTOUCHED, Applied
from protocol.insights import Measure
from protocol.model import Severity
from protocol.rules import Rule
from protocol.times import SECOND_US

# Fewer alerts in the time say nothing about a rule.
ALERTS_MIN = 10
# What share of them must be so.
SHARE_MIN, NOISE_SHARE_MIN, UNANSWERED_SHARE_MIN = 0.5, 0.8, 0.3
MARKED_MIN, UNANSWERED_MIN = 3, 3
# Over by itself so soon: nobody could have done anything.
SHORT_US = 600 * SECOND_US
# Again so soon after its end: it was not over.
AGAIN_US = 2 * 3_600 * SECOND_US
# More commands than that are not replayed: about ten seconds for all forms of a measure.
REPLAYED_MAX = 20_000
PROOFS_MAX = 10


class Case(NamedTuple):
    """A rule with its alerts of the time, in order. `version`: 0 if it is not stored. `team`: its framework's owner.

    `is_escalated`: there is a chain for its alerts. `applied`: what clicks have done to it; the alerts are those since.
    """

    rule: Rule
    version: int
    alerts: Sequence[PastAlert]
    team: str | None = None
    is_escalated: bool = False
    applied: Applied = UNTOUCHED


class Diagnosis(NamedTuple):
    """What is wrong with it: what to try, why in words, and alerts that prove it."""

    measure: Measure
    reason: str
    proofs: tuple[str, ...]


def diagnosed(case: Case, now: int) -> Iterator[Diagnosis]:
    """What to try for a rule; nothing for one that has made too few alerts."""
    alerts = case.alerts
    if len(alerts) < ALERTS_MIN:
        return
    marked = [alert for alert in alerts if alert.is_noise]
    short = [alert for alert in alerts if _is_short(alert)]
    again = list(_again(alerts))
    if len(marked) >= MARKED_MIN and len(marked) >= SHARE_MIN * len(alerts):
        reason = f"people marked {len(marked)} of {len(alerts)} alerts as noise"
        yield Diagnosis(Measure.RAISE_THRESHOLD, reason, _proofs(marked))
        if len(marked) >= NOISE_SHARE_MIN * len(alerts):
            yield Diagnosis(Measure.SILENCE, reason, _proofs(marked))
    if len(short) >= SHARE_MIN * len(alerts):
        reason = (
            f"{len(short)} of {len(alerts)} alerts were over by themselves within {SHORT_US // SECOND_US // 60} min"
        )
        yield Diagnosis(Measure.WAIT, reason, _proofs(short))
    if len(again) >= SHARE_MIN * len(alerts):
        hours = AGAIN_US // SECOND_US // 3_600
        reason = f"{len(again)} of {len(alerts)} alerts came within {hours} h of the end of the same one"
        yield Diagnosis(Measure.ADD_HYSTERESIS, reason, _proofs(again))
        yield Diagnosis(Measure.WIDEN_WINDOW, reason, _proofs(again))
    unanswered = [alert for alert in alerts if is_unanswered(alert, now)]
    if not case.is_escalated and len(unanswered) >= max(UNANSWERED_MIN, UNANSWERED_SHARE_MIN * len(alerts)):
        minutes = f"{ESCALATE_S / 60:g}"
        reason = f"{len(unanswered)} of {len(alerts)} alerts were open for {minutes} min and nobody had answered"
        yield Diagnosis(Measure.ADD_ESCALATION, reason, _proofs(unanswered))


def _is_short(alert: PastAlert) -> bool:
    is_quick = alert.until is not None and alert.until - alert.since <= SHORT_US
    return is_quick and alert.ended_by in NOBODY and alert.taken_at is None


def _again(alerts: Iterable[PastAlert]) -> Iterator[PastAlert]:
    ends: dict[str, int] = {}
    for alert in alerts:
        end = ends.get(alert.identity)
        if end is not None and alert.since - end <= AGAIN_US:
            yield alert
        if alert.until is not None:
            ends[alert.identity] = alert.until


def is_unanswered(alert: PastAlert, now: int) -> bool:
    """Whether a chain would have gone to its first step."""
    due = alert.since + int(ESCALATE_S * SECOND_US)
    is_loud = alert.severity.rank >= Severity.ERROR.rank
    answered = min(moment for moment in (alert.taken_at, alert.until, now) if moment is not None)
    return is_loud and not alert.is_noise and answered > due


def _proofs(alerts: Sequence[PastAlert]) -> tuple[str, ...]:
    """The newest ones."""
    return tuple(alert.id for alert in alerts[: -PROOFS_MAX - 1 : -1])


def worst_rules(cases: Iterable[Case], now: int, limit: int) -> list[tuple[Case, list[Diagnosis]]]:
    """Those that something is wrong with, the ones with most alerts first."""
    found = [(case, list(diagnosed(case, now))) for case in cases if len(case.alerts) <= REPLAYED_MAX]
    wrong = sorted((pair for pair in found if pair[1]), key=lambda pair: (-len(pair[0].alerts), pair[0].rule.id))
    return wrong[:limit]
