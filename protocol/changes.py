"""What people do to alerts, and what an alert is after it: the same for the engine and for whoever follows a stream.

A bulk change is told without the alerts, only with their ids and the change: a client that has the alerts gets the new
ones with `changed`. What may follow on what is not decided here (`engine.core.lifecycle`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from protocol.model import Alert, Change, EventKind


class Action(enum.Enum):
    """What can be done to an alert; the value is the verb in the audit trail."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    ASSIGN = "assign"
    COMMENT = "comment"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    # Nobody asks for these: a louder trigger raises, silence lets expire.
    RAISE = "raise"
    EXPIRE = "expire"


PEOPLES_ACTIONS = tuple(action for action in Action if action not in (Action.RAISE, Action.EXPIRE))
# With these one may say whether an alert was noise.
JUDGING_ACTIONS = (Action.ACKNOWLEDGE, Action.RESOLVE, Action.COMMENT)

# It begins anew, its chain of escalation as well.
_NOT_TAKEN: dict[str, Any] = {"acknowledged_at": None, "acknowledged_by": None, "escalated": None}
_NOT_OVER: dict[str, Any] = {"resolved_at": None, "resolved_by": None}
# What besides state and notes is different afterwards.
_TRACES: Mapping[EventKind, Callable[[Change], dict[str, Any]]] = {
    EventKind.ACKNOWLEDGED: lambda change: {"acknowledged_at": change.at, "acknowledged_by": change.by},
    EventKind.UNACKNOWLEDGED: lambda change: _NOT_TAKEN | {"active_since": change.at},
    EventKind.ASSIGNED: lambda change: {"assigned_to": change.assigned_to},
    EventKind.RESOLVED: lambda change: {"resolved_at": change.at, "resolved_by": change.by},
    # Who re-opens it does not hold it for noise any more.
    EventKind.REOPENED: lambda change: _NOT_TAKEN | _NOT_OVER | {"active_since": change.at, "noise": False},
}


def changed(alert: Alert, event: EventKind, change: Change) -> Alert:
    """The alert after this change. Notes that are not given stay, and so does what was said of noise."""
    trace = _TRACES.get(event)
    fields = trace(change) if trace else {}
    if change.state is not None:
        fields["state"] = change.state
    if change.notes is not None:
        fields |= {"notes": change.notes, "notes_by": change.by}
    if change.noise is not None:
        fields["noise"] = change.noise
    return replace(alert, **fields)
