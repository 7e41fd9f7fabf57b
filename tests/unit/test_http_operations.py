"""What operators ask over HTTP: health, readiness, metrics, the schema; and parameters that there are not."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from protocol.model import Principal
from tests.support.http_api import client, client_of, make_app, problem, service
from tests.support.http_service import BEARER, FakeService

__all__ = ["client", "service"]

# --- operations --------------------------------------------------------------------------------------------------


async def test_health_readiness_metrics_and_about_need_no_token(service: FakeService) -> None:
    async with client_of(make_app(service)) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        metrics = await client.get("/metrics")
        assert metrics.content == b"up 1\n"
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        about = (await client.get("/api/v1/about")).json()
        assert about == {
            "name": "tocsin",
            "version": "1.2",
            "ws": "ws://127.0.0.1:3008",
            "heartbeat_s": 30.0,
            "protocol": 1,
        }


async def test_an_engine_that_cannot_ack_is_not_ready_but_alive(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.why_unready = "its disk is full"
    response = await client.get("/readyz")
    assert "the store is away (its disk is full)" in problem(response, 503, 120)
    assert response.headers["retry-after"] == "1"
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "/api/v1/alerts?limt=1",
        "/api/v1/alerts?states=active",
        "/api/v1/alerts/a/recipients?x=",
        "/api/v1/connections?cursr=1",
        "/api/v1/revocations?q=1",
        "/api/v1/audit?sinse=1",
        "/api/v2/alerts?filtre=a",
    ],
)
async def test_a_parameter_that_a_list_does_not_have_is_refused_and_the_known_ones_are_named(
    client: httpx.AsyncClient, service: FakeService, url: str
) -> None:
    response = await client.get(url)
    problem(response, 400, 107)
    assert "known: " in response.text
    assert service.asked == []


async def test_known_parameters_are_named_as_the_wire_has_them(client: httpx.AsyncClient) -> None:
    detail = (await client.get("/api/v1/alerts?states=active")).json()["detail"]
    assert detail.endswith(
        "known: assigned_to, cursor, framework_id, limit, quieted, rule_id, severity, since, state, until"
    )


async def test_an_engine_that_lets_no_connection_in_for_its_memory_is_not_ready_but_alive(service: FakeService) -> None:
    app = make_app(service, overload=lambda: "900 MiB of memory in use, soft limit 800 MiB")
    async with client_of(app) as client:
        response = await client.get("/readyz")
        problem(response, 503, 120)
        assert "900 MiB of memory in use, soft limit 800 MiB" in response.json()["detail"]
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"), [("::1", 200), ("::ffff:127.0.0.9", 200), ("10.0.0.1", 401), ("unix", 401)]
)
async def test_metrics_of_all_workspaces_are_for_this_machine(service: FakeService, host: str, status: int) -> None:
    async with client_of(make_app(service), host) as client:
        assert (await client.get("/metrics")).status_code == status


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_a_request_that_a_proxy_on_this_machine_passed_on_is_not_this_machines(
    service: FakeService, header: str
) -> None:
    async with client_of(make_app(service), "127.0.0.1") as client:
        assert (await client.get("/metrics", headers={header: "203.0.113.9"})).status_code == 401


@pytest.mark.parametrize(
    ("workspace", "role", "status"), [("system", "admin", 200), ("system", "viewer", 403), ("acme", "admin", 403)]
)
async def test_from_elsewhere_metrics_are_for_administrators_of_the_engine(
    service: FakeService, workspace: str, role: str, status: int
) -> None:
    who = Principal(workspace=workspace, user="ops", role=role, expires_at=2**40)
    service.principals["good"] = who
    async with client_of(make_app(service), "10.0.0.1", headers=BEARER) as client:
        assert (await client.get("/metrics")).status_code == status


async def test_a_unix_socket_peer_is_this_machine(service: FakeService) -> None:
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    scope = {"type": "http", "method": "GET", "path": "/metrics", "raw_path": b"/metrics", "query_string": b"",
             "headers": [], "client": None, "server": None, "scheme": "http", "http_version": "1.1",
             "root_path": "", "state": {}, "extensions": {}, "asgi": {"version": "3.0"}}  # fmt: skip
    await make_app(service)(scope, receive, send)
    assert statuses[0] == 200


async def test_the_schema_is_json_that_loads_nothing_from_elsewhere(service: FakeService) -> None:
    async with client_of(make_app(service)) as client:
        for path in ("/schema", "/schema/openapi.json"):
            response = await client.get(path)
            schema = msgspec.json.decode(response.content)
            assert schema["openapi"].startswith("3.1")
            assert "//" not in response.text.replace("application/", "")
        assert {"/api/v1/triggers", "/api/v1/alerts/{alert_id}", "/api/v2/alerts"} <= set(schema["paths"])
        body = schema["paths"]["/api/v1/triggers"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["$ref"].endswith("TriggersBody")
        assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
        for page in ("redoc", "swagger", "elements"):
            problem(await client.get(f"/schema/{page}"), 404, 102)
