"""PagerDuty's Events API v2: an alert opens, acknowledges and resolves one incident there, by its id.

Source: https://developer.pagerduty.com/docs/send-alert-event. The routing key is part of the body, which is why it is
sealed with the endpoint and this form is not signed.

A digest (of a storm: nothing else is put aside for an endpoint) is the incident of its first alert, the most severe of
the open ones: that alert's end closes it. Decided against: an incident of the digest's own, which nothing would ever
close, and one for each alert, which is what a storm is held back for.
"""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.model import Alert, Severity
from protocol.notify import Change, Outgoing
from protocol.times import rfc3339

SUMMARY_MAX_CHARS = 1_024
_ACTIONS = {Change.ACKNOWLEDGED: "acknowledge", Change.RESOLVED: "resolve", Change.EXPIRED: "resolve"}


def pagerduty_body(message: Outgoing, routing_key: str) -> dict[str, Any]:
    """An event."""
    first = message.alerts[0] if message.alerts else None
    alert = message.alerts[0] if len(message.alerts) == 1 and message.change is not Change.DIGEST else None
    rendered = message.rendered
    summary = (rendered.subject if rendered else "") or (alert.title if alert else "") or "Tocsin"
    return {
        "routing_key": routing_key,
        "event_action": _action(message.change, first),
        "dedup_key": first.id if first else message.key,
        "client": "Tocsin",
        "payload": {
            "summary": summary[:SUMMARY_MAX_CHARS],
            "source": alert.framework_id if alert else message.workspace,
            "severity": _worst(message.alerts).value,
            "timestamp": alert.triggered_at if alert else rfc3339(message.at),
            "component": alert.framework_id if alert else "",
            "class": (alert.alert_type or alert.rule_id or "") if alert else "",
            "custom_details": _details(message, alert),
        },
    }


def _action(change: Change, first: Alert | None) -> str:
    if change is Change.DIGEST and first is not None and not first.state.is_open:
        # All of it is over by now, and nobody is woken for that.
        return "resolve"
    return _ACTIONS.get(change, "trigger")


def _worst(alerts: tuple[Alert, ...]) -> Severity:
    return max((alert.severity for alert in alerts), key=lambda severity: severity.rank, default=Severity.INFO)


def _details(message: Outgoing, alert: Alert | None) -> dict[str, Any]:
    text = message.rendered.text if message.rendered else message.text
    if alert is None:
        return {"text": text, "alerts": len(message.alerts) + message.more}
    return {"text": text, "alert": msgspec.to_builtins(alert)}
