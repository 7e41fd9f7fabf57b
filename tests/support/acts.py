"""What people do, as commands to a channel's machine."""

from __future__ import annotations

from typing import Any

from protocol.changes import Action
from protocol.commands import Act


def acting(action: Action, *alert_ids: str, by: str = "ann", **more: Any) -> Act:
    """One command about these alerts."""
    return Act(alert_ids=alert_ids, action=action, by=by, **more)


def acknowledging(alert_id: str, by: str = "ann", notes: str | None = None) -> Act:
    """Somebody looks after an alert."""
    return acting(Action.ACKNOWLEDGE, alert_id, by=by, notes=notes)


def resolving(alert_id: str, by: str = "ann", notes: str | None = None) -> Act:
    """Somebody says that an alert is over."""
    return acting(Action.RESOLVE, alert_id, by=by, notes=notes)
