"""The HTTP application on a service that answers what it is told, and what is said of a problem."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from engine.http.app import create_app
from engine.http.ports import About
from protocol.times import parse_rfc3339
from tests.support.http_service import ALERT, BEARER, FakeService

NOW = parse_rfc3339("2026-01-01T12:00:00Z")
RESULT = {"status": "fired", "reason": "fired", "alertId": ALERT.id, "offset": 7}


def make_app(service: FakeService, **options: Any) -> Any:
    about = About(name="tocsin", version="1.2", ws="ws://127.0.0.1:3008", heartbeat_s=30)
    return create_app(service, service, service, lambda: b"up 1\n", lambda: about, clock=lambda: NOW, **options)


def client_of(app: Any, host: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://tocsin", **options)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
async def client(service: FakeService) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_app(service), headers=BEARER) as client:
        yield client


def problem(response: httpx.Response, status: int, code: int) -> str:
    """Checks that an answer is a problem; its detail. Below `/api/v2/` it is the sentence alone, and has no code."""
    assert response.status_code == status, response.text
    if response.request.url.path.startswith("/api/v2/"):
        assert response.headers["content-type"] == "application/json"
        assert isinstance(response.json(), str)
        return str(response.json())
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "title", "status", "detail", "code", "temporary"} == set(body)
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    return str(body["detail"])
