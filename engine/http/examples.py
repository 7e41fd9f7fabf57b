"""An example of each body that can be posted, for the OpenAPI document: right as it stands, tried by a test.

By method and path. Resources that have the same routes (`engine/http/objects.py`) are written once, as the object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

# A longer one is for the document: who reads a sentence wants its end.
SHOWN_MAX_CHARS = 400
ALERT_ID = "018f0000-0000-7000-8000-000000000001"
# What people do about alerts, and what each of these needs.
_DEEDS: dict[str, dict[str, Any]] = {
    "acknowledge": {"notes": "on it"},
    "unacknowledge": {"notes": "not mine after all"},
    "assign": {"assigned_to": "ann"},
    "comment": {"notes": "the third time this week"},
    "resolve": {"notes": "restarted"},
    "reopen": {"notes": "it is back"},
}
# An object of each kind, and a change of it.
_OBJECTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "rules": (
        {
            "kind": "threshold",
            "id": "search-latency",
            "framework": "web",
            "metric": "latency_ms",
            "threshold": 500.0,
            "severity": "error",
            "title": "Search takes over 500 ms",
        },
        {"threshold": 750.0},
    ),
    "silences": (
        {
            "id": "h1-disk",
            "matchers": [{"name": "host", "operator": "=", "value": "h1"}],
            "ends_at": "2099-01-01T00:00:00Z",
            "comment": "the disk is on its way",
        },
        {"comment": "the disk comes on Monday"},
    ),
    "maintenance": (
        {
            "id": "upgrade",
            "title": "Database upgrade",
            "frameworks": ["db"],
            "starts_at": "2099-01-01T00:00:00Z",
            "ends_at": "2099-01-01T02:00:00Z",
        },
        {"title": "Upgrade of the database"},
    ),
    "endpoints": (
        {
            "id": "pager",
            "name": "The pager's webhook",
            "channel": "webhook",
            "url": "https://hooks.example.com/tocsin",
            "min_severity": "error",
            "frameworks": ["web"],
        },
        {"min_severity": "critical"},
    ),
    "frameworks": (
        {"id": "web", "kind": "service", "name": "The shop", "metrics": {"latency_ms": "performance"}},
        {"name": "The web shop"},
    ),
    "users": ({"id": "ann", "name": "Ann", "zone": "Europe/Berlin", "role": "responder"}, {"role": "editor"}),
    "teams": (
        {"id": "shop", "members": ["ann", "bob"], "rota": {"starts_on": "2026-01-05", "order": ["ann", "bob"]}},
        {"members": ["ann"]},
    ),
    "preferences": (
        {
            "id": "ann",
            "channels": {"critical": ["in_app", "email", "slack"], "error": ["in_app", "email"]},
            "quiet_hours": {"start": "22:00", "end": "07:00"},
            "digest": {"frequency": "daily", "hour": 8},
        },
        {"digest": {"frequency": "hourly"}},
    ),
    "escalations": (
        {
            "id": "shop",
            "frameworks": ["web"],
            "steps": [{"after_s": 300, "teams": ["shop"]}, {"after_s": 900, "users": ["ann"]}],
            "remind_every_s": 1800,
        },
        {"repeat": 2},
    ),
    "workspaces": ({"id": "acme", "name": "Acme Ltd."}, {"notes": "on trial until June"}),
    "schedules": (
        {"id": "nightly", "cron": "0 2 * * 1-5", "zone": "Europe/Berlin", "kind": "workflow_generate"},
        {"cron": "30 2 * * *"},
    ),
    "workflows": (
        {
            "id": "roofing",
            "phases": [
                {
                    "phase_type": "LEAD",
                    "sections": [
                        {
                            "display_name": "Input customer",
                            "items": [{"id": "call", "item_name": "Call the customer", "alert_days": 2}],
                        }
                    ],
                }
            ],
        },
        {"name": "Roofing"},
    ),
}
_WEBHOOK = {
    "version": "4",
    "status": "firing",
    "receiver": "tocsin",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "h1:9100", "severity": "critical"},
            "annotations": {"summary": "Disk of h1 is full"},
            "startsAt": "2026-01-01T11:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
        }
    ],
}
_EVENT = {
    "routing_key": "<a token, or the key of an integration>",
    "event_action": "trigger",
    "dedup_key": "srv01/HTTP",
    "payload": {"summary": "HTTP on srv01 does not answer", "source": "srv01", "severity": "critical"},
}
_ALERTA = {
    "resource": "web04",
    "event": "NodeDown",
    "environment": "Production",
    "severity": "major",
    "correlate": ["NodeDown", "NodeUp"],
    "text": "web04 does not answer to ping",
}
_SINGLE: dict[str, Any] = {
    "POST /api/v1/triggers": {
        "alerts": [{"framework_id": "web", "title": "Search is slow", "severity": "error", "labels": {"host": "h1"}}]
    },
    "POST /api/v1/triggers/preview": {"alert": {"framework_id": "web", "title": "Search is slow"}},
    "POST /api/v1/readings/preview": {"readings": [{"framework_id": "web", "metric": "latency_ms", "value": 950}]},
    "POST /api/v1/silences/preview": {"matchers": [{"name": "host", "operator": "=~", "value": "web-.*"}]},
    "POST /api/v1/maintenance/preview": {"frameworks": ["db"]},
    "POST /api/v1/rules/import": {
        "rules": [{"kind": "threshold", "id": "cpu", "framework": "web", "metric": "cpu_percent", "threshold": 90}],
        "dry_run": True,
    },
    "POST /api/v1/rules/{object_id}/test": {"value": 950},
    "POST /api/v1/endpoints/{object_id}/rotate": {"keep_s": 3600},
    "POST /api/v1/rules/backtest": {"rule_id": "search-latency"},
    "POST /api/v1/readings": {"readings": [{"framework_id": "web", "metric": "latency_ms", "value": 950}]},
    "POST /api/v1/queues/{queue}/limit": {"limit": 8},
    "POST /api/v1/recommendations/{object_id}/dismiss": {"notes": "the backup is meant to be loud"},
    "POST /api/v1/tokens": {"ticket": "Q2FuIG9ubHkgYmUgdXNlZCBvbmNlLCBhbmQgbm90IG4"},
    "POST /api/v1/revocations": {"user": "eve", "reason": "left the company"},
    "POST /api/v1/broadcast": {"to": "framework", "id": "web", "message": "We restart the shop in five minutes"},
    "POST /api/v2/alerts": [
        {"labels": {"alertname": "DiskFull", "instance": "h1:9100"}, "annotations": {"summary": "Disk of h1 is full"}}
    ],
    "POST /api/v2/silences": {
        "matchers": [{"name": "instance", "value": "h1:9100", "isRegex": False, "isEqual": True}],
        "startsAt": "2099-01-01T00:00:00Z",
        "endsAt": "2099-01-01T02:00:00Z",
        "createdBy": "ann",
        "comment": "the disk is on its way",
    },
    "POST /api/v1/ingest/alertmanager": _WEBHOOK,
    "POST /api/v1/ingest/grafana": _WEBHOOK,
    "POST /api/v1/ingest/pagerduty": _EVENT,
    "POST /v2/enqueue": _EVENT,
    "POST /api/v1/ingest/alerta": _ALERTA,
    "POST /alert": _ALERTA,
    "POST /api/v1/ingest/json": {"title": "Queue is long", "severity": "error", "labels": {"host": "q1"}},
    "POST /api/v1/notifications/read": {"keys": ["msg_6b1f0a4f8d0e4c1b9a7c5d3e2f1a0b9c"]},
    "POST /api/v1/patterns/{pattern_id}/confirm": {"notes": "the backup"},
    "POST /api/v1/patterns/{pattern_id}/dismiss": {"notes": "a test machine"},
    "POST /api/v1/incidents/{incident_id}/acknowledge": {"notes": "on it"},
    "POST /api/v1/incidents/{incident_id}/resolve": {"notes": "the switch was replaced"},
    "POST /api/v1/incidents/{incident_id}/split": {"alert_id": ALERT_ID},
    "POST /api/v1/incidents/{incident_id}/merge": {"incident_id": "018f0000-0000-7000-8000-000000000002"},
    "PUT /api/v1/incident-settings": {"window_s": 120, "labels": ["host", "service"], "resolve_on": "last"},
    "POST /api/v1/workflows/generate": {"project_ids": ["42"]},
    "POST /api/v1/workflows/advance": {"items": [{"project_id": "42", "item_id": "call"}]},
    "PUT /api/v1/workflows/trackers/{project_id}": {"workflow_id": "roofing"},
}


def _all() -> Iterator[tuple[str, Any]]:
    yield from _SINGLE.items()
    for verb, body in _DEEDS.items():
        yield f"POST /api/v1/alerts/{{alert_id}}/{verb}", body
        yield f"POST /api/v1/alerts/{verb}", {"alertIds": [ALERT_ID], **body}
    for kind, (whole, change) in _OBJECTS.items():
        path = f"/api/v1/{kind}"
        yield f"POST {path}", whole
        yield f"PUT {path}/{{object_id}}", whole
        yield f"PATCH {path}/{{object_id}}", change
        yield f"POST {path}/bulk", {"action": "archive", "ids": [whole["id"]]}


EXAMPLES: dict[str, Any] = dict(_all())


def right_body(scope: Mapping[str, Any]) -> Any:
    """A right body of this route; None if it takes none."""
    return EXAMPLES.get(f"{scope['method']} {scope['path_template']}")


def whole_example(scope: Mapping[str, Any]) -> str:
    """The end of a sentence about a body that is wrong as a whole: a right one of this route."""
    example = right_body(scope)
    text = msgspec.json.encode(example).decode()
    return f"; for example {text}" if example is not None and len(text) <= SHOWN_MAX_CHARS else ""
