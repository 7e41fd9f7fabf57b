"""PagerDuty's Events API v2: trigger, acknowledge and resolve, by `dedup_key`.

Source: PagerDuty's api-schema, `reference/events-v2`. An event without a `dedup_key` gets one, which the answer tells.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from engine.foreign_forms.reports import Report, Reported, moment, text_of, texts_of, to_report

FORM = "pagerduty"
DEDUP_KEY_MAX_CHARS = 255


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What happened."""

    summary: str = msgspec.field()
    source: str
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str | None = None
    component: str | None = None
    group: str | None = None
    class_: str | None = msgspec.field(default=None, name="class")
    custom_details: Any = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `routing_key` says whose it is; a trigger needs a `payload`."""

    event_action: Literal["trigger", "acknowledge", "resolve"]
    routing_key: str = ""
    dedup_key: str | None = None
    payload: Payload | None = None
    client: str | None = None
    client_url: str | None = None
    links: Any = None
    images: Any = None


def faults(event: Event) -> list[str]:
    """What is wrong with an event that could be read, as sentences for its sender."""
    found = []
    if event.event_action == "trigger" and event.payload is None:
        found.append("'payload' is missing or blank")
    if event.event_action != "trigger" and not event.dedup_key:
        found.append("'dedup_key' is missing or blank")
    if event.dedup_key and len(event.dedup_key) > DEDUP_KEY_MAX_CHARS:
        found.append(f"'dedup_key' has {len(event.dedup_key)} characters (maximum {DEDUP_KEY_MAX_CHARS})")
    if event.payload is not None and not event.payload.summary:
        found.append("'payload.summary' is missing or blank")
    return found


def report_of(event: Event, dedup_key: str, now: int, framework: str | None) -> Report:
    """What a trigger or a resolve reports."""
    payload = event.payload
    details = payload.custom_details if payload is not None else None
    fields = {} if payload is None else {
        "source": payload.source, "component": payload.component, "group": payload.group, "class": payload.class_
    }  # fmt: skip
    return to_report(
        Reported(
            form=FORM,
            framework=framework or FORM,
            title=payload.summary if payload is not None else dedup_key,
            now=now,
            labels=texts_of(fields),
            key=dedup_key,
            message=None if details is None else text_of(details),
            severity=payload.severity if payload is not None else None,
            url=event.client_url or "",
            starts_at=moment(payload.timestamp) if payload is not None else None,
            ended=event.event_action == "resolve",
        )
    )
