"""Alertmanager's form of silences over HTTP: shapes, status codes, filters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from protocol.times import SECOND_US, rfc3339
from tests.support.http_api import problem
from tests.support.shelves import Desk, a_desk, who
from tests.support.stores import NOW

PATH = "/api/v2/silences"
START, END = rfc3339(NOW), rfc3339(NOW + 3_600 * SECOND_US)
MATCHERS = [
    {"name": "a", "value": "1", "isRegex": False, "isEqual": True},
    {"name": "b", "value": "2", "isRegex": False, "isEqual": False},
    {"name": "c", "value": "3.*", "isRegex": True, "isEqual": True},
    {"name": "d", "value": "4.*", "isRegex": True, "isEqual": False},
]
SILENCE: dict[str, Any] = {
    "matchers": MATCHERS, "startsAt": START, "endsAt": END, "createdBy": "somebody", "comment": "on it"
}  # fmt: skip


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk() as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(who("responder")) as client:
        yield client


async def made(client: httpx.AsyncClient, **changes: Any) -> str:
    answer = await client.post(PATH, json=SILENCE | changes)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["silenceID"])


async def test_a_silence_comes_back_in_alertmanagers_form(client: httpx.AsyncClient) -> None:
    name = await made(client)
    shown = (await client.get(f"/api/v2/silence/{name}")).json()
    assert shown == {
        "id": name, "status": {"state": "active"}, "updatedAt": START, "comment": "on it", "createdBy": "ada",
        "endsAt": END, "startsAt": START, "matchers": MATCHERS,
    }  # fmt: skip
    assert (await client.get(PATH)).json() == [shown]


async def test_silences_are_filtered_by_the_values_of_their_matchers(client: httpx.AsyncClient) -> None:
    name = await made(client)
    assert [each["id"] for each in (await client.get(PATH, params={"filter": 'a="1"'})).json()] == [name]
    assert (await client.get(PATH, params={"filter": "a=2"})).json() == []


async def test_more_silences_than_a_page_are_all_there(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.http.alertmanager_silences.PAGE_MAX", 2)
    names = [await made(client) for _ in range(5)]
    assert [each["id"] for each in (await client.get(PATH)).json()] == names


async def test_an_edit_keeps_the_id_unless_the_silence_is_over(client: httpx.AsyncClient, desk: Desk) -> None:
    name = await made(client)
    assert await made(client, id=name, comment="still on it") == name
    assert (await client.get(f"/api/v2/silence/{name}")).json()["comment"] == "still on it"
    desk.now[0] += SECOND_US
    for _ in range(2):
        assert (await client.delete(f"/api/v2/silence/{name}")).status_code == 200
    assert (await client.get(f"/api/v2/silence/{name}")).json()["status"] == {"state": "expired"}
    assert await made(client, id=name) != name


async def test_what_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    name = await made(client)
    await client.post(f"/api/v1/silences/{name}/archive")
    problem(await client.get(f"/api/v2/silence/{name}"), 404, 102)
    problem(await client.delete("/api/v2/silence/nobody"), 404, 102)
    problem(await client.post(PATH, json=SILENCE | {"id": "nobody"}), 404, 102)


async def test_there_is_one_receiver(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v2/receivers")).json() == [{"name": "tocsin"}]
