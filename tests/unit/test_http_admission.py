"""HTTP: tickets in URLs, and revocations."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.stores.connections import RevocationKind
from protocol.errors import PermissionDenied, StoreUnavailable
from tests.support.http_api import client_of, make_app, problem
from tests.support.http_service import BEARER, TOKEN, WHO, FakeService

SHOWN = {
    "user": "eve",
    "reason": "lost",
    "by": "ada",
    "at": "1970-01-01T00:00:00.000000Z",
    "ends_at": "1970-01-01T00:00:01.000000Z",
}


@pytest.fixture
def service() -> FakeService:
    return FakeService()


async def ask(service: FakeService, method: str, path: str, headers: Any = BEARER, **options: Any) -> httpx.Response:
    async with client_of(make_app(service)) as client:
        return await client.request(method, path, headers=headers, **options)


async def test_whoever_has_a_token_gets_a_ticket(service: FakeService) -> None:
    answer = await ask(service, "POST", "/api/v1/tickets")
    assert (answer.status_code, answer.json()) == (
        200,
        {"ticket": "once", "expires_at": "2026-01-01T00:00:30.000000Z"},
    )
    assert service.asked == [("issue_ticket", [WHO])]
    problem(await ask(service, "POST", "/api/v1/tickets", headers={}), 401, 101)


async def test_a_ticket_in_the_url_reads_once(service: FakeService) -> None:
    service.tickets["once"] = TOKEN
    assert (await ask(service, "GET", "/api/v1/alerts?ticket=once", headers={})).status_code == 200
    assert problem(await ask(service, "GET", "/api/v1/alerts?ticket=once", headers={}), 401, 101) == "invalid token"


@pytest.mark.parametrize("path", ["/api/v1/alerts/resolve", "/api/v1/tickets", "/api/v1/triggers"])
async def test_a_ticket_changes_nothing_and_is_not_used_up_by_trying(service: FakeService, path: str) -> None:
    service.tickets["once"] = TOKEN
    said = problem(await ask(service, "POST", f"{path}?ticket=once", headers={}, json={}), 400, 107)
    assert "a ticket in the URL only reads" in said
    assert (service.tickets, service.asked) == ({"once": TOKEN}, [])


@pytest.mark.parametrize(
    ("query", "headers"),
    [("ticket=once&ticket=once", {}), ("Ticket=once", {}), ("ticket=once&TICKET=x", {}), ("ticket=once", BEARER)],
)
async def test_one_ticket_or_one_token_and_nothing_between(service: FakeService, query: str, headers: Any) -> None:
    service.tickets["once"] = TOKEN
    said = problem(await ask(service, "GET", f"/api/v1/alerts?{query}", headers=headers), 400, 107)
    assert said == "send either one ?ticket= or 'Authorization: Bearer <token>'"
    assert service.tickets == {"once": TOKEN}


async def test_a_ticket_is_exchanged_for_a_token_once_and_without_another_credential(service: FakeService) -> None:
    service.tickets["once"] = TOKEN
    ticket = {"ticket": "once"}
    answer = await ask(service, "POST", "/api/v1/tokens", headers={}, json=ticket)
    assert (answer.status_code, answer.json()) == (
        200,
        {"token": TOKEN, "expires_at": "2026-01-01T01:00:00.000000Z"},
    )
    assert service.asked == [("exchange", [WHO, "127.0.0.1"])]
    again = await ask(service, "POST", "/api/v1/tokens", headers={}, json=ticket)
    assert problem(again, 401, 101) == "invalid token"


@pytest.mark.parametrize("body", [{}, {"ticket": 7}, {"ticket": "x" * 129}, {"ticket": "x", "role": "admin"}])
async def test_what_is_no_ticket_is_malformed(service: FakeService, body: Any) -> None:
    assert (await ask(service, "POST", "/api/v1/tokens", headers={}, json=body)).status_code == 400


@pytest.mark.parametrize("name", ["token", "access_token", "TOKEN"])
async def test_a_token_is_still_refused_in_a_url(service: FakeService, name: str) -> None:
    assert "a token in the URL" in problem(await ask(service, "GET", f"/api/v1/alerts?{name}=x"), 400, 107)


@pytest.mark.parametrize(
    ("body", "kind", "target"),
    [({"user": "eve"}, RevocationKind.USER, "eve"), ({"jti": "a/b c"}, RevocationKind.JTI, "a/b c")],
)
async def test_an_administrator_revokes(service: FakeService, body: Any, kind: RevocationKind, target: str) -> None:
    answer = await ask(service, "POST", "/api/v1/revocations", json=body | {"reason": "lost"})
    shown = {name: value for name, value in SHOWN.items() if name != "user"} | body | {"disconnected": 2}
    assert (answer.status_code, answer.json()) == (200, shown)
    assert service.asked == [("revoke", ([kind, target], "lost"))]


@pytest.mark.parametrize("body", [{}, {"user": "eve", "jti": "a"}, {"reason": "x"}])
async def test_a_revocation_says_what_it_means(service: FakeService, body: Any) -> None:
    said = problem(await ask(service, "POST", "/api/v1/revocations", json=body), 400, 107)
    assert said == "say either jti (one token) or user (all tokens of a user)"
    problem(await ask(service, "DELETE", "/api/v1/revocations"), 400, 107)


async def test_what_is_revoked_is_listed_and_taken_back(service: FakeService) -> None:
    answer = await ask(service, "GET", "/api/v1/revocations?limit=1&cursor=jti:a")
    shown = {name: value for name, value in SHOWN.items() if name != "reason"}
    assert answer.json() == {"items": [shown], "next_cursor": "user:eve"}
    answer = await ask(service, "DELETE", "/api/v1/revocations?user=eve")
    assert (answer.status_code, answer.content) == (204, b"")
    assert service.asked == [("revocations", ["jti:a", 1]), ("unrevoke", [RevocationKind.USER, "eve"])]


@pytest.mark.parametrize(
    ("fault", "status", "code"), [(PermissionDenied("no"), 403, 103), (StoreUnavailable("away"), 503, 120)]
)
async def test_a_revocation_that_is_refused_says_why(
    service: FakeService, fault: Exception, status: int, code: int
) -> None:
    service.failure = fault
    problem(await ask(service, "POST", "/api/v1/revocations", json={"user": "eve"}), status, code)


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:8080", "null"])
async def test_pages_of_other_origins_are_allowed_nothing(service: FakeService, origin: str) -> None:
    preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for method, headers in (("GET", BEARER | {"Origin": origin}), ("OPTIONS", preflight)):
        answer = await ask(service, method, "/api/v1/alerts", headers=headers)
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
