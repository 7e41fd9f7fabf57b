"""An alert with nothing in it, for tests in which only its place in a stream matters."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from protocol.model import Alert, AlertState, Severity

PLAIN_ALERT = Alert(
    id="a",
    framework_id="f",
    severity=Severity.INFO,
    state=AlertState.ACTIVE,
    current_value=None,
    threshold_value=None,
    title="",
    occurrences=1,
    triggered_at="",
    last_seen_at="",
    notification_sent=False,
)


def an_alert(**fields: Any) -> Alert:
    """One with these fields."""
    return replace(PLAIN_ALERT, **fields)
