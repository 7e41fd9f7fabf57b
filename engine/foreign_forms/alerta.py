"""Alerta's alerts: a resource, an event, an environment; severities that fall to `normal` when it is over.

Source: docs.alerta.io, "Alert format". One alert per environment, resource and event; events that name each other in
`correlate` (NodeDown, NodeUp) are one alert.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.foreign_forms.places import allowed_id
from engine.foreign_forms.reports import ENDED, Report, Reported, moment, number_of, texts_of, to_report
from protocol.errors import BadRequest

FORM = "alerta"
# Those of Alerta's words that ours do not know by themselves, and those that say that it is over.
SEVERITIES = {"security": "critical", "indeterminate": "info", "unknown": "info"}


class AlertaAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An alert as Alerta's clients post it; only `resource` and `event` must be there."""

    resource: str
    event: str
    environment: str = ""
    severity: str = "normal"
    correlate: list[str] = []
    status: str = ""
    service: list[str] = []
    group: str | None = None
    value: Any = None
    text: str = ""
    tags: list[str] = []
    attributes: dict[str, Any] = {}
    origin: str | None = None
    type: str | None = None
    create_time: str | None = None
    timeout: int | None = None
    raw_data: Any = None
    customer: str | None = None


def report_of(alert: AlertaAlert, now: int, framework: str | None) -> Report:
    """What it reports. Raises BadRequest."""
    if not alert.resource or not alert.event:
        raise BadRequest("resource and event must not be empty")
    severity = alert.severity.lower()
    return to_report(
        Reported(
            form=FORM,
            framework=framework or (allowed_id(alert.service[0]) if alert.service and alert.service[0] else None),
            title=f"{alert.event} on {alert.resource}",
            now=now,
            labels=_labels(alert),
            key="\n".join((alert.environment, alert.resource, *sorted({alert.event, *alert.correlate}))),
            message=alert.text or None,
            severity=SEVERITIES.get(severity, severity),
            value=number_of(alert.value),
            starts_at=moment(alert.create_time),
            ended=severity in ENDED or alert.status.lower() in ENDED,
        )
    )


def _labels(alert: AlertaAlert) -> dict[str, str]:
    fields = {
        "environment": alert.environment, "resource": alert.resource, "event": alert.event, "group": alert.group,
        "origin": alert.origin, "type": alert.type, "customer": alert.customer, "value": alert.value,
        "service": ",".join(alert.service), "tags": ",".join(alert.tags),
    }  # fmt: skip
    return {**texts_of(alert.attributes), **texts_of(fields)}
