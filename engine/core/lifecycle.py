"""What may become of an alert: one table of state and action, and the small changes that its rows stand for.

    pending -> active -> acknowledged -> resolved        active -> resolved        any open one -> expired

Acknowledge and resolve are idempotent: done already is an answer, not an error. Raising is an action too: it returns an
acknowledged alert to active (event `reopened`), because whoever took it on took on something smaller.

An alert that a source reports (Prometheus) lives as long as at least one of its label sets does. Each set has an end;
news moves it, silence lets it pass. The merge rule is Alertmanager's (`types/types.go`, `Alert.Merge`): earliest start,
newest annotations, and an end that was said explicitly beats a time-out unless that lies later.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from engine.core.rules.book import Firing
from protocol.commands import SourceReport
from protocol.model import Alert, AlertState, EventKind, Reason, Status

LabelSet = frozenset[tuple[str, str]]


class Action(enum.Enum):
    """What can be done to an alert; the value is the verb in the audit trail."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    RAISE = "raise"
    EXPIRE = "expire"


class Step(msgspec.Struct, frozen=True, gc=False):
    """A cell of the table: the state afterwards, the event that tells it (or told it, if it was so already), the reply.

    `message` says why when the reply is a refusal.
    """

    state: AlertState
    event: EventKind
    status: Status
    reason: Reason
    message: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def changes(self) -> bool:
        """Whether anything happens; else the reply is all."""
        return self.reason is not Reason.ALREADY


_PENDING, _ACTIVE, _TAKEN = AlertState.PENDING, AlertState.ACTIVE, AlertState.ACKNOWLEDGED
_RESOLVED, _EXPIRED = AlertState.RESOLVED, AlertState.EXPIRED

_ACKNOWLEDGED = Step(_TAKEN, EventKind.ACKNOWLEDGED, Status.ACKNOWLEDGED, Reason.ACKNOWLEDGED)
_RESOLVE = Step(_RESOLVED, EventKind.RESOLVED, Status.RESOLVED, Reason.RESOLVED)
_RAISED = Step(_ACTIVE, EventKind.RAISED, Status.FIRED, Reason.RAISED)
_REOPENED = Step(_ACTIVE, EventKind.REOPENED, Status.FIRED, Reason.RAISED)
_EXPIRE = Step(_EXPIRED, EventKind.EXPIRED, Status.RESOLVED, Reason.RESOLVED)


_ACKNOWLEDGED_ALREADY = Step(_TAKEN, EventKind.ACKNOWLEDGED, Status.ACKNOWLEDGED, Reason.ALREADY)
_RESOLVED_ALREADY = Step(_RESOLVED, EventKind.RESOLVED, Status.RESOLVED, Reason.ALREADY)
_EXPIRED_ALREADY = Step(_EXPIRED, EventKind.EXPIRED, Status.RESOLVED, Reason.ALREADY)
_REFUSED_RESOLVED = Step(
    _RESOLVED,
    EventKind.RESOLVED,
    Status.REJECTED,
    Reason.ALREADY,
    "the alert is resolved already; only a new one rings",
)
_REFUSED_EXPIRED = Step(
    _EXPIRED, EventKind.EXPIRED, Status.REJECTED, Reason.ALREADY, "the alert has expired: its source went silent"
)

