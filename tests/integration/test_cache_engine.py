"""The cache inside an engine: what is answered from it, and that nobody reads there what is not true any more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.cache import redis as levels
from engine.cache.strategies import OPEN_ALERTS, RULES
from engine.configuration.fields import SecretUrl
from engine.sections.cache import Cache, Redis
from engine.stores.objects import ObjectQuery
from tests.support.caches import UNHURRIED_S
from tests.support.engines import a_config
from tests.support.redis_server import RedisServer

RULE = {
    "kind": "threshold",
    "id": "hot",
    "framework": "checkout",
    "metric": "cpu",
    "threshold": 90.0,
    "severity": "critical",
}


@asynccontextmanager
async def an_engine(tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Engine, httpx.AsyncClient]]:
    async with Engine(a_config(tmp_path, rules=(), **settings)) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('acme', 'ann')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
            yield engine, client


@pytest.fixture(params=["memory", "redis"])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "memory":
        return {}
    # However slow the machine is: this is not about time.
    return {"redis": Redis(url=SecretUrl(request.getfixturevalue("redis").url)), "cache": Cache(wait_s=10.0)}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "TALK_MAX_S", UNHURRIED_S)


def hits(engine: Engine, name: str) -> int:
    return engine._up.cache.counts.hits(name)


async def titles(client: httpx.AsyncClient, **parameters: str) -> list[str]:
    answer = await client.get("/api/v1/rules", params=parameters)
    return [rule["title"] for rule in answer.raise_for_status().json()["items"]]


async def test_rules_are_read_once_and_anew_after_each_change(tmp_path, settings):
    async with an_engine(tmp_path, **settings) as (engine, client):
        assert await titles(client) == []
        made = await client.post("/api/v1/rules", json=RULE | {"title": "one"})
        assert await titles(client) == await titles(client) == ["one"]
        assert await titles(client, framework_id="checkout") == ["one"]
        asked = engine._up.cache.counts.misses[RULES.name]
        assert await titles(client) == ["one"]
        assert engine._up.cache.counts.misses[RULES.name] == asked
        seen = {"If-Match": made.headers["ETag"]}
        await client.patch("/api/v1/rules/hot", json={"title": "two"}, headers=seen)
        assert await titles(client) == await titles(client, framework_id="checkout") == ["two"]
        await client.delete("/api/v1/rules/hot")
        assert await titles(client) == await titles(client, framework_id="checkout") == []


async def test_another_workspace_never_sees_what_is_remembered_of_this_one(tmp_path, settings):
    async with an_engine(tmp_path, **settings) as (engine, client):
        await client.post("/api/v1/rules", json=RULE | {"title": "one"})
        assert await titles(client) == ["one"]
        foreign = {"Authorization": f"Bearer {engine.issue_token('umbrella', 'ann')}"}
        limited = {"Authorization": f"Bearer {engine.issue_token('acme', 'ann', channels=['search'])}"}
        for headers in (foreign, limited):
            answer = await client.get("/api/v1/rules", headers=headers)
            assert answer.json()["items"] == []


async def test_the_open_alerts_that_are_mine_are_read_once_and_anew_after_each_event(tmp_path, settings):
    mine = {"state": "active,acknowledged", "assigned_to": "ann"}

    async def states(client: httpx.AsyncClient, **parameters: str) -> list[str]:
        answer = await client.get("/api/v1/alerts", params=parameters)
        return [alert["state"] for alert in answer.raise_for_status().json()["items"]]

    async with an_engine(tmp_path, **settings) as (engine, client):
        assert await states(client, **mine) == []
        alert = {"framework_id": "checkout", "severity": "critical", "title": "down"}
        fired = await client.post("/api/v1/triggers", json={"alerts": [alert]})
        (result,) = fired.raise_for_status().json()["results"]
        path = f"/api/v1/alerts/{result['alertId']}"
        await client.post(f"{path}/assign", json={"assigned_to": "ann"})
        assert await states(client, **mine) == ["active"]
        await client.post(f"{path}/acknowledge", json={})
        assert await states(client, **mine) == ["acknowledged"]
        before = hits(engine, OPEN_ALERTS.name)
        assert await states(client, **mine) == ["acknowledged"]
        assert hits(engine, OPEN_ALERTS.name) == before + 1
        # Whatever else is asked is asked of the store.
        assert await states(client, state="acknowledged") == ["acknowledged"]
        assert await states(client, assigned_to="ann") == ["acknowledged"]
        assert await states(client, **(mine | {"assigned_to": "bob"})) == []
        assert hits(engine, OPEN_ALERTS.name) == before + 1
        await client.post(f"{path}/resolve", json={})
        assert await states(client, **mine) == []


async def test_a_fired_alert_ends_what_is_remembered_of_its_framework(tmp_path, settings):
    async with an_engine(tmp_path, **settings) as (engine, client):
        for framework in ("checkout", "search"):
            await titles(client, framework_id=framework)
        kept = {key.framework for _, key in engine._up.cache.memory._entries}
        alert = {"framework_id": "checkout", "severity": "critical", "title": "down"}
        await client.post("/api/v1/triggers", json={"alerts": [alert]})
        assert (kept, {key.framework for _, key in engine._up.cache.memory._entries}) == (
            {"checkout", "search"},
            {"search"},
        )


async def test_it_is_shown_to_prometheus(tmp_path, settings):
    async with an_engine(tmp_path, **settings) as (_, client):
        for _ in range(4):
            await titles(client)
        shown = (await client.get("/metrics")).text
        assert 'cache_hits_total{cache_type="rules"} 3.0' in shown
        assert 'cache_misses_total{cache_type="rules"} 1.0' in shown
        assert 'cache_hit_rate_percent{cache_type="rules"} 75.0' in shown
        assert 'cache_hit_rate_percent{cache_type="patterns"} 0.0' in shown
        assert ("tocsin_cache_up 1.0" in shown) is bool(settings)


async def test_an_engine_starts_and_serves_while_its_redis_is_gone_and_uses_it_when_it_is_back(tmp_path, redis):
    redis.stop()
    async with an_engine(tmp_path, redis=Redis(url=SecretUrl(redis.url)), cache=Cache(wait_s=10.0)) as (engine, client):
        await client.post("/api/v1/rules", json=RULE | {"title": "one"})
        assert await titles(client) == ["one"]
        redis.start_again()
        shared = engine._up.cache._shared
        assert shared is not None
        with trio.fail_after(170):
            while not shared.is_up:
                await trio.sleep(0.05)
        engine._up.cache.clear()
        assert await titles(client) == ["one"]
        with trio.fail_after(170):
            while not _entries(redis):
                await trio.sleep(0.05)


def _entries(redis: RedisServer) -> int:
    return len(redis.command("KEYS", "app:{acme}:cache:rules.*"))


async def test_a_question_about_all_workspaces_is_the_stores(tmp_path):
    async with an_engine(tmp_path) as (engine, client):
        await client.post("/api/v1/rules", json=RULE | {"title": "one"})
        parts = engine._up
        (rule,) = await parts.shelves.rules._kit.objects(ObjectQuery(kind="rule", workspace=None))
        assert rule.id == "hot"
        assert parts.cache.counts.misses["rules"] == 0
