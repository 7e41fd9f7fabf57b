"""The reference's hints after a workflow batch: `workflow_updated`, `alerts_refresh`, `new_alert`.

Told after the commit to whoever follows a project's channel or an assignee's stream; ephemeral, without offsets: the
`alert` message is the record. Bounded: of one batch a stream gets at most one `workflow_updated`, one `alerts_refresh`
and NEW_ALERTS_MAX `new_alert`s; a slow peer gets none (`actors/lanes.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.audience import Audience
from actors.derived import DerivedStreams
from actors.registry import Registry
from engine.others import Others
from protocol.hints import AlertHint, AlertsRefresh, Hint, NewAlert, RefreshHint, WorkflowProgress, WorkflowUpdated
from protocol.model import Alert, ChannelKey, DerivedKey, EventKind, Severity, StreamKey
from protocol.workflows import Move

# A person who is given more at once looks at the list; `alerts_refresh` says so.
NEW_ALERTS_MAX = 10
PRIORITIES = {Severity.INFO: "LOW", Severity.WARNING: "MEDIUM", Severity.ERROR: "HIGH", Severity.CRITICAL: "CRITICAL"}
_TOLD = (EventKind.FIRED, EventKind.REPEATED, EventKind.RAISED)


class Hints:
    """Tells what a batch did, on the streams that somebody follows, here or on another node."""

    def __init__(self, registry: Registry, derived: DerivedStreams, others: Others) -> None:
        self._registry = registry
        self._derived = derived
        self._others = others

    def tell(self, workspace: str, moves: Sequence[Move]) -> None:
        """Tells everybody whom these moves concern."""
        assigned: dict[str, list[Alert]] = {}
        for move in moves:
            if move.commit is None:
                continue
            project = move.result.project_id
            rung = [event.alert for event in move.commit.decision.events if event.kind in _TOLD]
            for alert in rung:
                if alert.assigned_to:
                    assigned.setdefault(alert.assigned_to, []).append(alert)
            key = ChannelKey(workspace, project)
            audience = self._registry.audience(key)
            if audience or self._others.are_there:
                updated = WorkflowProgress(project_id=project, item_id=move.result.item_id)
                first = [WorkflowUpdated(channel=key.name, data=updated)] if move.tracker is not None else []
                self._say(key, audience, [*first, *_about(key.name, rung, project)])
        for user, alerts in assigned.items():
            stream = DerivedKey(workspace, user)
            audience = self._derived.find(stream)
            if audience or self._others.are_there:
                projects = {alert.project_id for alert in alerts}
                about = _about(stream.name, alerts, projects.pop() if len(projects) == 1 else None)
                self._say(stream, audience, about)

    def _say(self, stream: StreamKey, audience: Audience | None, hints: Sequence[Hint]) -> None:
        if audience is not None:
            audience.hint(hints)
        self._others.hint(stream, hints)


def _about(channel: str, alerts: Sequence[Alert], project: str | None) -> list[Hint]:
    refresh = AlertsRefresh(channel=channel, data=RefreshHint(project_id=project))
    return [
        AlertsRefresh(channel=channel, data=refresh.data),
        *[_new(channel, alert) for alert in alerts[:NEW_ALERTS_MAX]],
    ]


def _new(channel: str, alert: Alert) -> NewAlert:
    return NewAlert(
        channel=channel,
        data=AlertHint(
            id=alert.id,
            title=alert.title,
            message=alert.message or "",
            priority=PRIORITIES[alert.severity],
            project_id=alert.project_id or alert.framework_id,
        ),
    )
