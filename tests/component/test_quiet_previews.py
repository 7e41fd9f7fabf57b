"""Which open alerts a silence or a window would mean, asked before it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from engine.http import quiet_previews
from engine.stores import RowPage
from protocol.model import Principal
from tests.support.http_api import problem
from tests.support.shelves import who
from tocsin.testing.engines import EngineUnderTest, an_engine

SILENCES, WINDOWS = "/api/v1/silences/preview", "/api/v1/maintenance/preview"


@pytest.fixture
async def engine(mock_clock: trio.testing.MockClock) -> AsyncIterator[EngineUnderTest]:
    async with an_engine() as engine:
        yield engine


@pytest.fixture
async def client(engine: EngineUnderTest) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {await engine.token(role='admin')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
        rings = [
            {"framework_id": framework, "title": f"{framework} {host}", "labels": {"host": host}}
            for framework in ("web", "db")
            for host in ("h1", "h2", "h10")
        ]
        await client.post("/api/v1/triggers", json={"alerts": rings})
        yield client


async def meant(client: httpx.AsyncClient, path: str, **body: Any) -> tuple[list[str], int, int]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    return sorted(alert["title"] for alert in said["items"]), said["matched"], said["looked_at"]


async def test_a_preview_names_the_open_alerts_that_all_matchers_mean(client: httpx.AsyncClient) -> None:
    hosts = {"name": "host", "operator": "=~", "value": "h1.*"}
    web = {"name": "framework_id", "value": "web"}
    assert await meant(client, SILENCES, matchers=[hosts, web]) == (["web h1", "web h10"], 2, 6)
    assert await meant(client, SILENCES, matchers=[{"name": "host", "value": "h3"}]) == ([], 0, 6)


async def test_a_preview_of_a_window_is_for_its_frameworks_or_for_the_whole_workspace(
    client: httpx.AsyncClient,
) -> None:
    assert await meant(client, WINDOWS, frameworks=["db"]) == (["db h1", "db h10", "db h2"], 3, 6)
    (_, matched, _) = await meant(client, WINDOWS)
    assert matched == 6
    (_, matched, _) = await meant(client, WINDOWS, frameworks=["db"], matchers=[{"name": "host", "value": "h1"}])
    assert matched == 1


async def test_a_preview_makes_nothing_and_what_is_over_is_not_in_it(client: httpx.AsyncClient) -> None:
    (one, *_) = (await client.get("/api/v1/alerts")).json()["items"]
    await client.post(f"/api/v1/alerts/{one['id']}/resolve", json={})
    (_, matched, looked_at) = await meant(client, WINDOWS)
    assert (matched, looked_at) == (5, 5)
    assert (await client.get("/api/v1/silences")).json()["items"] == []
    assert (await client.get("/api/v1/maintenance")).json()["items"] == []


async def test_a_preview_refuses_what_the_silence_would_be_refused_for(client: httpx.AsyncClient) -> None:
    answer = await client.post(SILENCES, json={"matchers": []})
    assert "matchers: at least one must not match an empty label" in problem(answer, 400, 107)
    for path in (SILENCES, WINDOWS):
        answer = await client.post(path, json={"matchers": [{"name": "a", "operator": "=~", "value": "(a"}]})
        assert "matchers[0].value: the regular expression" in problem(answer, 400, 107)


async def test_a_preview_shows_some_and_counts_the_rest(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet_previews, "SHOWN_MAX", 2)
    monkeypatch.setattr(quiet_previews, "SLICE", 4)
    said = (await client.post(WINDOWS, json={})).json()
    assert (len(said["items"]), said["matched"], said["is_whole"]) == (2, 6, True)
    newest = [alert["id"] for alert in (await client.get("/api/v1/alerts")).json()["items"][:2]]
    assert [alert["id"] for alert in said["items"]] == newest


class _Endless:
    """A workspace where more is always open."""

    def __init__(self) -> None:
        self.asked = 0

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        self.asked += 1
        return RowPage(items=[], next_cursor=str(self.asked))


async def test_a_preview_looks_at_a_few_pages_and_says_that_there_is_more() -> None:
    endless = _Endless()
    said = await quiet_previews._meant(endless, who("viewer"), lambda labels: True)
    assert (said.is_whole, endless.asked) == (False, quiet_previews.PAGES_MAX)
