"""Alertmanager's webhook, version 4: what a receiver of Alertmanager takes, without knowing of us.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. It knows firing and resolved and
nothing between: an acknowledged alert is firing. Which of both is what the message is about, and not how the alert is
by now: the same message says the same at each attempt. Only a digest shows its alerts as they are. Labels are the
alert's own, and `alertname`, `severity`, `framework`.
"""

from __future__ import annotations

from typing import Any

from engine.core.identity import fingerprint
from protocol.model import Alert
from protocol.notify import Change, Outgoing
from protocol.times import rfc3339

# Alertmanager's word for "has not ended".
NEVER = "0001-01-01T00:00:00Z"


def alertmanager_body(message: Outgoing, receiver: str) -> dict[str, Any]:
    """A group: the alerts of the message."""
    alerts = [_alert(alert, _has_ended(message, alert), rfc3339(message.at)) for alert in message.alerts]
    key = message.alerts[0].id if len(alerts) == 1 else message.key
    return {
        "version": "4",
        "groupKey": f'{{}}:{{tocsin="{key}"}}',
        "truncatedAlerts": message.more,
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "receiver": receiver,
        "groupLabels": {},
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _has_ended(message: Outgoing, alert: Alert) -> bool:
    return message.change.is_end or (message.change is Change.DIGEST and not alert.state.is_open)


def _alert(alert: Alert, has_ended: bool, at: str) -> dict[str, Any]:
    ended_at = at if alert.state.is_open else alert.resolved_at or alert.last_seen_at
    labels = {
        "alertname": alert.alert_type or alert.rule_id or alert.title or "alert",
        **alert.labels,
        "severity": alert.severity.value,
        "framework": alert.framework_id,
    }
    said = {"summary": alert.title, "description": alert.message or ""}
    return {
        "status": "resolved" if has_ended else "firing",
        "labels": labels,
        "annotations": {name: text for name, text in said.items() if text} | alert.annotations,
        "startsAt": alert.triggered_at,
        "endsAt": ended_at if has_ended else NEVER,
        "generatorURL": alert.annotations.get("generatorURL", ""),
        "fingerprint": fingerprint(labels),
    }


def _common(each: list[dict[str, str]]) -> dict[str, str]:
    if not each:
        return {}
    first, *others = each
    return {name: text for name, text in first.items() if all(other.get(name) == text for other in others)}
