"""An engine with something to see in every view: a shop on a bad day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

ALERTS = [
    ("checkout", "Payments are refused", "critical", 12.4, 2.0, {"region": "eu", "host": "pay-1"}),
    ("checkout", "Checkout takes over a second", "error", 1_340.0, 1_000.0, {"region": "eu"}),
    ("search", "Index is 20 minutes behind", "error", 1_210.0, 600.0, {"shard": "7"}),
    ("search", "Search takes over 500 ms", "warning", 612.0, 500.0, {"region": "us"}),
    ("hosts", "Disk is 91 % full", "warning", 91.0, 90.0, {"host": "db-2", "mount": "/var"}),
    ("hosts", "Certificate ends in 20 days", "info", 20.0, 0.0, {"host": "edge-1"}),
    ("mail", "Queue has 400 letters", "warning", 400.0, 250.0, {"queue": "out"}),
    ("web", "Errors: 3 in 100 answers", "error", 3.1, 1.0, {"region": "us", "host": "web-4"}),
]
# Once a minute; the last two are above the threshold.
LATENCIES = [280, 295, 310, 305, 320, 345, 370, 365, 390, 420, 450, 470, 490, 540, 640]
RULES = [
    {"id": "slow-search", "kind": "threshold", "framework": "search", "metric": "latency_ms",
     "comparison": ">", "threshold": 500, "severity": "error", "title": "Search takes over 500 ms"},
    {"id": "hot-cpu", "kind": "threshold", "framework": "hosts", "metric": "cpu_percent",
     "aggregate": "avg", "window_s": 300, "comparison": ">", "threshold": 90, "severity": "warning"},
    {"id": "odd-orders", "kind": "anomaly", "framework": "checkout", "metric": "orders", "severity": "warning"},
]  # fmt: skip
PEOPLE = [("ann", "Ann Abel"), ("bob", "Bob Bauer"), ("cem", "Cem Can")]


async def busy(http_url: str, token: str) -> None:
    """Alerts of all severities, some taken, one over, a rule that rings, a silence, an endpoint, people."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{http_url}/api/v1", headers=headers) as http:
        for name, said in PEOPLE:
            await sent(http, "/users", {"id": name, "name": said})
        for rule in RULES:
            await sent(http, "/rules", rule)
        await sent(http, "/readings", {"readings": list(readings(datetime.now(UTC)))})
        fired = await sent(http, "/triggers", {"alerts": [alert(*each) for each in ALERTS]})
        ids = [result["alertId"] for result in fired["results"]]
        await sent(http, f"/alerts/{ids[1]}/acknowledge", {"notes": "The provider has trouble; I am on the phone."})
        await sent(http, f"/alerts/{ids[6]}/resolve", {"notes": "Sent."})
        ends_at = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        matchers = [{"name": "framework_id", "value": "hosts"}]
        await sent(http, "/silences", {"matchers": matchers, "ends_at": ends_at, "comment": "Disks are being moved"})
        await sent(http, "/endpoints", {"id": "ops", "channel": "email", "address": "ops@example.com"})


async def sent(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await http.post(path, json=body)
    assert answer.is_success, (path, answer.text)
    return answer.json()


def readings(now: datetime) -> Any:
    for minutes, value in zip(range(len(LATENCIES) - 1, -1, -1), LATENCIES, strict=True):
        at = (now - timedelta(minutes=minutes)).isoformat()
        yield {"framework_id": "search", "metric": "latency_ms", "value": value, "at": at, "labels": {"region": "eu"}}


def alert(framework: str, title: str, severity: str, value: float, threshold: float, labels: Any) -> dict[str, Any]:
    return {
        "framework_id": framework, "title": title, "severity": severity, "current_value": value,
        "threshold_value": threshold, "labels": labels,
    }  # fmt: skip