TABLE: Mapping[tuple[AlertState, Action], Step] = {
    (_PENDING, Action.ACKNOWLEDGE): _ACKNOWLEDGED,
    (_PENDING, Action.RESOLVE): _RESOLVE,
    (_PENDING, Action.RAISE): _RAISED,
    (_PENDING, Action.EXPIRE): _EXPIRE,
    (_ACTIVE, Action.ACKNOWLEDGE): _ACKNOWLEDGED,
    (_ACTIVE, Action.RESOLVE): _RESOLVE,
    (_ACTIVE, Action.RAISE): _RAISED,
    (_ACTIVE, Action.EXPIRE): _EXPIRE,
    (_TAKEN, Action.ACKNOWLEDGE): _ACKNOWLEDGED_ALREADY,
    (_TAKEN, Action.RESOLVE): _RESOLVE,
    (_TAKEN, Action.RAISE): _REOPENED,
    (_TAKEN, Action.EXPIRE): _EXPIRE,
    (_RESOLVED, Action.ACKNOWLEDGE): _REFUSED_RESOLVED,
    (_RESOLVED, Action.RESOLVE): _RESOLVED_ALREADY,
    (_RESOLVED, Action.RAISE): _REFUSED_RESOLVED,
    (_RESOLVED, Action.EXPIRE): _RESOLVED_ALREADY,
    (_EXPIRED, Action.ACKNOWLEDGE): _REFUSED_EXPIRED,
    (_EXPIRED, Action.RESOLVE): _EXPIRED_ALREADY,
    (_EXPIRED, Action.RAISE): _REFUSED_EXPIRED,
    (_EXPIRED, Action.EXPIRE): _EXPIRED_ALREADY,
}


def born(alert_id: str, framework: str, firing: Firing, at: str) -> Alert:
    """A new active alert. `at` is RFC 3339."""
    ring = firing.ring
    return Alert(
        id=alert_id,
        framework_id=framework,
        severity=firing.severity,
        state=AlertState.ACTIVE,
        current_value=ring.current_value,
        threshold_value=firing.threshold,
        title=firing.title,
        occurrences=1,
        triggered_at=at,
        last_seen_at=at,
        notification_sent=False,
        rule_id=ring.rule_id,
        alert_rule_id=ring.rule_id,
        alert_type=ring.alert_type,
        message=ring.message,
        labels=ring.labels,
        annotations=ring.annotations,
        dedup_key=ring.dedup_key,
        project_id=ring.project_id,
        step_id=ring.step_id,
        assigned_to=ring.assigned_to,
    )


def told_again(alert: Alert, firing: Firing, at: str) -> Alert:
    """The alert after it occurred once more and is told again: newest values and texts, where the trigger has any."""
    ring = firing.ring
    return replace(
        alert,
        occurrences=alert.occurrences + 1,
        last_seen_at=at,
        current_value=alert.current_value if ring.current_value is None else ring.current_value,
        threshold_value=alert.threshold_value if firing.threshold is None else firing.threshold,
        title=ring.title or alert.title,
        message=ring.message or alert.message,
        annotations=ring.annotations or alert.annotations,
    )


def raised(alert: Alert, firing: Firing, step: Step, at: str) -> Alert:
    """The alert after it got more severe; nobody has acknowledged the new severity yet.

    The labels follow, because a source writes the severity into them.
    """
    return replace(
        told_again(alert, firing, at),
        state=step.state,
        severity=firing.severity,
        labels=firing.ring.labels or alert.labels,
        acknowledged_at=None,
        acknowledged_by=None,
    )


def stepped(alert: Alert, step: Step, at: str, by: str | None, notes: str | None) -> Alert:
    """The alert after somebody acknowledged or resolved it, or after it expired. Notes that are not given stay."""
    kept = alert.notes if notes is None else notes
    if step.state is AlertState.ACKNOWLEDGED:
        return replace(alert, state=step.state, acknowledged_at=at, acknowledged_by=by, notes=kept)
    if step.state is AlertState.RESOLVED:
        return replace(alert, state=step.state, resolved_at=at, resolved_by=by, notes=kept)
    return replace(alert, state=step.state)


def label_set(report: SourceReport) -> LabelSet:
    """What tells one label set of a source from another: all its labels, severity included."""
    return frozenset(report.labels.items())


def has_ended(report: SourceReport, now: int) -> bool:
    """Whether the source itself says that it is over (a time-out that has passed says no such thing)."""
    return report.explicit_end and report.ends_at <= now


def merged(known: SourceReport | None, news: SourceReport) -> SourceReport:
    """What is known of a label set after news of it."""
    if known is None:
        return news
    starts_at = min(known.starts_at, news.starts_at)
    if known.explicit_end and known.ends_at > news.ends_at:
        return replace(news, starts_at=starts_at, ends_at=known.ends_at, explicit_end=True)
    return replace(news, starts_at=starts_at)
