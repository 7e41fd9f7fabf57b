"""Alertmanager's API, as Prometheus and amtool use it."""

from __future__ import annotations

import httpx
import pytest
import trio

from engine.http import alertmanager_routes
from protocol.items import ItemResult
from protocol.model import Reason, Status
from protocol.rows import Row, SourceReport, SuppressionWindow
from tests.support.http_api import NOW, client, problem, service
from tests.support.http_service import ALERT, FakeService

__all__ = ["client", "service"]

# --- Alertmanager's API ------------------------------------------------------------------------------------------


def row(**labels: str) -> Row:
    source = SourceReport(labels=labels, annotations={}, starts_at=NOW, ends_at=NOW + 1)
    return Row(alert=ALERT, identity="i", window=SuppressionWindow(until=NOW), sources=(source,))


async def test_what_prometheus_posts_is_reported_and_answered_empty(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    body = [{"labels": {"alertname": "A", "job": "node"}, "startsAt": "2026-01-01T11:00:00Z", "generatorURL": "g"}]
    response = await client.post("/api/v2/alerts", json=body)
    assert (response.status_code, response.content) == (200, b"")
    [(verb, [(framework, ring)])] = service.asked
    assert (verb, framework, ring.source.generator_url) == ("report", "node", "g")


async def test_no_alerts_are_fine(client: httpx.AsyncClient, service: FakeService) -> None:
    assert (await client.post("/api/v2/alerts", json=[])).status_code == 200
    assert service.asked == []


async def test_a_bad_alert_is_named_and_does_not_keep_its_neighbours_out(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    body = [{"labels": {}}, {"labels": {"alertname": "A"}}, {"labels": {"a": "b"}, "endsAt": "soon"}]
    detail = problem(await client.post("/api/v2/alerts", json=body), 400, 107)
    assert "2 of 3 alerts were refused: [0] at least one label" in detail
    assert "[2] endsAt: 'soon'" in detail
    [(_, reports)] = service.asked
    assert len(reports) == 1


@pytest.mark.parametrize(("reason", "status", "code"), [(Reason.BUSY, 503, 120), (Reason.FAILED, 500, 100)])
async def test_a_report_that_was_not_stored_is_an_error(
    client: httpx.AsyncClient, service: FakeService, reason: Reason, status: int, code: int
) -> None:
    service.result = ItemResult(status=Status.REJECTED, reason=reason)
    problem(await client.post("/api/v2/alerts", json=[{"labels": {"a": "b"}}]), status, code)


async def test_the_end_of_an_alert_that_nobody_knows_is_fine(client: httpx.AsyncClient, service: FakeService) -> None:
    service.result = ItemResult(status=Status.REJECTED, reason=Reason.UNKNOWN_ALERT)
    body = [{"labels": {"a": "b"}, "endsAt": "2026-01-01T11:00:00Z"}]
    assert (await client.post("/api/v2/alerts", json=body)).status_code == 200


async def test_too_many_alerts_in_one_post_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v2/alerts", json=[{"labels": {"a": "b"}}] * 1_001)
    assert problem(response, 400, 107) == "1001 alerts are too many for one request, limit 1000"


async def test_amtool_reads_each_open_label_set(client: httpx.AsyncClient, service: FakeService) -> None:
    service.rows = [row(alertname="A", host="h1"), row(alertname="B", host="h2")]
    alerts = (await client.get("/api/v2/alerts")).json()
    assert [a["labels"]["alertname"] for a in alerts] == ["A", "B"]
    assert {
        "annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "generatorURL", "labels"
    } == set(alerts[0])  # fmt: skip
    assert alerts[0]["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []}
    assert alerts[0]["receivers"] == [{"name": "tocsin"}]


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("filter=host%3D~%22h.%22&filter=alertname!%3DA", ["B"]),
        ("filter=host%3Dh3", []),
        ("active=false", []),
        ("active=true&silenced=false&inhibited=false&unprocessed=false", ["A", "B"]),
        ("receiver=toc.*", ["A", "B"]),
        ("receiver=mail", []),
    ],
)
async def test_amtool_filters_what_it_reads(
    client: httpx.AsyncClient, service: FakeService, parameters: str, names: list[str]
) -> None:
    service.rows = [row(alertname="A", host="h1"), row(alertname="B", host="h2")]
    alerts = (await client.get(f"/api/v2/alerts?{parameters}")).json()
    assert [a["labels"]["alertname"] for a in alerts] == names


@pytest.mark.parametrize(
    "parameters", ["filter=x", "filter=a%3D~(", "receiver=(", "active=perhaps", "&".join(["filter=a%3Db"] * 21)]
)
async def test_a_bad_filter_of_amtool_is_refused(client: httpx.AsyncClient, parameters: str) -> None:
    problem(await client.get(f"/api/v2/alerts?{parameters}"), 400, 107)


async def test_a_query_that_takes_too_long_is_refused(
    client: httpx.AsyncClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager_routes, "QUERY_MAX_S", 0)
    service.rows = [row(alertname="A")]
    assert "longer than" in problem(await client.get("/api/v2/alerts"), 429, 106)


async def test_a_long_listing_lets_others_run(
    client: httpx.AsyncClient, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alertmanager_routes, "SLICE_S", 0)
    service.rows = [row(alertname=f"A{n}") for n in range(100)]
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        response = await client.get("/api/v2/alerts?filter=alertname%3D~A.*")
        nursery.cancel_scope.cancel()
    assert (len(response.json()), turns >= 100) == (100, True)


async def test_amtool_gets_a_status_of_the_shape_that_it_requires(client: httpx.AsyncClient) -> None:
    status = (await client.get("/api/v2/status")).json()
    assert status["cluster"] == {"status": "disabled"}
    assert status["config"] == {"original": ""}
    assert status["uptime"] == "2026-01-01T12:00:00.000000Z"
    required = {"version", "branch", "buildDate", "buildUser", "goVersion", "revision"}
    assert set(status["versionInfo"]) == required
    assert status["versionInfo"]["version"] == "1.2"
