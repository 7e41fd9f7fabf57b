"""The HTTP API against a service that answers what it is told: triggers, alerts, who may come in, what goes wrong."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import structlog
import trio
from litestar.exceptions import InternalServerException
from litestar.routes import HTTPRoute

from protocol.errors import Busy, PermissionDenied, TooManyRequests
from protocol.items import ItemResult
from protocol.model import AlertState, Reason, Severity, Status
from tests.support.http_api import NOW, RESULT, client, client_of, make_app, problem, service
from tests.support.http_service import ALERT, BEARER, FIRED, WHO, FakeService

__all__ = ["client", "service"]

# At `tokens` one shows a ticket.
PUBLIC = {
    *("/healthz", "/readyz", "/metrics", "/api/v1/about", "/api/v1/tokens"),
    *("/schema", "/schema/openapi.json", "/schema/{path:str}"),
}


# --- triggers and readings ---------------------------------------------------------------------------------------


async def test_many_triggers_are_answered_with_a_result_each(client: httpx.AsyncClient, service: FakeService) -> None:
    alerts = [{"framework_id": "web", "title": "one"}, {"framework_id": "web", "title": "two"}]
    response = await client.post("/api/v1/triggers", json={"alerts": alerts})
    assert (response.status_code, response.json()) == (200, {"results": [RESULT, RESULT]})
    [(verb, inputs)] = service.asked
    assert (verb, [i.title for i in inputs]) == ("trigger", ["one", "two"])


async def test_a_single_trigger_may_be_sent_alone(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web"}})
    assert response.json() == {"results": [RESULT]}


async def test_readings_are_answered_with_a_result_each(client: httpx.AsyncClient, service: FakeService) -> None:
    reading = {"framework_id": "web", "metric": "cpu", "value": 1}
    response = await client.post("/api/v1/readings", json={"readings": [reading]})
    assert response.json() == {"results": [RESULT]}
    assert service.asked[0][1][0].value == 1.0


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b'{"alerts": [{"framework_id": 5}]}', "Expected `str`, got `int` - at `$.alerts[0].framework_id`"),
        (b'{"alerts": [{"framework_id": "a", "current_value": "5"}]}', "at `$.alerts[0].current_value`"),
        (b'{"alerts": []}', "length >= 1"),
        (b"{}", "exactly one of the two"),
        (b'{"alert": {"framework_id": "a"}, "alerts": [{"framework_id": "a"}]}', "exactly one of the two"),
        (b"{", "invalid body"),
        (b'{"alert": {"framework_id": "\xff"}}', "UTF-8"),
        (b'{"x":' * 100_000, "unknown field `x`; its fields: alert, alerts; "),
        (b"", "a JSON body is needed"),
        (b" ", "a JSON body is needed"),
        (b'{"alert": {"framework_id": "a", "title": "x\\ud83d"}}', "half of a surrogate pair (\\ud83d)"),
        (b'{"alert": {"framework_id": "a", "title": "\\\\ud83d", "message": "\\ude00 and more"}}', "pair (\\ude00)"),
        (b'{"alert": {"framework_id": "a", "title": "\\ud83d\\ude00"', "ends before it is complete"),
        (b'{"alerts": [' + b'{"framework_id": "a"},' * 9_000 + b"5]}", "got `int` - at `$.alerts[9000]`"),
        (b'{"alert": {"framework_id": 5, "title": "\xff"}}', '; for example "framework_id": "web"'),
    ],
)
async def test_a_bad_body_is_refused_with_its_field(client: httpx.AsyncClient, body: bytes, complaint: str) -> None:
    response = await client.post("/api/v1/triggers", content=body, headers={"Content-Type": "application/json"})
    assert complaint in problem(response, 400, 107)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}]
)
async def test_another_kind_of_body_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    problem(await client.post("/api/v1/triggers", content=b"{}", headers=headers), 415, 107)


async def test_json_may_be_named_precisely_or_not_at_all(client: httpx.AsyncClient) -> None:
    body = b'{"alert": {"framework_id": "web"}}'
    for headers in ({"Content-Type": "application/vnd.acme+json; charset=utf-8"}, {}):
        assert (await client.post("/api/v1/triggers", content=body, headers=headers)).status_code == 200


async def test_a_body_above_the_limit_is_refused(service: FakeService) -> None:
    async with client_of(make_app(service, body_max_bytes=100), headers=BEARER) as client:
        detail = problem(await client.post("/api/v1/triggers", content=b" " * 101), 413, 106)
        assert detail == "the body is too large: 101 bytes, limit 100 (api.body_max_bytes)"
    assert service.asked == []


# --- alerts ------------------------------------------------------------------------------------------------------


async def test_a_page_of_alerts_has_items_and_a_cursor(client: httpx.AsyncClient, service: FakeService) -> None:
    body = (await client.get("/api/v1/alerts")).json()
    assert [item["id"] for item in body["items"]] == [ALERT.id]
    assert body["next_cursor"] == "more"
    [(_, [query])] = service.asked
    assert (query.workspace, query.frameworks, query.limit, query.states) == ("acme", ("web", "db"), 50, ())


async def test_every_filter_reaches_the_query(client: httpx.AsyncClient, service: FakeService) -> None:
    parameters = (
        "limit=500&cursor=abc&framework_id=web&rule_id=r1&state=active,acknowledged&state=resolved"
        "&severity=critical&assigned_to=eve&since=2026-01-01T12:00:00Z&until=2026-01-01T14:00:00%2B02:00"
    )
    await client.get(f"/api/v1/alerts?{parameters}")
    [(_, [query])] = service.asked
    assert (query.limit, query.cursor, query.framework, query.rule_id) == (500, "abc", "web", "r1")
    assert query.states == (AlertState.ACTIVE, AlertState.ACKNOWLEDGED, AlertState.RESOLVED)
    assert query.severities == (Severity.CRITICAL,)
    assert query.since_us == query.until_us == NOW


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ("limit=0", "limit: Expected `int` >= 1"),
        ("limit=501", "limit: Expected `int` <= 500"),
        ("limit=many", "limit: Expected `int`"),
        ("state=open", "use one or more of: active, acknowledged, resolved, expired"),
        ("severity=loud", "info, warning, error, critical"),
        ("since=now", "since: 'now' is no time"),
        ("until=2026-01-01T14:00:00+02:00", "in a URL write '+' as %2B"),
        ("framework_id=*", "framework_id '*' is not allowed"),
        ("rule_id=a/../b", "rule_id"),
        (f"cursor={'x' * 1_600}", "cursor"),
    ],
)
async def test_a_bad_filter_is_refused_with_what_is_allowed(
    client: httpx.AsyncClient, parameters: str, complaint: str
) -> None:
    assert complaint in problem(await client.get(f"/api/v1/alerts?{parameters}"), 400, 107)


async def test_one_alert_is_returned_whole(client: httpx.AsyncClient) -> None:
    body = (await client.get(f"/api/v1/alerts/{ALERT.id}")).json()
    assert (body["id"], body["framework_id"], body["labels"]) == (ALERT.id, "web", {"host": "h1"})


@pytest.mark.parametrize("alert_id", ["unknown", "%00", "a%2A"])
async def test_an_unknown_alert_is_not_found(client: httpx.AsyncClient, alert_id: str) -> None:
    problem(await client.get(f"/api/v1/alerts/{alert_id}"), 404, 102)


async def test_recipients_of_an_alert_come_in_pages(client: httpx.AsyncClient, service: FakeService) -> None:
    response = await client.get(f"/api/v1/alerts/{ALERT.id}/recipients?limit=7&cursor=abc")
    assert response.json() == {
        "items": [{"user": "ann", "received_at": ALERT.triggered_at, "seen_at": None}],
        "next_cursor": "more",
    }
    assert service.asked == [("recipients", [ALERT.id, "abc", 7])]


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.UNKNOWN_ALERT, 404, 102),
        (Reason.BUSY, 503, 120),
        (Reason.FAILED, 500, 100),
        (Reason.ALREADY, 409, 107),
        (Reason.INVALID, 400, 107),
    ],
)
async def test_a_change_that_is_rejected_is_a_problem(
    client: httpx.AsyncClient, service: FakeService, reason: Reason, status: int, code: int
) -> None:
    service.result = ItemResult(status=Status.REJECTED, reason=reason, message="because")
    detail = problem(await client.post(f"/api/v1/alerts/{ALERT.id}/resolve"), status, code)
    assert detail == "because"


async def test_a_rejection_without_a_message_says_what_its_kind_says(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.result = ItemResult(status=Status.REJECTED, reason=Reason.ALREADY)
    assert "not in a state" in problem(await client.post(f"/api/v1/alerts/{ALERT.id}/resolve"), 409, 107)


# --- who may come in ---------------------------------------------------------------------------------------------


async def test_every_route_that_is_not_public_needs_a_token(service: FakeService) -> None:
    app = make_app(service)
    routes = [route for route in app.routes if isinstance(route, HTTPRoute) and route.path not in PUBLIC]
    assert len(routes) >= 10
    async with client_of(app) as client:
        for route in routes:
            for method in route.methods:
                response = await client.request(method, route.path_format.replace("{alert_id}", "x"))
                problem(response, 401, 101)
                assert response.headers["www-authenticate"] == 'Bearer realm="tocsin"'
    assert service.asked == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_may_be_written_in_any_case(service: FakeService, scheme: str) -> None:
    async with client_of(make_app(service)) as client:
        response = await client.get("/api/v1/alerts", headers={"Authorization": f"{scheme}  good "})
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer wrong", 101),
        ("Bearer old", 109),
        ("Basic Z29vZA==", 101),
        ("Bearer", 101),
        ("Bearer " + "x" * 9_000, 101),
    ],
)
async def test_a_bad_token_is_answered_with_how_to_come_in(service: FakeService, header: str, code: int) -> None:
    async with client_of(make_app(service)) as client:
        response = await client.get("/api/v1/alerts", headers={"Authorization": header})
        problem(response, 401, code)
        assert response.headers["www-authenticate"] == 'Bearer realm="tocsin", error="invalid_token"'


@pytest.mark.parametrize("path", ["/api/v1/alerts", "/healthz"])
@pytest.mark.parametrize("parameter", ["token", "access_token", "Token"])
async def test_a_token_in_the_url_is_refused(client: httpx.AsyncClient, path: str, parameter: str) -> None:
    assert "in the URL" in problem(await client.get(f"{path}?{parameter}=good"), 400, 107)


async def test_the_service_is_asked_in_the_name_of_the_bearer(client: httpx.AsyncClient, service: FakeService) -> None:
    await client.get("/api/v1/alerts")
    assert service.asked[0][1][0].workspace == WHO.workspace


# --- what goes wrong ---------------------------------------------------------------------------------------------


async def test_an_unknown_path_and_a_wrong_method_are_problems(client: httpx.AsyncClient) -> None:
    assert "/nothing" in problem(await client.get("/nothing"), 404, 102)
    response = await client.put("/api/v1/triggers")
    assert "PUT is not possible at /api/v1/triggers; allowed: OPTIONS, POST" in problem(response, 405, 107)
    assert response.headers["allow"] == "OPTIONS, POST"
    response = await client.post("/api/v1/alerts/aknowledge", json={})
    assert "allowed: GET, HEAD, OPTIONS" in problem(response, 405, 107)
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("failure", "status", "code", "retry"),
    [
        (Busy("full"), 503, 120, "1"),
        (TooManyRequests("slow down"), 429, 111, "1"),
        (PermissionDenied("no"), 403, 103, None),
    ],
)
async def test_what_the_service_refuses_is_passed_on(
    client: httpx.AsyncClient, service: FakeService, failure: Exception, status: int, code: int, retry: str | None
) -> None:
    service.failure = failure
    response = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web"}})
    assert problem(response, status, code) == str(failure)
    assert response.headers.get("retry-after") == retry


async def test_an_unforeseen_fault_is_logged_and_its_text_kept_from_the_client(
    client: httpx.AsyncClient, service: FakeService
) -> None:
    service.failure = ValueError("secret of the house")
    with structlog.testing.capture_logs() as logs:
        response = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web"}})
    assert "secret" not in problem(response, 500, 100)
    assert response.json()["temporary"] is True
    [entry] = logs
    assert (entry["event"], entry["method"], entry["path"]) == ("http_request_failed", "POST", "/api/v1/triggers")
    assert entry["exc_info"] is service.failure


async def test_a_fault_inside_the_framework_is_a_fault_of_ours(client: httpx.AsyncClient, service: FakeService) -> None:
    service.failure = InternalServerException("its own words")
    with structlog.testing.capture_logs() as logs:
        assert "its own" not in problem(await client.get("/api/v1/alerts"), 500, 100)
    assert len(logs) == 1


async def test_what_the_framework_refuses_by_itself_is_a_problem_in_its_words(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/triggers", content=b"{}", headers={"Content-Length": "many"})
    assert "content-length" in problem(response, 400, 107)


async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/alerts", "/nothing", "/healthz", "/schema"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]


async def test_requests_are_answered_side_by_side(service: FakeService) -> None:
    gate = trio.Event()
    answered: list[int] = []
    real = service.trigger

    async def slow(*args: Any) -> Any:
        await gate.wait()
        return await real(*args)

    service.trigger = slow  # type: ignore[method-assign]
    async with client_of(make_app(service), headers=BEARER) as client, trio.open_nursery() as nursery:

        async def ring() -> None:
            response = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web"}})
            answered.append(response.status_code)

        nursery.start_soon(ring)
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.get("/healthz")).status_code == 200
        assert answered == []
        gate.set()
    assert answered == [200]
    assert service.result is FIRED


async def test_a_user_with_too_many_requests_is_told_when_to_come_again(service: FakeService) -> None:
    service.is_flooded = True
    async with client_of(make_app(service), headers=BEARER) as client:
        response = await client.get("/api/v1/alerts")
    assert problem(response, 429, 111) == "too many requests (messages_per_s: 1 a second, 1 at once)"
    assert response.headers["Retry-After"] == "3", "whole seconds, rounded up"
    assert service.asked == [], "nothing was done"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/triggers", {"alerts": [{"framework_id": "web"}] * 3}),
        ("/api/v1/readings", {"readings": [{"framework_id": "web", "metric": "m", "value": 1.0}] * 3}),
        ("/api/v1/alerts/resolve", {"alertIds": ["a", "b", "c"]}),
        ("/api/v2/alerts", [{"labels": {"alertname": "x"}}] * 3),
    ],
)
async def test_nothing_is_done_of_a_request_with_too_many_items(
    client: httpx.AsyncClient, service: FakeService, path: str, body: Any
) -> None:
    service.items_max = 2
    response = await client.post(path, json=body)
    problem(response, 429, 111)
    assert response.headers["Retry-After"] == "1"
    assert service.asked == []
