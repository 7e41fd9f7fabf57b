"""What names a user, a team or an endpoint that is not there says so in each answer, and is kept all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.shelf.known_names import KnownNames
from engine.stores.objects import ObjectNews, StoredObject
from tests.support.engines import an_engine

API, ANY = "/api/v1", {"If-Match": "*"}
CHAIN = {
    "id": "web",
    "steps": [
        {"after_s": 60, "users": ["ann"], "teams": ["ops"], "endpoints": ["pager"]},
        {"after_s": 60, "endpoints": ["The pager"]},
    ],
}
PAGER = {"id": "pager", "name": "The pager", "channel": "email", "address": "ops@example.com"}


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with an_engine(tmp_path) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'boss', 'admin')}"}
        async with httpx.AsyncClient(base_url=engine.http_url + API, headers=headers) as client:
            yield client


async def made(boss: httpx.AsyncClient, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await boss.post(f"/{kind}", json=body)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def test_a_chain_says_whom_of_its_steps_there_is_not_until_there_is(boss: httpx.AsyncClient) -> None:
    shown = await made(boss, "escalations", CHAIN)
    assert shown["unknown"] == [
        "steps[0].users: there is no user 'ann'",
        "steps[0].teams: there is no team 'ops'",
        "steps[0].endpoints: there is no endpoint 'pager'",
        "steps[1].endpoints: there is no endpoint 'The pager'",
    ]
    sent_back = await boss.put("/escalations/web", json=shown, headers=ANY)
    assert (sent_back.status_code, sent_back.json()["version"]) == (200, 1)
    for kind, body in (("users", {"id": "ann"}), ("teams", {"id": "ops"}), ("endpoints", PAGER)):
        await made(boss, kind, body)
    assert "unknown" not in (await boss.get("/escalations/web")).json()
    await boss.post("/users/ann/archive")
    await boss.patch("/endpoints/pager", json={"name": "Another"}, headers=ANY)
    (listed,) = (await boss.get("/escalations")).json()["items"]
    assert [each.partition(":")[0] for each in listed["unknown"]] == ["steps[0].users", "steps[1].endpoints"]


async def test_rules_frameworks_and_preferences_say_it_too(boss: httpx.AsyncClient) -> None:
    rule = {"kind": "threshold", "id": "cpu", "framework": "web", "metric": "cpu", "threshold": 90, "notify": ["nope"]}
    assert (await made(boss, "rules", rule))["unknown"] == ["notify: there is no endpoint 'nope'"]
    framework = await made(boss, "frameworks", {"id": "web", "owner": "ops"})
    assert framework["unknown"] == ["owner: there is no team 'ops'"]
    assert (await made(boss, "preferences", {"id": "ghost"}))["unknown"] == ["id: there is no user 'ghost'"]
    assert "unknown" not in await made(boss, "rules", rule | {"id": "memory", "notify": []})


def news(object_id: str, body: str) -> ObjectNews:
    stored = StoredObject(
        **{"workspace": "acme", "kind": "endpoint", "id": object_id, "version": 1, "framework": None, "body": body},
        **{"created_at": 0, "updated_at": 0, "updated_by": "ann"},
    )
    told: dict[str, Any] = {"workspace": "acme", "kind": "endpoint", "id": object_id, "version": 1, "was_there": True}
    return ObjectNews(**told, now=stored)


def test_a_name_that_two_have_is_there_until_both_are_gone_and_what_cannot_be_read_has_none() -> None:
    names = KnownNames()
    names.told([news("a", '{"name": "pager"}'), news("b", '{"name": "pager"}'), news("c", "no JSON")])
    assert not names.is_there("acme", "endpoint", "c")
    for gone in ("a", "b"):
        assert names.is_there("acme", "endpoint", "pager")
        names.told([ObjectNews(workspace="acme", kind="endpoint", id=gone, version=2, now=None, was_there=True)])
    assert not names.is_there("acme", "endpoint", "pager")
    assert not names._known and set(names._of) == {("acme", "endpoint", "c")}
