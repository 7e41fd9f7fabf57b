"""The doors for foreign systems, over real HTTP into a real engine: statuses, who may, what rings and what ends."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from engine.app import Engine
from engine.configuration.fields import Secret
from engine.sections.identity import Integration
from tests.support.engines import an_engine
from tests.support.foreign_posts import (
    ALERTA,
    ALERTMANAGER,
    CLOUDEVENT,
    GRAFANA,
    OWN_JSON,
    OWN_MAPPING,
    PAGERDUTY,
    changed,
)

KEY = "an integration's key, 32 bytes or more"
SIGNING = "what Grafana signs with, 32 bytes or so"
INTEGRATIONS = (
    Integration(name="pager", key=Secret(KEY), framework="shop"),
    Integration(name="person", key=Secret(KEY + "2"), role="editor"),
    Integration(name="grafana", key=Secret(KEY + "3"), signature=Secret(SIGNING)),
    Integration(name="queues", mapping=OWN_MAPPING, framework="queues"),
    Integration(name="elsewhere", workspace="other", mapping=OWN_MAPPING),
)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path, integrations=INTEGRATIONS) as engine:
        yield engine


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'sender', 'producer')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
        yield client


async def alerts(engine: Engine, client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'viewer')}"}
    response = await client.get("/api/v1/alerts", params=filters, headers=headers)
    found: list[dict[str, Any]] = response.json()["items"]
    return found


FORMS = {
    "/api/v1/ingest/alertmanager": (ALERTMANAGER, 200, 2),
    "/api/v1/ingest/grafana": (GRAFANA, 200, 1),
    "/api/v1/ingest/pagerduty": (PAGERDUTY, 202, 1),
    "/v2/enqueue": (PAGERDUTY, 202, 1),
    "/api/v1/ingest/alerta": (ALERTA, 201, 1),
    "/alert": (ALERTA, 201, 1),
    "/api/v1/ingest/json?integration=queues": (OWN_JSON, 200, 2),
}


@pytest.mark.parametrize("path", FORMS)
async def test_a_post_rings_once_however_often_it_is_sent(engine: Engine, client: httpx.AsyncClient, path: str) -> None:
    post, status, count = FORMS[path]
    for _ in range(2):
        response = await client.post(path, json=post)
        assert response.status_code == status, response.text
    rung = await alerts(engine, client)
    assert len(rung) == count
    assert {alert["state"] for alert in rung} == {"active"}
    assert (
        f'tocsin_inbound_items_total{{form="{rung[0]["alert_type"]}",outcome="taken"}} {2.0 * count}'
        in (await client.get("/metrics")).text
    )


ENDS = {
    "/api/v1/ingest/alertmanager": (
        ALERTMANAGER,
        changed(ALERTMANAGER, alerts=[changed(a, status="resolved") for a in ALERTMANAGER["alerts"]]),
    ),
    "/api/v1/ingest/grafana": (GRAFANA, changed(GRAFANA, alerts=[changed(GRAFANA["alerts"][0], status="resolved")])),
    "/v2/enqueue": (PAGERDUTY, {"event_action": "resolve", "dedup_key": PAGERDUTY["dedup_key"]}),
    "/alert": (ALERTA, changed(ALERTA, event="NodeUp", severity="ok")),
    "/api/v1/ingest/json?integration=queues": (
        OWN_JSON, changed(OWN_JSON, hits=[changed(hit, **{"is": "ok"}) for hit in OWN_JSON["hits"]])
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ENDS)
async def test_an_end_resolves_what_was_rung_and_harms_nothing_when_nothing_was(
    engine: Engine, client: httpx.AsyncClient, path: str
) -> None:
    begin, end = ENDS[path]
    for post in (end, begin, end, end):
        assert (await client.post(path, json=post)).is_success
    assert {alert["state"] for alert in await alerts(engine, client)} == {"resolved"}


async def test_an_end_that_names_no_framework_ends_its_alert_wherever_it_is_open(
    engine: Engine, client: httpx.AsyncClient
) -> None:
    elsewhere = changed(ALERTA, service=["example.org"])
    event = changed(CLOUDEVENT, data={"severity": "ok"}, type="com.example.disk.full.resolved")
    events = {"content": msgspec.json.encode(CLOUDEVENT), "headers": {"Content-Type": "application/cloudevents+json"}}
    for post in (ALERTA, elsewhere):
        assert (await client.post("/alert", json=post)).is_success
    assert (await client.post("/api/v1/ingest/cloudevents", **events)).is_success
    begun = {alert["framework_id"]: alert["id"] for alert in await alerts(engine, client)}
    assert sorted(begun) == ["example.com", "example.org", "storage"]

    ended = await client.post("/alert", json={k: v for k, v in ALERTA.items() if k != "service"} | {"severity": "ok"})
    assert ended.json()["id"] == begun["example.com"]
    over = await client.post("/api/v1/ingest/cloudevents", **events | {"content": msgspec.json.encode(event)})
    assert [each["alertId"] for each in over.json()["results"]] == [begun["storage"]]
    assert {alert["state"] for alert in await alerts(engine, client)} == {"resolved"}


async def test_an_end_that_names_its_framework_ends_no_other_ones_alert(
    engine: Engine, client: httpx.AsyncClient
) -> None:
    for post in (ALERTA, changed(ALERTA, service=["example.org"], severity="ok")):
        assert (await client.post("/alert", json=post)).is_success
    assert [alert["state"] for alert in await alerts(engine, client)] == ["active"]


@pytest.mark.parametrize("path", [*FORMS, "/api/v1/ingest/cloudevents"])
async def test_who_says_not_who_he_is_is_refused(engine: Engine, path: str) -> None:
    post = FORMS.get(path, (CLOUDEVENT,))[0]
    headers = {"Content-Type": "application/cloudevents+json"} if "cloudevents" in path else {}
    async with httpx.AsyncClient(base_url=engine.http_url) as stranger:
        for credential in ({}, {"Authorization": "Bearer nonsense"}, {"X-API-Key": KEY + "9"}):
            response = await stranger.post(path, json=post, headers={**headers, **credential})
            assert response.status_code == 401
        assert (await stranger.post(path, json=post, params={"api-key": KEY}, headers=headers)).status_code == 400


@pytest.mark.parametrize("headers", [{"Authorization": f"Key {KEY}"}, {"X-API-Key": KEY}])
async def test_an_integrations_key_opens_its_workspace_and_framework(engine: Engine, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url) as sender:
        assert (await sender.post("/alert", json=ALERTA, headers=headers)).status_code == 201
        (alert,) = await alerts(engine, sender)
    assert alert["framework_id"] == "shop"


# --- PagerDuty -----------------------------------------------------------------------------------------------------


async def test_a_routing_key_is_an_integrations_key_or_a_token(engine: Engine) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url) as sender:
        for key in (KEY, engine.issue_token("main", "sender", "producer")):
            response = await sender.post("/v2/enqueue", json=changed(PAGERDUTY, routing_key=key))
            assert response.status_code == 202
            assert response.json() == {
                "status": "success", "message": "Event processed", "dedup_key": "srv01/HTTP"
            }  # fmt: skip
        assert (await sender.post("/v2/enqueue", json=changed(PAGERDUTY, routing_key="x" * 32))).status_code == 401


async def test_a_page_is_acknowledged_by_its_key_if_the_role_may_respond(engine: Engine) -> None:
    acknowledge = {"event_action": "acknowledge", "dedup_key": PAGERDUTY["dedup_key"]}
    async with httpx.AsyncClient(base_url=engine.http_url) as sender:
        assert (await sender.post("/v2/enqueue", json={**acknowledge, "routing_key": KEY})).status_code == 403
        assert (await sender.post("/v2/enqueue", json={**acknowledge, "routing_key": KEY + "2"})).status_code == 202
        assert (await sender.post("/v2/enqueue", json=changed(PAGERDUTY, routing_key=KEY + "2"))).status_code == 202
        assert (await sender.post("/v2/enqueue", json={**acknowledge, "routing_key": KEY + "2"})).status_code == 202
        (alert,) = await alerts(engine, sender)
    assert (alert["state"], alert["acknowledged_by"]) == ("acknowledged", "person")


async def test_a_trigger_without_a_key_is_given_one(client: httpx.AsyncClient) -> None:
    response = await client.post("/v2/enqueue", json=changed(PAGERDUTY, dedup_key=None))
    assert len(response.json()["dedup_key"]) == 32


@pytest.mark.parametrize("body", [b"{", b'{"event_action": "explode"}', b'{"event_action": "trigger"}'])
async def test_a_bad_event_is_refused_in_pagerdutys_words(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/v2/enqueue", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["status"]) == (400, "invalid event")
    assert response.json()["message"] == "Event object is invalid"
    assert len(response.json()["errors"]) == 1


# --- Grafana -------------------------------------------------------------------------------------------------------


def signature(body: bytes, secret: str = SIGNING) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def test_an_integration_that_signs_must_sign_well(engine: Engine) -> None:
    body = msgspec.json.encode(GRAFANA)
    headers = {"Authorization": f"Bearer {KEY}3", "Content-Type": "application/json"}
    name, time = "X-Grafana-Alerting-Signature", "X-Grafana-Alerting-Timestamp"
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as grafana:

        async def post(**signed: str) -> int:
            signed = {key.replace("_", "-"): value for key, value in signed.items()}
            return (await grafana.post("/api/v1/ingest/grafana", content=body, headers=signed)).status_code

        assert await post() == 401
        assert await post(**{name: signature(body, "another")}) == 401
        assert await post(**{name: signature(body), time: "1767268800"}) == 401
        assert await post(**{name: signature(body)}) == 200
        assert await post(**{name: signature(b"1767268800:" + body), time: "1767268800"}) == 200


# --- CloudEvents ---------------------------------------------------------------------------------------------------


async def test_cloudevents_come_in_three_modes(engine: Engine, client: httpx.AsyncClient) -> None:
    path = "/api/v1/ingest/cloudevents"
    batch = [changed(CLOUDEVENT, subject="h2"), changed(CLOUDEVENT, subject="h3")]
    binary = {
        "ce-specversion": "1.0", "ce-id": "9", "ce-source": "/monitors/eu-1", "ce-type": CLOUDEVENT["type"],
        "ce-subject": "h4", "Content-Type": "application/json",
    }  # fmt: skip
    posts = [
        (CLOUDEVENT, {"Content-Type": "application/cloudevents+json; charset=utf-8"}),
        (batch, {"Content-Type": "application/cloudevents-batch+json"}),
        (CLOUDEVENT["data"], binary),
    ]
    for body, headers in posts:
        response = await client.post(path, content=msgspec.json.encode(body), headers=headers)
        assert response.status_code == 200, response.text
    rung = await alerts(engine, client, framework_id="storage")
    assert sorted(alert["labels"]["subject"] for alert in rung) == ["h1", "h2", "h3", "h4"]
    assert (await client.post(path, json=CLOUDEVENT)).status_code == 415


# --- bad input -----------------------------------------------------------------------------------------------------


async def test_a_bad_item_does_not_keep_its_neighbours_out(engine: Engine, client: httpx.AsyncClient) -> None:
    bad = {"status": "firing", "labels": {}}
    response = await client.post(
        "/api/v1/ingest/alertmanager", json=changed(ALERTMANAGER, alerts=[bad, ALERTMANAGER["alerts"][0]])
    )
    assert response.status_code == 400
    assert response.json()["detail"].startswith("1 of 2 alerts were refused: [0] at least one label")
    assert len(await alerts(engine, client)) == 1


async def test_too_many_at_once_are_refused_and_more_than_a_thousand_are_not(
    engine: Engine, client: httpx.AsyncClient
) -> None:
    def group(count: int) -> dict[str, Any]:
        return {"alerts": [{"status": "firing", "labels": {"n": str(n)}} for n in range(count)]}

    response = await client.post("/api/v1/ingest/alertmanager", json=group(1_500), timeout=170)
    assert len(response.json()["results"]) == 1_500
    response = await client.post("/api/v1/ingest/alertmanager", json=group(10_001), timeout=170)
    assert "10001 alerts are too many" in response.json()["detail"]


async def test_an_integration_of_another_workspace_is_unknown(client: httpx.AsyncClient) -> None:
    known = [
        (await client.post(f"/api/v1/ingest/json?integration={name}", json=OWN_JSON)).json()
        for name in ("elsewhere", "nosuch")
    ]
    assert known[0] == known[1]
    assert known[0]["code"] == 102


async def test_alertas_errors_are_in_its_words(client: httpx.AsyncClient) -> None:
    response = await client.post("/alert", json={"resource": "r"})
    assert (response.status_code, response.json()["status"]) == (400, "error")
    assert "`event`" in response.json()["message"]
