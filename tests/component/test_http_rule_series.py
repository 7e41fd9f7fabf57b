"""What a rule sees now, over HTTP: its series with their states, asked of a channel that may have to be started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.cell import Cell
from actors.registry import Registry
from engine.app import Engine
from protocol.items import ReadingInput
from protocol.model import ChannelKey
from protocol.rules import ThresholdRule
from tests.support.engines import an_engine

WEB = ChannelKey("main", "web")
HOT = ThresholdRule(id="team/hot", framework="web", metric="cpu", threshold=90.0, for_s=60.0)
PATH = "/api/v1/rules/team%252Fhot/series"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    with trio.fail_after(120):
        async with an_engine(tmp_path, rules=(HOT,)) as engine:
            yield engine


def a_viewer(engine: Engine, **token: Any) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'viewer', **token)}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers)


def registry_of(engine: Engine) -> Registry:
    return engine._up.registry


async def read(engine: Engine, **hosts: float) -> None:
    readings = [
        ReadingInput(framework_id="web", metric="cpu", value=value, labels={"host": host})
        for host, value in hosts.items()
    ]
    await engine.service.read(engine.principal("p", "producer"), readings)


async def test_each_series_has_its_state_and_its_value(engine: Engine) -> None:
    await read(engine, h1=95.0, h2=20.0)
    async with a_viewer(engine) as client:
        answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert first.keys() == {
        "framework_id", "labels", "state", "value", "limit", "last_at", "since", "until", "alert_id",
        "no_data_alert_id", "reached",
    }  # fmt: skip
    assert (first["labels"], first["state"], first["value"], first["limit"]) == ({"host": "h1"}, "pending", 95, 90)
    assert first["since"] == first["last_at"] < first["until"]
    assert (second["state"], second["since"], second["until"]) == ("idle", None, None)
    assert answer.json()["next_cursor"] is None


async def test_pages_go_on_and_a_state_shows_only_its_own(engine: Engine) -> None:
    await read(engine, h1=95.0, h2=20.0, h3=96.0)
    async with a_viewer(engine) as client:
        page = (await client.get(PATH, params={"limit": 1})).json()
        found = page["items"]
        while page["next_cursor"] is not None:
            page = (await client.get(PATH, params={"limit": 1, "cursor": page["next_cursor"]})).json()
            found += page["items"]
        assert [each["labels"]["host"] for each in found] == ["h1", "h2", "h3"]
        pending = (await client.get(PATH, params={"state": "pending,firing"})).json()["items"]
        assert [each["labels"]["host"] for each in pending] == ["h1", "h3"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("state=loud", "use one or more of: idle, pending, firing, keeping, no_data"),
        ("cursor=first", "use the next_cursor of the page before"),
        ("limit=501", "limit: Expected `int` <= 500"),
        ("states=idle", "states"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_the_reason(engine: Engine, query: str, said: str) -> None:
    async with a_viewer(engine) as client:
        answer = await client.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, 107)
    assert said in answer.json()["detail"]


async def test_a_rule_of_a_framework_that_the_token_does_not_have_is_unknown(engine: Engine) -> None:
    async with a_viewer(engine, channels=["shop"]) as client:
        answer = await client.get(PATH)
        absent = await client.get("/api/v1/rules/nobody/series")
    assert (answer.status_code, answer.json()) == (404, absent.json())


async def test_no_channel_is_started_for_a_framework_that_nothing_was_read_for(engine: Engine) -> None:
    async with a_viewer(engine) as client:
        assert (await client.get(PATH)).json() == {"items": [], "next_cursor": None}
    assert not registry_of(engine).runs(WEB)


async def test_a_channel_that_does_not_run_is_started_and_knows_what_it_knew(tmp_path: Path) -> None:
    async with an_engine(tmp_path, rules=(HOT,)) as engine:
        await read(engine, h1=20.0)
    async with an_engine(tmp_path, rules=(HOT,)) as engine, a_viewer(engine) as client:
        assert not registry_of(engine).runs(WEB)
        [series] = (await client.get(PATH)).json()["items"]
        assert (series["state"], series["value"]) == ("idle", 20)


def fill(cell: Cell) -> None:
    cell.mailbox._limit = 0


def park(cell: Cell) -> None:
    cell.is_parked = True


@pytest.mark.parametrize(("trouble", "refused"), [(fill, 1), (park, 0)], ids=["full", "parked"])
async def test_a_channel_that_cannot_answer_is_busy_and_a_limit_is_counted(
    engine: Engine, trouble: Callable[[Cell], None], refused: int
) -> None:
    await read(engine, h1=20.0)
    trouble(registry_of(engine).cell(WEB))
    async with a_viewer(engine) as client:
        answer = await client.get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, 120)
    assert f'tocsin_refused_total{{limit="channel_mailbox"}} {refused}.0' in engine.metrics.render().decode()
