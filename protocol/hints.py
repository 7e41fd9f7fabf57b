"""What is told beside the streams: an operator's word, and hints that a page may want to look again.

None of it has an offset, so nobody recovers it; only new patterns are told again to who resumes. Hints moreover give
way for slow readers.
"""

from __future__ import annotations

import enum

import msgspec

from protocol.envelope import Message
from protocol.incidents import Happening, IncidentState
from protocol.model import Alert, Severity
from protocol.patterns import Pattern


class BroadcastTo(enum.Enum):
    """Whom an operator's word is for: one connection, who follows a framework or project, a workspace, a user."""

    CLIENT = "client"
    FRAMEWORK = "framework"
    WORKSPACE = "workspace"
    USER = "user"
    PROJECT = "project"


class Broadcast(Message, frozen=True, gc=False, kw_only=True, tag="broadcast"):
    """An operator's word to whoever is connected now: `to` a kind of target, which is named `target`.

    On no stream and kept nowhere: who is away does not hear it.
    """

    to: BroadcastTo
    target: str
    message: str
    by: str
    at: str


class WorkflowProgress(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Which project of a workflow has come on, and the line item that is current now; null: it is finished."""

    project_id: str
    item_id: str | None


class WorkflowUpdated(Message, frozen=True, gc=False, kw_only=True, tag="workflow_updated"):
    """A project has come on in its workflow. A hint without an offset: told once, and not to slow readers."""

    channel: str
    data: WorkflowProgress


class RefreshHint(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Whose alerts have changed (null: those of several projects), and by what: always `workflow_progression`."""

    project_id: str | None
    type: str = "workflow_progression"


class AlertsRefresh(Message, frozen=True, gc=False, kw_only=True, tag="alerts_refresh"):
    """Alerts of a project have changed; each change is an `alert` message as well. A hint, as `workflow_updated`."""

    channel: str
    data: RefreshHint


class AlertHint(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """An alert as a notification shows it. `priority`: LOW, MEDIUM, HIGH or CRITICAL for our severities."""

    id: str
    title: str
    message: str
    priority: str
    project_id: str


class NewAlert(Message, frozen=True, gc=False, kw_only=True, tag="new_alert"):
    """A step of a workflow rings. A hint, as `workflow_updated`; at most 10 of a batch: the `alert` is the record."""

    channel: str
    data: AlertHint


class Notification(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="notification"):
    """Somebody is notified in the app, on his stream. `kind`: what of (`fired`, `escalated`, `digest`, ...).

    A hint, as `workflow_updated`: `GET /api/v1/notifications` has them all. He says to have `read` its `key`; `more`:
    how many alerts it is about besides this one; `unread`: how many of his he has not read.
    """

    channel: str
    key: str
    kind: str
    alert: Alert
    text: str
    unread: int
    more: int = 0


class PatternFound(Message, frozen=True, gc=False, kw_only=True, tag="pattern_found"):
    """A new pattern: what alerts have in common. On the workspace's stream, and a framework's if it is about one.

    A hint, as `workflow_updated`, but told again to who resumes at an offset (`recovered: true`): up to 20 that nobody
    has confirmed or dismissed, if found since six hours before his last event. So it may come twice; `data.id` is the
    same. `GET /api/v1/patterns` has them all, the newest first.
    """

    channel: str
    data: Pattern


class IncidentNews(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What has happened to an incident last, and how it is now. `alertId`: the alert that did it, if one did."""

    id: str
    event: Happening
    state: IncidentState
    title: str
    severity: Severity
    alerts: int
    open_alerts: int
    alert_id: str | None


class IncidentUpdated(Message, frozen=True, gc=False, kw_only=True, tag="incident"):
    """An incident was opened, or has changed. A hint, as `workflow_updated`: `GET /api/v1/incidents` has them all."""

    channel: str
    data: IncidentNews


# What is told beside the streams, without offsets.
Hint = WorkflowUpdated | AlertsRefresh | NewAlert | Notification | PatternFound | IncidentUpdated
