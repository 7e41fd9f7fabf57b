"""Messages for tests of how they are said and sent."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from protocol.model import Alert, AlertState, Severity
from protocol.notify import Change, Channel, Outgoing, Recipient

ALERT = Alert(
    id="018f0000-0000-7000-8000-000000000001",
    framework_id="web",
    severity=Severity.CRITICAL,
    state=AlertState.ACTIVE,
    current_value=97.5,
    threshold_value=90.0,
    title="Disk full on h1",
    occurrences=1,
    triggered_at="2026-01-31T12:00:00.000000Z",
    last_seen_at="2026-01-31T12:00:00.000000Z",
    notification_sent=False,
    message="97 % of /var is used.",
    labels={"host": "h1"},
    annotations={"runbook": "https://wiki.example.com/disk?a=1&b=2"},
)
# What producers may write: line ends, markup, mentions, other directions, and no end.
HOSTILE = "\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script> <!channel> & \u202etxt.exe \0 " + "é" * 600


def an_alert(**changes: Any) -> Alert:
    return replace(ALERT, **changes)


def a_message(change: Change = Change.FIRED, *alerts: Alert, **more: Any) -> Outgoing:
    given = {
        "key": "msg_0123456789abcdef",
        "workspace": "acme",
        "channel": Channel.EMAIL,
        "recipient": Recipient(user="ada"),
        "address": "ada@example.com",
        "at": 1_769_860_800_000_000,
    }
    return Outgoing(change=change, alerts=alerts or (ALERT,), **{**given, **more})
