"""What foreign systems post, written by us after their documentation."""

from __future__ import annotations

from typing import Any

ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="DiskFull"}',
    "truncatedAlerts": 0,
    "status": "firing",
    "receiver": "tocsin",
    "groupLabels": {"alertname": "DiskFull"},
    "commonLabels": {"alertname": "DiskFull", "job": "node"},
    "commonAnnotations": {},
    "externalURL": "http://alertmanager.example:9093",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "h1:9100", "job": "node", "severity": "critical"},
            "annotations": {"summary": "Disk of h1 is full", "description": "3 % free on /"},
            "startsAt": "2026-01-01T11:00:00.123Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up",
            "fingerprint": "b1d1d1a2a3a4a5a6",
        },
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "h2:9100", "job": "node", "severity": "warning"},
            "annotations": {},
            "startsAt": "2026-01-01T11:00:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "",
            "fingerprint": "c1d1d1a2a3a4a5a6",
        },
    ],
}
GRAFANA: dict[str, Any] = {
    "receiver": "Tocsin",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Error rate", "grafana_folder": "Shop", "severity": "high"},
            "annotations": {"summary": "Errors above 2 %"},
            "startsAt": "2026-01-01T12:00:00+01:00",
            "endsAt": "0001-01-01T00:00:00Z",
            "values": {"B": 2.5},
            "generatorURL": "https://grafana.example/alerting/grafana/abc/view",
            "fingerprint": "df1e1ee2dc1d3a4b",
            "silenceURL": "https://grafana.example/alerting/silence/new",
            "dashboardURL": "",
            "panelURL": "",
            "valueString": "[ var='B' labels={} value=2.5 ]",
        }
    ],
    "groupLabels": {"alertname": "Error rate"},
    "commonLabels": {"alertname": "Error rate"},
    "commonAnnotations": {},
    "externalURL": "https://grafana.example/",
    "version": "1",
    "groupKey": '{}:{alertname="Error rate"}',
    "truncatedAlerts": 0,
    "title": "[FIRING:1] Error rate",
    "state": "alerting",
    "message": "**Firing**",
}
PAGERDUTY: dict[str, Any] = {
    "routing_key": "",
    "event_action": "trigger",
    "dedup_key": "srv01/HTTP",
    "client": "Sample Monitoring",
    "client_url": "https://monitoring.example",
    "links": [{"href": "https://runbook.example", "text": "Runbook"}],
    "images": [],
    "payload": {
        "summary": "HTTP on srv01 does not answer",
        "timestamp": "2026-01-01T11:59:00.000+0000",
        "severity": "critical",
        "source": "srv01",
        "component": "nginx",
        "group": "prod-datapipe",
        "class": "deploy",
        "custom_details": {"ping time": "1500ms", "load avg": 0.75},
    },
}
CLOUDEVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/monitors/eu-1",
    "type": "com.example.disk.full.triggered",
    "subject": "h1",
    "time": "2026-01-01T11:58:00Z",
    "datacontenttype": "application/json",
    "comexampleregion": "eu",
    "data": {"title": "Disk of h1 is full", "severity": "critical", "value": 97, "framework_id": "storage"},
}
ALERTA: dict[str, Any] = {
    "resource": "web04",
    "event": "NodeDown",
    "environment": "Production",
    "severity": "major",
    "correlate": ["NodeDown", "NodeUp"],
    "service": ["example.com"],
    "group": "Network",
    "value": "PingFail",
    "text": "web04 is not responding to ping",
    "tags": ["linux", "dc2"],
    "attributes": {"region": "EU", "rack": 7},
    "origin": "nagios3/mon01",
    "type": "nagiosAlert",
    "createTime": "2026-01-01T11:57:00.000Z",
    "timeout": 86400,
    "rawData": "PING CRITICAL",
}
OWN_JSON: dict[str, Any] = {
    "kind": "monitor",
    "hits": [
        {"check": {"name": "Queue is long", "id": 7}, "level": "page", "host": "q1", "depth": 12000, "is": "bad"},
        {"check": {"name": "Queue is slow", "id": 8}, "level": "minor", "host": "q1", "depth": 3, "is": "bad"},
    ],
}
OWN_MAPPING = {
    "items": "hits",
    "title": "check.name",
    "key": "check.id",
    "severity": "level",
    "value": "depth",
    "status": "is",
    "labels.host": "host",
}


def changed(post: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same with other fields."""
    return {**post, **fields}
