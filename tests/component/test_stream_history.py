"""`/api/v1/history`: what a stream told before, page by page, and plainly what is not kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.app import Engine
from engine.sections.keeping import Retention
from protocol.items import TriggerInput
from tests.support.engines import an_engine


async def ring(engine: Engine, first: int, last: int, severity: str = "error", framework: str = "web") -> None:
    inputs = [TriggerInput(framework_id=framework, title=f"t{n}", severity=severity) for n in range(first, last + 1)]
    await engine.service.trigger(engine.principal("test"), inputs)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'viewer')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
        yield client


async def page(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    response = await client.get("/api/v1/history", params={"framework_id": "web", **parameters})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def titles(page: dict[str, Any]) -> list[str]:
    return [message["data"]["title"] for message in page["items"]]


async def test_pages_lead_through_all_of_it_in_order(engine: Engine, client: httpx.AsyncClient) -> None:
    await ring(engine, 1, 7)
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        found = await page(client, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += titles(found)
        cursor = found["next_cursor"]
    assert seen == [f"t{n}" for n in range(1, 8)]
    assert (cursor, found["offset"], found["trimmed"], found["channel"]) == (None, 7, False, "alerts:main:web")
    assert [(m["type"], m["prev"], m["offset"]) for m in found["items"]] == [("alert", 6, 7)]


async def test_after_a_place_comes_what_followed_it(engine: Engine, client: httpx.AsyncClient) -> None:
    await ring(engine, 1, 3)
    epoch = (await page(client))["epoch"]
    assert titles(await page(client, after=f"{epoch}:2")) == ["t3"]
    assert (await page(client, after=f"{epoch}:3"))["items"] == []


async def test_a_filter_leaves_out_and_still_leads_to_the_end(engine: Engine, client: httpx.AsyncClient) -> None:
    await ring(engine, 1, 2, "info")
    await ring(engine, 3, 3, "critical")
    await ring(engine, 4, 4, "info")
    found = await page(client, min_severity="error")
    assert (titles(found), found["next_cursor"]) == (["t3"], None)
    assert found["items"][0]["prev"] == 0
    found = await page(client, min_severity="error", limit=1)
    assert titles(found) == ["t3"]


async def test_what_was_trimmed_is_told(tmp_path: Path) -> None:
    keep = Retention(events_s=0, events_per_channel=300)
    async with an_engine(tmp_path, retention=keep) as engine:
        await ring(engine, 1, 400)
        parts = engine._up
        assert await parts.store.trim(parts.clock()) == 100
    # Started afresh: what was told lately is not in memory any more.
    async with an_engine(tmp_path, retention=keep) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'viewer')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
            found = await page(client, limit=500)
            later = await page(client, limit=500, after=f"{found['epoch']}:100")
    assert (found["trimmed"], found["floor"], len(found["items"])) == (True, 100, 300)
    assert (later["trimmed"], len(later["items"])) == (False, 300)


async def test_a_whole_workspace_has_its_history_too(engine: Engine, client: httpx.AsyncClient) -> None:
    await ring(engine, 1, 1)
    await ring(engine, 2, 2, framework="db")
    response = await client.get("/api/v1/history", params={"channel": "workspace"})
    assert titles(response.json()) == ["t1", "t2"]


@pytest.mark.parametrize(
    ("parameters", "status", "complaint"),
    [
        ({}, 400, "either framework_id or channel"),
        ({"framework_id": "web", "after": "7"}, 400, "no place in a stream"),
        ({"framework_id": "web", "after": "elsewhere:1"}, 400, "another one now"),
        ({"framework_id": "web", "after": "EPOCH:9"}, 400, "not told yet, the last one is 1"),
        ({"framework_id": "web", "after": "EPOCH:0", "cursor": "EPOCH:0"}, 400, "not both"),
        ({"channel": "alerts:other:web"}, 404, "there is no channel"),
        ({"framework_id": "web", "limit": 501}, 400, "limit"),
    ],
)
async def test_what_cannot_be_told_is_refused(
    engine: Engine, client: httpx.AsyncClient, parameters: dict[str, Any], status: int, complaint: str
) -> None:
    await ring(engine, 1, 1)
    epoch = (await page(client))["epoch"]
    asked = {name: str(value).replace("EPOCH", epoch) for name, value in parameters.items()}
    response = await client.get("/api/v1/history", params=asked)
    assert response.status_code == status
    assert complaint in response.json()["detail"]
