"""Patterns over HTTP: what is found, and what people say of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from engine.access.audit import AuditTrail
from engine.analytics.pattern_findings import LAST_RUN, RUN
from engine.cache.cache import Cache
from engine.cache.strategies import PATTERNS_CHANGED
from engine.http.operators import PeerAddress
from engine.http.patterns import pattern_routes
from engine.stores import Store, open_store
from engine.stores.findings import Finding
from engine.stores.trail import TrailQuery
from engine.verbs.patterns import PatternVerbs
from protocol.model import Principal
from protocol.patterns import Lacking, Pattern, PatternKind, PatternRun, PatternState, Source
from protocol.times import SECOND_US, rfc3339
from tests.support.caches import a_node
from tests.support.http_api import client_of, make_app
from tests.support.http_service import FakeService
from tests.support.patterns import a_pattern, findings_of
from tests.support.stores import NOW

PATH = "/api/v1/patterns"
ANN = Principal(workspace="acme", user="ann", role="responder", expires_at=2**40)
WHO = {
    "ann": ANN,
    "viewer": msgspec.structs.replace(ANN, user="vic", role="viewer"),
    "bounded": msgspec.structs.replace(ANN, user="bob", channels=("web",)),
    "stranger": msgspec.structs.replace(ANN, workspace="umbrella"),
}
PATTERNS = [
    a_pattern("p1"),
    a_pattern("p2", kind=PatternKind.FLAPPING, confidence=0.6, since=rfc3339(NOW + 1)),
    a_pattern("p3", framework="db", sources=(Source("db", "cpu", "CPU"),), since=rfc3339(NOW + 2 * SECOND_US)),
    a_pattern("p4", framework=None, since=rfc3339(NOW + 3 * SECOND_US), state=PatternState.CONFIRMED),
]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store("memory:", clock=lambda: NOW) as store:
        await store.put_findings(findings_of(PATTERNS))
        yield store


@pytest.fixture
def cache() -> Cache:
    return a_node().cache


@pytest.fixture
async def verbs(store: Store, cache: Cache) -> PatternVerbs:
    return PatternVerbs(store, AuditTrail(store, lambda: NOW, 5.0), lambda: NOW, cache)


@pytest.fixture
async def client(verbs: PatternVerbs) -> AsyncIterator[httpx.AsyncClient]:
    service = FakeService()
    service.principals |= WHO
    async with client_of(make_app(service, routes=pattern_routes(verbs, PeerAddress()))) as client:
        yield client


def as_one(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


async def ids(client: httpx.AsyncClient, who: str = "ann", **query: Any) -> list[str]:
    answer = await client.get(PATH, params=query, headers=as_one(who))
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["p4", "p3", "p2", "p1"]),
        ({"framework_id": "web"}, ["p2", "p1"]),
        ({"rule_id": "cpu"}, ["p3"]),
        ({"kind": "flapping,noisy"}, ["p2"]),
        ({"state": "confirmed"}, ["p4"]),
        ({"confidence": "0.7"}, ["p4", "p3", "p1"]),
        ({"since": rfc3339(NOW + SECOND_US)}, ["p4", "p3"]),
    ],
)
async def test_patterns_are_asked_for(client: httpx.AsyncClient, query: dict[str, str], found: list[str]) -> None:
    assert await ids(client, **query) == found


@pytest.mark.parametrize(
    "query", [{"kind": "nonsense"}, {"state": "old"}, {"confidence": "2"}, {"since": "now"}, {"cursor": "x"}]
)
async def test_what_cannot_be_meant_is_refused(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    assert (await client.get(PATH, params=query, headers=as_one("ann"))).status_code == 400


async def test_they_come_in_pages(client: httpx.AsyncClient) -> None:
    first = (await client.get(PATH, params={"limit": 3}, headers=as_one("ann"))).json()
    assert await ids(client, limit=3, cursor=first["next_cursor"]) == ["p1"]


async def test_a_pattern_is_shown_whole(client: httpx.AsyncClient) -> None:
    answer = (await client.get(f"{PATH}/p1", headers=as_one("ann"))).json()
    assert answer.keys() == set(Pattern.__struct_fields__)
    assert msgspec.convert(answer, Pattern) == a_pattern("p1", version=1)


async def test_who_may_see_some_frameworks_sees_what_is_about_one_of_them_alone(client: httpx.AsyncClient) -> None:
    assert await ids(client, "bounded") == ["p2", "p1"]
    assert [
        (await client.get(f"{PATH}/{name}", headers=as_one("bounded"))).status_code for name in ("p1", "p3", "p4")
    ] == [200, 404, 404]
    answer = await client.get(PATH, params={"framework_id": "db"}, headers=as_one("bounded"))
    assert (answer.status_code, "other channels" in answer.text) == (403, True)


async def test_a_page_is_remembered_until_somebody_says_something_of_a_pattern(
    client: httpx.AsyncClient, store: Store
) -> None:
    assert await ids(client, state="new") == ["p3", "p2", "p1"]
    # Without a word to the cache, as no run would.
    await store.put_findings(findings_of([a_pattern("p0")]))
    assert await ids(client, state="new") == ["p3", "p2", "p1"]
    assert await ids(client, "bounded", state="new") == ["p2", "p1", "p0"]
    answer = await client.post(f"{PATH}/p2/dismiss", json={}, headers=as_one("ann"))
    assert answer.status_code == 200, answer.text
    assert await ids(client, state="new") == ["p3", "p1", "p0"]
    assert await ids(client, "bounded", state="new") == ["p1", "p0"]


@pytest.mark.parametrize("name", ["p9", "not an id"])
async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"{PATH}/{name}", headers=as_one("ann"))).status_code == 404
    answer = await client.post(f"{PATH}/{name}/dismiss", json={}, headers=as_one("ann"))
    assert answer.status_code == 404


async def test_strangers_see_nothing(client: httpx.AsyncClient) -> None:
    assert await ids(client, "stranger") == []
    assert (await client.get(f"{PATH}/p1", headers=as_one("stranger"))).status_code == 404


@pytest.mark.parametrize(("verb", "state"), [("dismiss", "dismissed"), ("confirm", "confirmed")])
async def test_what_somebody_says_is_kept_and_on_record(
    client: httpx.AsyncClient, store: Store, verbs: PatternVerbs, verb: str, state: str
) -> None:
    for _ in range(2):
        answer = await client.post(f"{PATH}/p1/{verb}", json={"notes": "known"}, headers=as_one("ann"))
        assert answer.status_code == 200, answer.text
        said = {"by": "ann", "at": rfc3339(NOW), "notes": "known"}
        assert (answer.json()["state"], answer.json()["said"], answer.json()["version"]) == (state, said, 2)
    assert (await client.get(f"{PATH}/p1", headers=as_one("ann"))).json() == answer.json()
    (line,) = await store.trail(TrailQuery(workspace="acme", limit=9))
    assert (line.verb, line.target, line.by, line.notes) == (f"{verb}_pattern", "p1", "ann", "known")
    assert verbs.statistics()[state] == 1


async def test_the_last_word_counts(client: httpx.AsyncClient) -> None:
    await client.post(f"{PATH}/p1/dismiss", json={"notes": "known"}, headers=as_one("ann"))
    answer = (await client.post(f"{PATH}/p1/confirm", json={}, headers=as_one("bounded"))).json()
    assert (answer["state"], answer["said"]["by"], answer["said"]["notes"]) == ("confirmed", "bob", None)


async def test_who_may_only_look_may_say_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{PATH}/p1/dismiss", json={}, headers=as_one("viewer"))
    assert (answer.status_code, answer.json()["code"]) == (403, 103)


async def test_a_run_that_writes_meanwhile_is_no_obstacle_unless_it_does_so_always(
    client: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, refused = store.settle_finding, [False, True]

    async def slow(finding: Finding) -> bool:
        return False if refused and not refused.pop() else await settle(finding)

    monkeypatch.setattr(store, "settle_finding", slow)
    assert (await client.post(f"{PATH}/p1/dismiss", json={}, headers=as_one("ann"))).status_code == 200
    refused += [False] * 20
    answer = await client.post(f"{PATH}/p2/dismiss", json={}, headers=as_one("ann"))
    assert (answer.status_code, "again and again" in answer.json()["detail"]) == (503, True)


async def test_the_last_run_says_what_it_had_too_little_for(
    client: httpx.AsyncClient, store: Store, cache: Cache
) -> None:
    assert (await client.get(PATH, headers=as_one("ann"))).json()["run"] is None
    lacking = Lacking(PatternKind.RECURRING, "7 days of alerts", "3.0 days")
    run = PatternRun(at=rfc3339(NOW), since=rfc3339(NOW - 1), alerts=12, lacking=(lacking,))
    body = msgspec.json.encode(run).decode()
    kept = Finding(workspace="acme", kind=RUN, key=LAST_RUN, state="done", at=NOW, updated_at=NOW, body=body)
    await store.put_findings([kept])
    cache.forget("acme", [PATTERNS_CHANGED])
    answer = (await client.get(PATH, headers=as_one("ann"))).json()["run"]
    assert msgspec.convert(answer, PatternRun) == run
    bounded = (await client.get(PATH, headers=as_one("bounded"))).json()["run"]
    of_all = {"alerts": None, "is_cut": None, "found": None, "new": None, "lacking": []}
    assert bounded == {"at": run.at, "since": run.since, **of_all}, "figures of the whole workspace are not his"
