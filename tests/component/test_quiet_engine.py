"""Quiet alerts in a whole engine, in virtual time: told with their marks, also by channels that nobody uses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import trio

from engine.http.previews import _previewed
from engine.quiet.quieting import end_silence
from engine.stores import AlertQuery
from engine.verbs.foresight import PREVIEWED_MAX
from protocol.items import ItemResult
from protocol.model import ChannelKey, QuietedBy, Reason, Status
from protocol.previews import Previewed
from protocol.rules import ThresholdRule
from protocol.times import rfc3339
from tocsin.testing.engines import EngineUnderTest, a_config, an_engine

SECOND_US = 1_000_000


@pytest.fixture
async def engine(mock_clock: trio.testing.MockClock) -> AsyncIterator[EngineUnderTest]:
    async with an_engine() as engine:
        yield engine


async def silence(engine: EngineUnderTest, start_s: float = 0, end_s: float = 3_600, **label: str) -> str:
    now = engine.engine._world.clock()
    given = {
        "matchers": [{"name": name, "value": value} for name, value in (label or {"alertname": "disk"}).items()],
        "starts_at": rfc3339(now + int(start_s * SECOND_US)),
        "ends_at": rfc3339(now + int(end_s * SECOND_US)),
        "comment": "on it",
    }
    return (await engine.engine.shelves.silences.create(engine.principal(), given)).id


async def listed(engine: EngineUnderTest, *reasons: QuietedBy) -> list[str]:
    query = AlertQuery(workspace="main", quieted=reasons)
    return [alert.title for alert in (await engine.engine.service.alerts(engine.principal(), query)).items]


async def test_followers_see_a_silenced_alert_with_its_mark_and_hear_it_when_the_silence_ends(
    engine: EngineUnderTest, mock_clock: trio.testing.MockClock
) -> None:
    name = await silence(engine)
    async with engine.follow("web") as alerts:
        result = await engine.ring("web", title="disk")
        assert (result.status.value, result.reason.value) == ("suppressed", "silenced")
        told = await alerts.next()
        assert (told.event.value, told.data.quieted_by, told.data.quieted_ref) == ("fired", QuietedBy.SILENCED, name)
        await end_silence(engine.engine.shelves.silences, engine.principal(), name, engine.engine._world.clock())
        again = await alerts.next()
        assert (again.event.value, again.data.quieted_by) == ("repeated", None)


async def test_a_silence_marks_what_a_channel_that_nobody_uses_has_open(
    engine: EngineUnderTest, mock_clock: trio.testing.MockClock
) -> None:
    await engine.ring("web", title="disk")
    await engine.pass_time(3_600)
    assert not [cell for cell in engine.engine._up.registry.cells() if cell.key.framework == "web"]
    await silence(engine, start_s=60)
    await engine.pass_time(30)
    assert await listed(engine, QuietedBy.SILENCED) == []
    await engine.pass_time(35)
    assert await listed(engine, QuietedBy.SILENCED) == ["disk"]
    await engine.pass_time(3_600)
    assert await listed(engine, *QuietedBy) == []


async def test_neither_a_silence_for_years_nor_a_weekly_window_keeps_a_channel_running(
    engine: EngineUnderTest, mock_clock: trio.testing.MockClock
) -> None:
    await engine.ring("web", title="disk")
    await engine.ring("api", title="other")
    await engine.pass_time(3_600)
    await silence(engine, end_s=70 * 365 * 86_400.0)
    window = {"id": "m", "title": "Sunday", "weekly": {"days": ["sun"], "start": "02:00", "end": "04:00"}}
    await engine.engine.shelves.maintenance.create(engine.principal(), window)
    await engine.pass_time(10)
    assert {cell.key.framework for cell in engine.engine._up.registry.cells()} == {"api", "web"}
    await engine.pass_time(120)
    assert engine.engine._up.registry.cells() == []
    assert await listed(engine, QuietedBy.SILENCED) == ["disk"]


async def a_viewer(engine: EngineUnderTest) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {await engine.token(role='viewer')}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers)


async def test_over_http_a_preview_says_why_and_nothing_happens(engine: EngineUnderTest) -> None:
    name = await silence(engine)
    async with await a_viewer(engine) as client:
        body = {"alert": {"framework_id": "web", "title": "disk"}}
        [result] = (await client.post("/api/v1/triggers/preview", json=body)).json()["results"]
        assert (result["status"], result["reason"], result["alertId"]) == ("suppressed", "silenced", None)
        [held] = [check for check in result["checks"] if check["holds"]]
        assert held["reason"] == "silenced"
        assert name in held["text"]
        readings = {"readings": [{"framework_id": "web", "metric": "m", "value": 1}]}
        [result] = (await client.post("/api/v1/readings/preview", json=readings)).json()["results"]
        assert (result["reason"], result["rules"]) == ("no_rule", [])
        assert (await client.get("/api/v1/alerts")).json()["items"] == []
        bad = {"alert": {"framework_id": "*", "title": "disk"}}
        assert (await client.post("/api/v1/triggers/preview", json=bad)).status_code == 400


async def test_a_list_is_previewed_in_order_by_the_channels_that_it_is_for(engine: EngineUnderTest) -> None:
    async with await a_viewer(engine) as client:
        alerts = [{"framework_id": framework, "title": "disk"} for framework in ("web", "db", "web", "db", "mail")]
        results = (await client.post("/api/v1/triggers/preview", json={"alerts": alerts})).json()["results"]
        assert [each["reason"] for each in results] == ["fired", "fired", "duplicate", "duplicate", "fired"]
        assert (await client.get("/api/v1/alerts")).json()["items"] == []


async def test_readings_that_very_many_rules_would_hear_are_refused_with_the_limit(
    mock_clock: trio.testing.MockClock,
) -> None:
    rules = tuple(ThresholdRule(id=f"r{n}", framework="web", metric="m", threshold=9.0) for n in range(11))
    async with an_engine(a_config(rules=rules)) as engine, await a_viewer(engine) as client:
        body = {"readings": [{"framework_id": "web", "metric": "m", "value": 1}] * 91}
        answer = await client.post("/api/v1/readings/preview", json=body)
        assert (answer.status_code, "1001 times or more in this preview, limit 1000" in answer.text) == (400, True)
        body["readings"].pop()
        assert (await client.post("/api/v1/readings/preview", json=body)).status_code == 200


@pytest.mark.parametrize(("count", "status"), [(PREVIEWED_MAX, 200), (PREVIEWED_MAX + 1, 400)])
async def test_a_list_that_is_too_long_to_preview_is_refused_with_the_limit(
    engine: EngineUnderTest, count: int, status: int
) -> None:
    async with await a_viewer(engine) as client:
        body = {"alerts": [{"framework_id": "web", "title": "disk"}] * count}
        answer = await client.post("/api/v1/triggers/preview", json=body)
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"].startswith("101 items in one preview, limit 100")


def test_a_preview_for_a_channel_that_is_full_is_refused_as_the_real_thing() -> None:
    refusal = ItemResult(status=Status.REJECTED, reason=Reason.BUSY, message="full")
    assert _previewed([refusal]) == [Previewed(status=Status.REJECTED, reason=Reason.BUSY, message="full")]


async def test_what_is_over_leaves_the_memory(engine: EngineUnderTest, mock_clock: trio.testing.MockClock) -> None:
    await silence(engine, end_s=100)
    orders = engine.engine._up.orders
    assert orders.of(ChannelKey("main", "web")).quieting.silences
    await engine.pass_time(101)
    assert orders.quiet.workspaces() == []
    assert not orders.of(ChannelKey("main", "web")).quieting.silences
