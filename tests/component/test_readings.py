"""Readings from end to end over real HTTP: what was posted is stored, rolled up, and told to whoever may read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from engine.app import Engine
from engine.keepers.rollups import RollUps
from engine.stores.readings import KeptReadings, Resolution
from engine.verbs.readings import ReadingVerbs
from protocol.errors import StoreUnavailable
from protocol.times import SECOND_US
from tests.support.engines import an_engine

NOW = 1_700_000_000 * SECOND_US
HOUR_US = 3_600 * SECOND_US


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


def client_of(engine: Engine, workspace: str = "main", **limits: Any) -> httpx.AsyncClient:
    token = engine.issue_token(workspace, "ann", "editor", **limits)
    return httpx.AsyncClient(base_url=engine.http_url, headers={"Authorization": f"Bearer {token}"})


async def post(client: httpx.AsyncClient, *values: float, metric: str = "cpu", **labels: str) -> None:
    readings = [{"framework_id": "web", "metric": metric, "value": value, "labels": labels} for value in values]
    answer = await client.post("/api/v1/readings", json={"readings": readings})
    assert answer.status_code == 200, answer.text


async def asked(client: httpx.AsyncClient, **parameters: Any) -> Any:
    answer = await client.get("/api/v1/readings", params={"framework_id": "web", "metric": "cpu", **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_was_posted_is_told_each_and_by_the_minute_and_hour(engine: Engine) -> None:
    async with client_of(engine) as client:
        await post(client, 1.0, 2.5, host="a")
        await post(client, 7.0, host="b")
        page = await asked(client)
        assert (page["resolution"], page["next_cursor"]) == ("raw", None)
        assert [(item["value"], item["labels"]) for item in page["items"]] == [
            (1.0, {"host": "a"}),
            (2.5, {"host": "a"}),
            (7.0, {"host": "b"}),
        ]
        for resolution in ("1m", "1h"):
            items = (await asked(client, resolution=resolution, label="host=a"))["items"]
            assert (sum(item["count"] for item in items), sum(item["sum"] for item in items)) == (2, 3.5)


async def test_pages_follow_on_each_other(engine: Engine) -> None:
    async with client_of(engine) as client:
        await post(client, *range(7))
        first = await asked(client, limit=4)
        second = await asked(client, limit=4, cursor=first["next_cursor"])
        assert [item["value"] for item in first["items"] + second["items"]] == list(range(7))


async def test_the_series_of_a_framework_are_listed_with_their_newest_reading(engine: Engine) -> None:
    async with client_of(engine) as client:
        await post(client, 1.0, 2.0, host="a")
        await post(client, 9.0, metric="mem")
        page = (await client.get("/api/v1/frameworks/web/metrics")).json()
        assert [(item["metric"], item["labels"], item["last_value"]) for item in page["items"]] == [
            ("cpu", {"host": "a"}, 2.0),
            ("mem", {}, 9.0),
        ]


async def test_another_workspace_and_a_framework_that_does_not_exist_look_the_same(engine: Engine) -> None:
    async with client_of(engine) as ours, client_of(engine, "other") as theirs:
        await post(ours, 1.0)
        assert await asked(theirs) == await asked(ours, framework_id="nothing")
        paths = ("/api/v1/frameworks/web/metrics", "/api/v1/frameworks/nothing/metrics")
        foreign, absent = await theirs.get(paths[0]), await ours.get(paths[1])
        assert (foreign.status_code, foreign.json()) == (404, absent.json())


async def test_a_framework_without_readings_has_an_empty_list_of_series(engine: Engine) -> None:
    async with client_of(engine) as client:
        alert = {"alert": {"framework_id": "shop/web", "title": "disk"}}
        assert (await client.post("/api/v1/triggers", json=alert)).status_code == 200
        answer = await client.get("/api/v1/frameworks/shop%252Fweb/metrics")
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next_cursor": None})


async def test_a_token_for_other_channels_may_not_ask(engine: Engine) -> None:
    async with client_of(engine, channels=["db"]) as client:
        answer = await client.get("/api/v1/readings", params={"framework_id": "web", "metric": "cpu"})
        assert (answer.status_code, answer.json()["code"]) == (403, 103)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since is not before until"),
        ({"label": "host"}, "write label=host=web-1"),
        ({"label": [f"l{n}=x" for n in range(17)]}, "use at most 16"),
        ({"metric": ""}, "metric"),
        ({"cursor": "Zm9v"}, "cursor"),
        ({"resolution": "5m"}, "resolution"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    engine: Engine, parameters: dict[str, Any], complaint: str
) -> None:
    async with client_of(engine) as client:
        answer = await client.get("/api/v1/readings", params={"framework_id": "web", "metric": "cpu", **parameters})
        assert answer.status_code == 400
        assert complaint in answer.json()["detail"]


async def test_readings_are_counted(engine: Engine) -> None:
    async with client_of(engine) as client:
        await post(client, 1.0, 2.0)
        statistics = engine.statistics()["store"]
        assert statistics["readings"] == 2
        assert 0 < statistics["reading_bytes"] < 100


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (NOW - HOUR_US, NOW, Resolution.RAW),
        (NOW - 7 * HOUR_US, NOW - 6 * HOUR_US, Resolution.MINUTE),
        (NOW - 48 * HOUR_US, NOW, Resolution.MINUTE),
        (NOW - 49 * HOUR_US, NOW, Resolution.HOUR),
        (NOW - 240 * HOUR_US, NOW - 239 * HOUR_US, Resolution.HOUR),
    ],
)
def test_how_finely_is_chosen_by_the_length_and_by_what_is_kept(since: int, until: int, expected: Resolution) -> None:
    verbs = ReadingVerbs(None, lambda: NOW, KeptReadings())  # type: ignore[arg-type]  # asks no store
    assert verbs._sensible(since, until, NOW) is expected


async def test_roll_ups_take_turns_and_an_away_store_is_tried_again(autojump_clock: MockClock) -> None:
    turns: list[float] = []

    class AwayAtFirst:
        async def roll_up(self) -> int:
            turns.append(trio.current_time() - began)
            if len(turns) == 1:
                raise StoreUnavailable("away")
            return 0

    began = trio.current_time()
    with trio.move_on_after(25):
        await RollUps(AwayAtFirst(), 10, lambda: True).run(trio.TASK_STATUS_IGNORED)  # type: ignore[arg-type]
    assert turns == [0, 10, 20]
