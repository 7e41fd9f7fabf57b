"""Alertmanager's webhook, version 4: a group of alerts, sent again every `repeat_interval`, resolved ones once.

Source: prometheus/alertmanager, `notify/webhook`. Grafana's unified alerting sends the same with a few fields more
(`values`, `version` 1), so its form is here too.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.foreign_forms.places import framework_of
from engine.foreign_forms.reports import ENDED, Report, Reported, moment, to_report
from protocol.errors import BadRequest


class WebhookAlert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert of a group."""

    status: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str | None = None
    ends_at: str | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")
    # Grafana's: what its expressions came to; null for an alert about missing data.
    values: dict[str, float | None] | None = None


class Webhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is posted. Of the group only its alerts count: each has all of its labels."""

    alerts: list[WebhookAlert]
    version: str = ""
    status: str = ""
    receiver: str = ""


def report_of(alert: WebhookAlert, now: int, form: str, framework: str | None) -> Report:
    """The report of one alert. Raises BadRequest."""
    if not any(alert.labels.values()):
        raise BadRequest("at least one label with a value is needed")
    values = [value for value in (alert.values or {}).values() if value is not None]
    found = Reported(
        form=form,
        framework=framework or framework_of(alert.labels, form),
        title=alert.annotations.get("summary") or alert.labels.get("alertname") or "alert",
        now=now,
        labels=alert.labels,
        message=_message(alert.annotations),
        severity=alert.labels.get("severity"),
        value=values[0] if len(values) == 1 else None,
        url=alert.generator_url or "",
        starts_at=moment(alert.starts_at),
        ended=alert.status.lower() in ENDED,
    )
    return to_report(found)


def _message(annotations: Mapping[str, str]) -> str | None:
    return annotations.get("description") or annotations.get("message")
