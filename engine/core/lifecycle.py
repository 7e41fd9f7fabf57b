"""What may become of an alert: one table of action and state, and the small changes that its cells stand for.

The table is the truth, and the diagram in `docs/lifecycle.md` is drawn from it (`make docs`). Everything is idempotent:
done already is an answer, not an error. Closed alerts can be commented on and re-opened; all else about them is
refused, with what to do. Raising is an action too: it returns an acknowledged alert to active (event `reopened`),
because whoever took it on took on something smaller. What an alert is after a step says `protocol.changes`.

An alert that a source reports (Prometheus) lives as long as at least one of its label sets does. Each set has an end;
news moves it, silence lets it pass. The merge rule is Alertmanager's (`types/types.go`, `Alert.Merge`): earliest start,
newest annotations, and an end that was said explicitly beats a time-out unless that lies later.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from engine.core.rules.book import Firing
from protocol.changes import Action, changed
from protocol.model import Alert, AlertState, Change, EventKind, Reason, Status
from protocol.rows import SourceReport

LabelSet = frozenset[tuple[str, str]]


class Step(msgspec.Struct, frozen=True, gc=False):
    """A cell of the table: the state afterwards (None: as it was), the event that tells it, and the reply.

    `message` says why when the reply is a refusal.
    """

    state: AlertState | None
    event: EventKind
    status: Status
    reason: Reason
    message: str | msgspec.UnsetType = msgspec.UNSET

    @property
    def changes(self) -> bool:
        """Whether anything happens; else the reply is all."""
        return self.reason is not Reason.ALREADY


def _so_already(step: Step) -> Step:
    return replace(step, reason=Reason.ALREADY)


def _refused(message: str) -> Step:
    return Step(None, EventKind.RESOLVED, Status.REJECTED, Reason.ALREADY, message)


_TAKE = Step(AlertState.ACKNOWLEDGED, EventKind.ACKNOWLEDGED, Status.ACKNOWLEDGED, Reason.ACKNOWLEDGED)
_GIVE_BACK = Step(AlertState.ACTIVE, EventKind.UNACKNOWLEDGED, Status.UNACKNOWLEDGED, Reason.UNACKNOWLEDGED)
_ASSIGN = Step(None, EventKind.ASSIGNED, Status.ASSIGNED, Reason.ASSIGNED)
_COMMENT = Step(None, EventKind.COMMENTED, Status.COMMENTED, Reason.COMMENTED)
_RESOLVE = Step(AlertState.RESOLVED, EventKind.RESOLVED, Status.RESOLVED, Reason.RESOLVED)
_REOPEN = Step(AlertState.ACTIVE, EventKind.REOPENED, Status.REOPENED, Reason.REOPENED)
_RAISE = Step(AlertState.ACTIVE, EventKind.RAISED, Status.FIRED, Reason.RAISED)
_RAISE_TAKEN = Step(AlertState.ACTIVE, EventKind.REOPENED, Status.FIRED, Reason.RAISED)
_EXPIRE = Step(AlertState.EXPIRED, EventKind.EXPIRED, Status.RESOLVED, Reason.RESOLVED)

_TAKEN, _FREE, _OPEN = _so_already(_TAKE), _so_already(_GIVE_BACK), _so_already(_REOPEN)
_DONE, _GONE = _so_already(_RESOLVE), _so_already(_EXPIRE)
_OVER = _refused("the alert is resolved already: re-open it, or wait for a new one to ring")
_SILENT = _refused("the alert has expired, its source went silent: re-open it, or wait for a new one to ring")

# fmt: off
_CELLS: Mapping[Action, tuple[Step, ...]] = {
    #                      active       acknowledged  resolved  expired
    Action.ACKNOWLEDGE:   (_TAKE,       _TAKEN,       _OVER,    _SILENT),
    Action.UNACKNOWLEDGE: (_FREE,       _GIVE_BACK,   _OVER,    _SILENT),
    Action.ASSIGN:        (_ASSIGN,     _ASSIGN,      _OVER,    _SILENT),
    Action.COMMENT:       (_COMMENT,    _COMMENT,     _COMMENT, _COMMENT),
    Action.RESOLVE:       (_RESOLVE,    _RESOLVE,     _DONE,    _GONE),
    Action.REOPEN:        (_OPEN,       _OPEN,        _REOPEN,  _REOPEN),
    Action.RAISE:         (_RAISE,      _RAISE_TAKEN, _OVER,    _SILENT),
    Action.EXPIRE:        (_EXPIRE,     _EXPIRE,      _DONE,    _GONE),
}
# fmt: on
TABLE: Mapping[tuple[AlertState, Action], Step] = {
    (state, action): step for action, steps in _CELLS.items() for state, step in zip(AlertState, steps, strict=True)
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
    louder = replace(told_again(alert, firing, at), severity=firing.severity, labels=firing.ring.labels or alert.labels)
    return changed(louder, step.event, Change(at=at, state=step.state))


def change_of(
    step: Step,
    at: str,
    by: str | None = None,
    notes: str | None = None,
    assignee: str | None = None,
    noise: bool | None = None,
) -> Change:
    """What a step does to an alert. `at` is RFC 3339."""
    assigned_to = assignee if step.event is EventKind.ASSIGNED else msgspec.UNSET
    return Change(at=at, state=step.state, by=by, notes=notes, assigned_to=assigned_to, noise=noise)


def stepped(alert: Alert, step: Step, at: str, by: str | None, notes: str | None) -> Alert:
    """The alert after a step of the table. Notes that are not given stay."""
    return changed(alert, step.event, change_of(step, at, by, notes))


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
