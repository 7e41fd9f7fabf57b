"""Event streams over real HTTP, from a real engine: recovery as on the socket, an end that says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.http.head import HeadAsGet
from engine.sections.doors import Api
from protocol.hints import BroadcastTo
from protocol.items import TriggerInput
from tests.support.engines import an_engine
from tests.support.event_readers import Heard, Reader, reading


def bearer(engine: Engine, role: str = "viewer", **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {engine.issue_token('main', 'ann', role, **claims)}"}


def following(engine: Engine, query: str = "framework_id=web", **headers: str) -> AbstractAsyncContextManager[Reader]:
    return reading(engine, query, **bearer(engine), **headers)


async def ring(engine: Engine, *titles: str, severity: str = "error", framework: str = "web") -> None:
    inputs = [TriggerInput(framework_id=framework, title=title, severity=severity) for title in titles]
    await engine.service.trigger(engine.principal("test"), inputs)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


async def test_a_stream_tells_what_happens_from_its_beginning_on(engine: Engine) -> None:
    await ring(engine, "before")
    async with following(engine) as reader:
        assert (reader.head.status_code, dict(reader.head.headers)[b"content-type"]) == (200, b"text/event-stream")
        subscribed = await reader.next()
        assert (subscribed.kind, subscribed.data["reason"], subscribed.data["offset"]) == ("subscribed", "fresh", 1)
        assert subscribed.place == f"{subscribed.data['epoch']}:1"
        await ring(engine, "after")
        alert = await reader.next()
        assert (alert.kind, alert.data["data"]["title"], alert.data["prev"]) == ("alert", "after", 1)
        assert alert.place == f"{subscribed.data['epoch']}:2"


async def test_who_comes_back_gets_all_that_was_missed_before_anything_live(engine: Engine) -> None:
    await ring(engine, "one")
    async with following(engine) as reader:
        place = (await reader.next()).place
    await ring(engine, "two", "three")
    for query, headers in (("", {"Last-Event-ID": place}), (f"&last_event_id={place}", {})):
        async with following(engine, f"frameworkId=web{query}", **headers) as reader:
            subscribed = await reader.next()
            assert (subscribed.data["recovered"], subscribed.place) == (True, None)
            assert [(await reader.next()).data["data"]["title"] for _ in range(2)] == ["two", "three"]


async def test_a_place_of_another_store_is_told_and_nothing_is_recovered(engine: Engine) -> None:
    await ring(engine, "one")
    async with following(engine, **{"Last-Event-ID": "elsewhere:1"}) as reader:
        subscribed = await reader.next()
        assert (subscribed.data["recovered"], subscribed.data["reason"]) == (False, "epoch_changed")


async def test_a_filter_leaves_out_and_a_position_says_that_nothing_is_missing(engine: Engine) -> None:
    async with following(engine, "channel=workspace&min_severity=critical") as reader:
        await reader.next()
        await ring(engine, "mild", severity="info")
        await ring(engine, "loud", severity="critical", framework="db")
        assert (await reader.next()).data["data"]["title"] == "loud"
        position = await reader.next("position")
        assert position.place is not None and position.place.endswith(":2")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 400, 107),
        ("channel=workspace&framework_id=web", 400, 107),
        ("frameworkId=web&framework_id=web", 400, 107),
        ("framework_id=web&min_severity=loud", 400, 107),
        ("framework_id=web&last_event_id=x", 400, 107),
        ("channel=alerts:other:web", 404, 102),
        ("channel=user:other:eve", 404, 102),
        ("framework_id=web&token=x", 400, 107),
    ],
)
async def test_what_cannot_be_followed_is_a_problem_and_no_stream(
    engine: Engine, query: str, status: int, code: int
) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url, headers=bearer(engine)) as client:
        response = await client.get(f"/api/v1/stream?{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_ticket_opens_one_stream(engine: Engine) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url) as client:
        ticket = (await client.post("/api/v1/tickets", headers=bearer(engine))).json()["ticket"]
        async with reading(engine, f"framework_id=web&ticket={ticket}", Accept="text/event-stream") as reader:
            assert (await reader.next()).kind == "subscribed"
        assert (await client.get(f"/api/v1/stream?framework_id=web&ticket={ticket}")).status_code == 401


async def test_head_is_answered_without_a_stream(engine: Engine) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url, headers=bearer(engine)) as client:
        response = await client.head("/api/v1/stream?framework_id=web")
    assert (response.status_code, response.content) == (200, b"")


async def test_the_head_of_an_answer_without_end_ends_it() -> None:
    sent: list[Any] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await trio.sleep_forever()

    async def send(message: Any) -> None:
        sent.append(message)

    with trio.fail_after(60):
        await HeadAsGet(endless)({"type": "http", "method": "HEAD"}, None, send)  # type: ignore[arg-type]
    assert sent[1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_more_streams_than_allowed_are_refused_by_name(tmp_path: Path) -> None:
    async with (
        an_engine(tmp_path, api=Api(streams_max=2, streams_per_user_max=1)) as engine,
        following(engine) as first,
        reading(engine, Authorization=f"Bearer {engine.issue_token('main', 'eve')}") as second,
        httpx.AsyncClient(base_url=engine.http_url) as client,
    ):
        for reader in (first, second):
            await reader.next()
        for user, text in (
            ("ann", "1 event stream of this user, limit 1 (api.streams_per_user_max)"),
            ("bob", "2 event streams, limit 2 (api.streams_max)"),
        ):
            headers = {"Authorization": f"Bearer {engine.issue_token('main', user)}"}
            refused = await client.get("/api/v1/stream?framework_id=web", headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (429, 106)
            assert text in refused.json()["detail"]
            assert refused.headers["retry-after"] == "10"
        metrics = (await client.get("/metrics")).text
        assert 'tocsin_refused_total{limit="streams"} 1.0' in metrics
        assert 'tocsin_http{figure="event_streams"} 2.0' in metrics


async def test_an_operator_ends_a_stream_and_its_reader_hears_why(engine: Engine) -> None:
    async with following(engine) as reader:
        await reader.next()
        (connection,) = (await engine.operators.connections(engine.principal("boss"))).items
        assert (connection.user, connection.subscriptions) == ("ann", 1)
        await engine.operators.disconnect(engine.principal("boss"), connection.client_id)
        (bye,) = [heard for heard in await reader.rest() if heard.kind == "bye"]
    assert bye.data["code"] == 3503


async def test_a_revoked_user_is_cut(engine: Engine) -> None:
    async with following(engine) as reader, httpx.AsyncClient(base_url=engine.http_url) as client:
        await reader.next()
        body = {"user": "ann"}
        done = await client.post("/api/v1/revocations", json=body, headers=bearer(engine, "admin"))
        assert done.json()["disconnected"] == 1
        assert (await reader.next("bye")).data["code"] == 3500


async def test_a_broadcast_reaches_the_reader_without_a_place(engine: Engine) -> None:
    async with following(engine) as reader:
        await reader.next()
        assert await engine.broadcast(BroadcastTo.FRAMEWORK, "web", "lunch") == 1
        word = await reader.next()
    assert (word.kind, word.place, word.data["message"], word.data["to"]) == ("broadcast", None, "lunch", "framework")


async def test_a_stop_ends_all_streams_and_says_when_to_come_back(tmp_path: Path) -> None:
    heard: list[Heard] = []
    async with trio.open_nursery() as nursery:
        is_open = trio.Event()
        async with an_engine(tmp_path) as engine:

            async def read() -> None:
                async with following(engine) as reader:
                    await reader.next()
                    is_open.set()
                    heard.extend(await reader.rest())
                    assert reader.retry_ms is not None

            nursery.start_soon(read)
            await is_open.wait()
    assert heard[-1].kind == "bye"
    assert heard[-1].data["code"] == 3001
