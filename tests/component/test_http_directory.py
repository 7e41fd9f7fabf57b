"""Frameworks, people, teams and workspaces over HTTP: what is particular to each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.shelf.archived import ArchivedPlaces
from engine.stores.objects import ObjectChange
from protocol.model import ChannelKey
from tests.support.engines import an_engine
from tests.support.http_api import problem
from tests.support.shelves import ROLES, Desk, a_desk, who
from tests.support.stores import NOW, fill
from tests.support.workflows import a_workflow, keep, set_on

API = "/api/v1"
ANY = {"If-Match": "*"}
ROTA = {"starts_on": "2025-12-29", "order": ["ann", "bob"], "handover": "10:00"}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk() as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(who("admin")) as client:
        yield client


async def ids(client: httpx.AsyncClient, path: str) -> list[tuple[str, str]]:
    return [(each["id"], each["origin"]) for each in (await client.get(API + path)).json()["items"]]


async def test_frameworks_that_were_only_ever_named_are_listed_and_can_be_described(
    desk: Desk, client: httpx.AsyncClient
) -> None:
    for name in ("api", "web", "zoo"):
        await fill(desk.store, ChannelKey("acme", name), 1)
    await client.post(f"{API}/frameworks", json={"id": "db", "kind": "database"})
    assert await ids(client, "/frameworks") == [("api", "seen"), ("db", "stored"), ("web", "seen"), ("zoo", "seen")]
    seen = await client.get(f"{API}/frameworks/web")
    assert (seen.json()["origin"], seen.headers["etag"]) == ("seen", '"0"')
    assert "make one of this id first" in problem(await client.post(f"{API}/frameworks/web/archive"), 409, 107)
    described = {"name": "The shop", "owner": "ops", "metrics": {"p95_ms": "performance", "logins": "security"}}
    answer = await client.put(f"{API}/frameworks/web", json=described, headers={"If-Match": '"0"'})
    assert (answer.json()["version"], answer.json()["metrics"]) == (1, described["metrics"])
    answer = await client.put(f"{API}/frameworks/web", json={}, headers={"If-Match": '"0"'})
    problem(answer, 412, 107)
    assert (await ids(client, "/frameworks"))[2] == ("web", "stored")
    problem(await client.get(f"{API}/frameworks/we"), 404, 102)
    problem(await client.put(f"{API}/frameworks/web", json={"metrics": {"a": "beauty"}}, headers=ANY), 400, 107)


async def test_a_framework_that_follows_a_workflow_is_a_project(desk: Desk, client: httpx.AsyncClient) -> None:
    for name in ("42", "web"):
        await fill(desk.store, ChannelKey("acme", name), 1)
    await keep(desk.store, a_workflow())
    await set_on(desk.store, ["42"])
    assert (await client.get(f"{API}/frameworks/42")).json()["kind"] == "project"
    kinds = [each["kind"] for each in (await client.get(f"{API}/frameworks")).json()["items"]]
    assert kinds == ["project", "service"]


async def test_pages_of_seen_and_described_frameworks_have_no_seam(desk: Desk, client: httpx.AsyncClient) -> None:
    for number in range(6):
        name = f"f{number}"
        if number % 2:
            await fill(desk.store, ChannelKey("acme", name), 1)
        else:
            await client.post(f"{API}/frameworks", json={"id": name})
    found, cursor = [], ""
    while cursor is not None:
        page = (await client.get(f"{API}/frameworks?limit=2" + (f"&cursor={cursor}" if cursor else ""))).json()
        found += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert found == [f"f{number}" for number in range(6)]


async def test_an_archived_framework_is_not_shown_as_seen(desk: Desk, client: httpx.AsyncClient) -> None:
    await fill(desk.store, ChannelKey("acme", "web"), 1)
    await client.post(f"{API}/frameworks", json={"id": "web"})
    await client.post(f"{API}/frameworks/web/archive")
    assert await ids(client, "/frameworks") == []
    assert await ids(client, "/frameworks?archived=true") == [("web", "stored")]


async def test_what_was_archived_is_closed_until_it_is_taken_back(desk: Desk) -> None:
    web = ChannelKey("acme", "web")
    async with desk.client(who("admin")) as client, desk.client(who("admin", "system")) as operator:
        await client.post(f"{API}/frameworks", json={"id": "web"})
        await operator.post(f"{API}/workspaces", json={"id": "acme"})
        assert desk.shelves.archived.why(web) == ""
        await client.post(f"{API}/frameworks/web/archive")
        assert "the framework 'web' was archived: restore it" in desk.shelves.archived.why(web)
        assert desk.shelves.archived.why(ChannelKey("umbrella", "web")) == ""
        await client.post(f"{API}/frameworks/web/restore")
        await operator.post(f"{API}/workspaces/acme/archive")
        assert "this workspace was archived" in desk.shelves.archived.why(web)
        await operator.delete(f"{API}/workspaces/acme")
        assert desk.shelves.archived.why(web) == ""
    assert ArchivedPlaces().why(web) == ""


async def test_triggers_and_readings_of_an_archived_framework_are_refused_plainly(tmp_path: Path) -> None:
    async with an_engine(tmp_path) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', 'admin')}"}
        async with httpx.AsyncClient(base_url=engine.http_url + API, headers=headers) as client:
            both = {"alerts": [{"framework_id": "old", "title": "x"}, {"framework_id": "new", "title": "x"}]}
            assert [each["status"] for each in (await client.post("/triggers", json=both)).json()["results"]] == [
                "fired",
                "fired",
            ]
            await client.post("/frameworks", json={"id": "old"})
            await client.post("/frameworks/old/archive")
            both["alerts"][0]["title"] = both["alerts"][1]["title"] = "y"
            old, new = (await client.post("/triggers", json=both)).json()["results"]
            assert (old["status"], old["reason"]) == ("rejected", "archived")
            assert "restore it, or send to another one" in old["message"]
            assert new["reason"] != "archived"
            reading = {"readings": [{"framework_id": "old", "metric": "m", "value": 1}]}
            assert (await client.post("/readings", json=reading)).json()["results"][0]["reason"] == "archived"
            assert len((await client.get("/alerts?framework_id=old")).json()["items"]) == 1, "history stays"


@pytest.mark.parametrize("role", ROLES)
async def test_people_are_an_administrators_but_for_ones_own_name_and_zone(desk: Desk, role: str) -> None:
    async with desk.client(who("admin", user="boss")) as boss, desk.client(who(role, user="ann")) as ann:
        for name in ("ann", "bob"):
            person = {"id": name, "email": f"{name}@example.com", "role": role}
            assert (await boss.post(f"{API}/users", json=person)).status_code == 201
        own = {"name": "Ann", "zone": "Europe/Berlin", "slack_id": "U1"}
        assert (await ann.patch(f"{API}/users/ann", json=own, headers=ANY)).json()["zone"] == "Europe/Berlin"
        answers = [
            await ann.patch(f"{API}/users/ann", json={"role": "admin" if role != "admin" else "viewer"}, headers=ANY),
            await ann.patch(f"{API}/users/ann", json={"email": "eve@example.com"}, headers=ANY),
            await ann.patch(f"{API}/users/bob", json=own | {"slack_id": "U2"}, headers=ANY),
            await ann.post(f"{API}/users", json={"id": "eve"}),
            await ann.post(f"{API}/users/ann/archive"),
            await ann.delete(f"{API}/users/bob"),
        ]
        if role == "admin":
            assert all(answer.status_code < 300 for answer in answers)
        else:
            assert {problem(answer, 403, 103) for answer in answers} == {
                f"the role {role!r} may not administer; these may: admin"
            }


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("users", {"id": "a", "zone": "Mars/North"}, "zone: there is no time zone 'Mars/North'"),
        ("users", {"id": "a", "zone": "../etc"}, "zone: there is no time zone"),
        ("users", {"id": "a", "email": "nobody"}, "$.email"),
        ("users", {"id": "a", "email": "a@b.example\n"}, "$.email"),
        ("users", {"id": "a", "email": "\n"}, "$.email"),
        ("teams", {"id": "t", "members": ["a", "a"]}, "members: 'a' is there twice"),
        ("teams", {"id": "t", "rota": ROTA | {"zone": "x"}}, "rota.zone: there is no time zone"),
        ("teams", {"id": "t", "rota": ROTA | {"starts_on": "2026-02-30"}}, "rota.starts_on: '2026-02-30' is no day"),
        ("teams", {"id": "t", "rota": ROTA | {"starts_on": "9999-01-01"}}, "is no day of our time"),
        ("teams", {"id": "t", "rota": ROTA, "members": ["ann"]}, "rota.order: 'bob' is not one of the members"),
        (
            "teams",
            {"id": "t", "rota": ROTA | {"overrides": [{"user": "x", "start": "now", "end": "then"}]}},
            "rota.overrides[0].start: 'now' is no time",
        ),
        (
            "teams",
            {
                "id": "t",
                "rota": ROTA
                | {"overrides": [{"user": "x", "start": "2026-01-02T00:00:00Z", "end": "2026-01-02T00:00:00Z"}]},
            },
            "rota.overrides[0].end: is not after its start",
        ),
    ],
)
async def test_what_cannot_be_is_refused_with_its_field(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], complaint: str
) -> None:
    assert complaint in problem(await client.post(f"{API}/{path}", json=body), 400, 107)


async def test_a_team_says_who_is_on_call(client: httpx.AsyncClient) -> None:
    await client.post(f"{API}/teams", json={"id": "ops", "members": ["ann", "bob"], "rota": ROTA})
    await client.post(f"{API}/teams", json={"id": "idle"})
    assert (await client.get(f"{API}/teams/ops/on-call")).json() == {
        "team": "ops",
        "user": "ann",
        "until": "2026-01-05T10:00:00.000000Z",
    }
    assert (await client.get(f"{API}/teams/idle/on-call")).json() == {"team": "idle", "user": None, "until": None}
    problem(await client.get(f"{API}/teams/nobody/on-call"), 404, 102)


async def test_who_is_on_call_in_a_zone_that_is_gone_is_answered_with_what_to_do(desk: Desk) -> None:
    body = '{"id":"mars","rota":{"starts_on":"2026-01-05","order":["ann"],"zone":"Mars/Base"}}'
    made = ObjectChange(workspace="acme", kind="team", id="mars", body=body, by="eve", at=NOW, verb="create_team")
    await desk.store.change_objects([made])
    async with desk.client(who("viewer")) as viewer:
        said = problem(await viewer.get(f"{API}/teams/mars/on-call"), 409, 107)
    assert "Mars/Base" in said


async def test_what_cannot_be_switched_is_refused_as_a_whole(client: httpx.AsyncClient) -> None:
    body = {"action": "enable", "ids": ["ops"]}
    assert "a team cannot be switched on or off" in problem(await client.post(f"{API}/teams/bulk", json=body), 400, 107)


async def test_workspaces_in_use_that_nobody_described_are_listed_as_seen(desk: Desk) -> None:
    for name in ("acme", "zoo"):
        await fill(desk.store, ChannelKey(name, "web"), 1)
    async with desk.client(who("admin", "system")) as operator:
        await operator.post(f"{API}/workspaces", json={"id": "beta"})
        assert await ids(operator, "/workspaces") == [("acme", "seen"), ("beta", "stored"), ("zoo", "seen")]
        assert (await operator.get(f"{API}/workspaces/zoo")).json()["origin"] == "seen"
        problem(await operator.get(f"{API}/workspaces/zo"), 404, 102)


async def test_workspaces_are_for_administrators_of_system(desk: Desk) -> None:
    async with desk.client(who("admin", "system")) as operator, desk.client(who("admin")) as client:
        assert (await operator.post(f"{API}/workspaces", json={"id": "acme", "name": "Acme"})).status_code == 201
        assert await ids(operator, "/workspaces") == [("acme", "stored")]
        answer = await operator.patch(f"{API}/workspaces/acme", json={"notes": "paid"}, headers=ANY)
        assert answer.json()["notes"] == "paid"
        assert "has a colon" in problem(await operator.post(f"{API}/workspaces", json={"id": "a:b"}), 400, 107)
        for path in ("", "/acme", "/acme/versions"):
            assert "administrators of the workspace 'system'" in problem(
                await client.get(f"{API}/workspaces{path}"), 403, 103
            )
        problem(await client.post(f"{API}/workspaces", json={"id": "mine"}), 403, 103)


async def test_people_and_teams_of_another_workspace_do_not_exist(desk: Desk) -> None:
    async with desk.client(who("admin")) as client, desk.client(who("admin", "umbrella")) as stranger:
        for path in ("users", "teams", "frameworks"):
            await client.post(f"{API}/{path}", json={"id": "one"})
            for address in ("/one", "/one/versions"):
                other = address.replace("one", "two")
                known, unknown = (
                    await stranger.get(f"{API}/{path}{address}"),
                    await stranger.get(f"{API}/{path}{other}"),
                )
                assert problem(known, 404, 102) == problem(unknown, 404, 102)
            assert await ids(stranger, f"/{path}") == []
