"""Silences and maintenance windows over HTTP: what is refused and why, states, the end, who may."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
from msgspec.structs import replace

from engine.core.quieting import window_of_silence
from engine.shelf.endings import forget_over
from protocol.effects import StormState
from protocol.fields import LABEL_MAX_CHARS, TITLE_MAX_CHARS
from protocol.limits import Limit
from protocol.model import ChannelKey
from protocol.times import SECOND_US, rfc3339
from tests.support.http_api import problem
from tests.support.shelves import Desk, a_desk, who
from tests.support.stores import FOREIGN, KEY, NOW, a_commit, committed

PATH = "/api/v1/silences"
IN_AN_HOUR = rfc3339(NOW + 3_600 * SECOND_US)
SILENCE: dict[str, Any] = {"matchers": [{"name": "host", "value": "h1"}], "ends_at": IN_AN_HOUR, "comment": "on it"}
WEEKLY: dict[str, Any] = {"title": "Patch", "weekly": {"days": ["sun"], "start": "02:00", "end": "04:00"}}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk(silences_max=3) as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(who("responder"), who("viewer", user="eve"), who("responder", "umbrella")) as client:
        yield client


async def made(client: httpx.AsyncClient, **changes: Any) -> Any:
    answer = await client.post(PATH, json=SILENCE | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_silence_begins_now_and_its_author_is_who_sends_it(client: httpx.AsyncClient, desk: Desk) -> None:
    body = await made(client, author="somebody else")
    assert (body["author"], body["starts_at"], body["ends_at"]) == ("ada", rfc3339(NOW), IN_AN_HOUR)
    [silence] = desk.orders.of(ChannelKey("acme", "any")).quieting.silences
    assert silence.id == body["id"]
    assert desk.quieted == ["acme"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"comment": " "}, 'comment: it is empty; say why, such as "disk'),
        ({"ends_at": "tomorrow"}, "ends_at: 'tomorrow' is no time: use RFC 3339"),
        ({"ends_at": "1969-01-01T00:00:00Z"}, "a year from 1970 on"),
        (
            {"starts_at": rfc3339(NOW + 7_200 * SECOND_US)},
            r'ends_at: .* is before starts_at .*; such as "ends_at": "20',
        ),
        ({"starts_at": rfc3339(NOW - 200 * SECOND_US), "ends_at": rfc3339(NOW - 100 * SECOND_US)}, "is over already"),
        ({"matchers": []}, "matchers: at least one must not match an empty label"),
        ({"matchers": [{"name": "a", "operator": "!=", "value": "x"}]}, "at least one must not match an empty"),
        ({"matchers": [{"name": "a", "operator": "=~", "value": ".*"}]}, "at least one must not match an empty"),
        ({"matchers": [{"name": "a", "operator": "!~", "value": "x"}]}, "at least one must not match an empty"),
        ({"matchers": [{"name": "a", "operator": "=~", "value": "(a"}]}, r"matchers\[0\].value: .* is not allowed"),
        ({"matchers": [{"name": "a", "operator": "=~", "value": r"(a)\1"}]}, "not allowed: .*; write it such as"),
        (
            {"matchers": [{"name": "a", "operator": "=~", "value": "a{1000}"}] * 4},
            "compile to 4016 steps, at most 4000",
        ),
        ({"matchers": [{"name": "", "value": "x"}]}, "length >= 1"),
        ({"matchers": [{"name": "a", "value": "x"}] * 33}, "length <= 32"),
    ],
)
async def test_a_silence_that_cannot_work_is_refused_with_field_and_reason(
    client: httpx.AsyncClient, changes: dict[str, Any], said: str
) -> None:
    answer = await client.post(PATH, json=SILENCE | changes)
    assert re.search(said, problem(answer, 400, 107)), answer.text


@pytest.mark.parametrize(("name", "longest"), [("alertname", TITLE_MAX_CHARS), ("host", LABEL_MAX_CHARS)])
async def test_the_longest_title_and_the_longest_label_can_be_silenced_by_themselves(
    client: httpx.AsyncClient, desk: Desk, name: str, longest: int
) -> None:
    value = "ü" * longest
    body = await made(client, matchers=[{"name": name, "value": value}])
    assert body["matchers"][0]["value"] == value
    [silence] = desk.orders.of(ChannelKey("acme", "any")).quieting.silences
    assert window_of_silence(silence).means({name: value})


async def test_silences_are_listed_by_their_state(client: httpx.AsyncClient, desk: Desk) -> None:
    active = await made(client)
    pending = await made(client, starts_at=rfc3339(NOW + 60 * SECOND_US))

    async def listed(state: str) -> list[str]:
        return [each["id"] for each in (await client.get(f"{PATH}?state={state}")).json()["items"]]

    assert (await listed("active"), await listed("pending"), await listed("expired")) == (
        [active["id"]],
        [pending["id"]],
        [],
    )
    desk.now[0] += 3_600 * SECOND_US
    assert sorted(await listed("active,expired")) == sorted([active["id"], pending["id"]])
    assert "state: 'over' is not allowed" in problem(await client.get(f"{PATH}?state=over"), 400, 107)


async def test_each_says_its_state_and_what_is_shown_can_be_sent_back(client: httpx.AsyncClient, desk: Desk) -> None:
    begins = rfc3339(NOW + 60 * SECOND_US)
    silence = await made(client, id="s", starts_at=begins)
    planned = {"id": "w", "title": "x", "starts_at": begins, "ends_at": IN_AN_HOUR}
    window = (await client.post("/api/v1/maintenance", json=planned)).json()
    weekly = (await client.post("/api/v1/maintenance", json=WEEKLY | {"id": "weekly"})).json()
    assert [each["state"] for each in (silence, window, weekly)] == ["pending"] * 3
    for path in (f"{PATH}/s", "/api/v1/maintenance/w"):
        for later, state in ((60, "active"), (3_600, "expired")):
            desk.now[0] = NOW + later * SECOND_US
            assert (await client.get(path)).json()["state"] == state
        desk.now[0] = NOW
        shown = (await client.get(path)).json()
        again = await client.put(path, json=shown | {"state": "active"}, headers={"If-Match": "*"})
        assert (again.status_code, again.json()["state"]) == (200, "pending")
        assert (await client.post(f"{path}/archive")).json()["state"] == "expired"


async def test_a_silence_is_ended_now_whether_it_has_begun_or_not(client: httpx.AsyncClient, desk: Desk) -> None:
    active = await made(client)
    pending = await made(client, starts_at=rfc3339(NOW + 60 * SECOND_US))
    desk.now[0] += SECOND_US
    for each in (active, pending):
        body = (await client.post(f"{PATH}/{each['id']}/expire")).json()
        assert (body["ends_at"], body["version"]) == (rfc3339(NOW + SECOND_US), 2)
        assert (await client.post(f"{PATH}/{each['id']}/expire")).json()["version"] == 2
    assert desk.orders.of(ChannelKey("acme", "any")).quieting.silences == ()
    assert desk.orders.quiet.workspaces() == []


async def test_an_edit_holds_at_once_and_archiving_lifts_it(client: httpx.AsyncClient, desk: Desk) -> None:
    body = await made(client)
    later = rfc3339(NOW + 7_200 * SECOND_US)
    await client.patch(f"{PATH}/{body['id']}", json={"ends_at": later}, headers={"If-Match": '"1"'})
    assert desk.orders.quiet.silences("acme")[0].ends_at == later
    await client.post(f"{PATH}/{body['id']}/archive")
    assert desk.orders.quiet.silences("acme") == []
    await client.post(f"{PATH}/{body['id']}/restore")
    await client.delete(f"{PATH}/{body['id']}")
    assert desk.orders.quiet.silences("acme") == []


async def test_only_who_may_silence_does_and_another_workspaces_silence_does_not_exist(
    client: httpx.AsyncClient,
) -> None:
    body = await made(client)
    viewer, stranger = ({"Authorization": f"Bearer {name}"} for name in ("eve:viewer@acme", "ada:responder@umbrella"))
    assert "may not silence" in problem(await client.post(PATH, json=SILENCE, headers=viewer), 403, 103)
    assert (await client.get(f"{PATH}/{body['id']}", headers=viewer)).status_code == 200
    unknown = problem(await client.post(f"{PATH}/nobody/expire", headers=stranger), 404, 102)
    assert problem(await client.post(f"{PATH}/{body['id']}/expire", headers=stranger), 404, 102) == unknown


async def test_a_workspace_has_so_many_silences(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await made(client)
    assert "no room for another silence" in (await client.post(PATH, json=SILENCE)).json()["detail"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"title": "x"}, "starts_at and ends_at, or weekly, are needed"),
        ({"title": "x", "starts_at": IN_AN_HOUR}, "starts_at and ends_at, or weekly, are needed"),
        (
            {"title": "x", "starts_at": IN_AN_HOUR, "ends_at": IN_AN_HOUR},
            r'ends_at: .* is not after .*; such as "ends_at": "20',
        ),
        (WEEKLY | {"weekly": {"zone": "Mars"}}, "weekly.zone: 'Mars' is no time zone"),
        (WEEKLY | {"weekly": {"days": ["mond"]}}, "weekly.days: 'mond' is no day"),
        (WEEKLY | {"matchers": [{"name": "a", "operator": "=~", "value": "("}]}, r"matchers\[0\].value"),
    ],
)
async def test_a_window_that_cannot_work_is_refused_with_field_and_reason(
    client: httpx.AsyncClient, given: dict[str, Any], said: str
) -> None:
    assert re.search(said, problem(await client.post("/api/v1/maintenance", json=given), 400, 107))


async def test_a_window_is_handed_to_the_frameworks_that_it_is_for(client: httpx.AsyncClient, desk: Desk) -> None:
    await client.post("/api/v1/maintenance", json=WEEKLY | {"id": "all", "ends_at": IN_AN_HOUR})
    await client.post("/api/v1/maintenance", json=WEEKLY | {"id": "web", "frameworks": ["web"]})

    def windows(framework: str, workspace: str = "acme") -> list[str]:
        return [one.id for one in desk.orders.of(ChannelKey(workspace, framework)).quieting.maintenance]

    assert (windows("web"), windows("api"), windows("web", "umbrella")) == (["all", "web"], ["all"], [])
    assert desk.orders.of(ChannelKey("acme", "api")) is desk.orders.of(ChannelKey("acme", "db"))
    assert desk.orders.of(ChannelKey("acme", "web")) is desk.orders.of(ChannelKey("acme", "web"))
    assert desk.orders.let_go(NOW) == []
    assert desk.orders.let_go(NOW + 3_600 * SECOND_US) == ["acme"]
    assert (windows("web"), windows("api")) == (["web"], [])
    assert desk.orders.quiet.statistics() == {"silences": 0, "maintenance_windows": 1}


async def test_storms_are_told_to_those_who_may_see_the_channel(desk: Desk) -> None:
    storm = StormState(since=NOW, held=3, rang=1)
    for key in (KEY, FOREIGN):
        commit = a_commit(key)
        await committed(desk.store, replace(commit, decision=replace(commit.decision, storm=storm)))
    async with desk.client(who("viewer"), who("viewer", user="eve", channels=("other",))) as client:
        shown = (await client.get("/api/v1/storms")).json()
        assert shown["items"] == [{"framework_id": KEY.framework, "since": rfc3339(NOW), "held": 3, "rang": 1}]
        limited = await client.get("/api/v1/storms", headers={"Authorization": "Bearer eve:viewer@acme"})
        assert limited.json()["items"] == []


EXPRESSION = [{"name": "host", "operator": "=~", "value": "web-.*"}]


async def test_a_workspace_has_so_many_silences_and_windows_with_expressions_and_exact_ones_besides() -> None:
    async with a_desk(quiet_expressions_max=2) as desk, desk.client(who("responder")) as client:
        first = await made(client, matchers=EXPRESSION)
        window = WEEKLY | {"matchers": EXPRESSION}
        assert (await client.post("/api/v1/maintenance", json=window)).status_code == 201
        for path, body in ((PATH, SILENCE | {"matchers": EXPRESSION}), ("/api/v1/maintenance", window)):
            refused = await client.post(path, json=body)
            said = "has 2 silences and maintenance windows .* limit 2 .objects.quiet_expressions_max"
            assert re.search(said, problem(refused, 429, 106))
        assert desk.refused == [Limit.QUIET_EXPRESSIONS] * 2
        exact = await made(client)
        changed = await client.patch(f"{PATH}/{exact['id']}", json={"matchers": EXPRESSION}, headers={"If-Match": "*"})
        assert changed.status_code == 429
        assert (await client.delete(f"{PATH}/{first['id']}")).status_code == 204
        await made(client, matchers=EXPRESSION)


async def test_a_silence_with_expressions_may_be_changed_when_there_is_no_room_for_more() -> None:
    async with a_desk(quiet_expressions_max=1) as desk, desk.client(who("responder")) as client:
        only = await made(client, matchers=EXPRESSION)
        changed = await client.patch(f"{PATH}/{only['id']}", json={"comment": "longer"}, headers={"If-Match": "*"})
        assert changed.status_code == 200


async def test_no_more_than_there_is_room_for_are_made_at_once_or_taken_back() -> None:
    async with a_desk(quiet_expressions_max=2) as desk, desk.client(who("admin")) as client:
        codes: list[int] = []

        async def make() -> None:
            codes.append((await client.post(PATH, json=SILENCE | {"matchers": EXPRESSION})).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(make)
        assert sorted(codes) == [201] * 2 + [429] * 8
        first, _ = (await client.get(PATH)).json()["items"]
        assert (await client.post(f"{PATH}/{first['id']}/archive")).status_code == 200
        other = await made(client, matchers=EXPRESSION)
        assert (await client.post(f"{PATH}/{first['id']}/restore")).status_code == 429
        bulk = await client.post(f"{PATH}/bulk", json={"action": "restore", "ids": [first["id"]]})
        assert [each["status"] for each in bulk.json()["results"]] == ["refused"]
        assert (await client.post(f"{PATH}/{other['id']}/expire")).status_code == 200
        assert (await client.post(f"{PATH}/{first['id']}/restore")).status_code == 200


async def test_what_was_over_long_ago_is_forgotten_and_its_history_stays(client: httpx.AsyncClient, desk: Desk) -> None:
    over, lasting = await made(client), await made(client, ends_at=rfc3339(NOW + 7_200 * SECOND_US))
    end = NOW + 3_600 * SECOND_US
    assert await forget_over(desk.store, end, end) == 0
    desk.orders.let_go(end)
    desk.quieted.clear()
    assert await forget_over(desk.store, end + 1, end + 1) == 1
    assert [each["id"] for each in (await client.get(PATH)).json()["items"]] == [lasting["id"]]
    versions = (await client.get(f"{PATH}/{over['id']}/versions")).json()["items"]
    assert [(each["verb"], each["by"]) for each in versions] == [("forget_silence", ""), ("create_silence", "ada")]
    assert desk.quieted == [], "nothing else is quieted, so no channel looks again"
    await made(client)
    await made(client)


async def test_one_that_is_made_to_last_longer_meanwhile_is_kept(desk: Desk) -> None:
    async with desk.client(who("responder")) as client:
        silence = await made(client)
        [old] = await desk.store.objects_over(NOW + 2**40, 9)
        await client.patch(f"{PATH}/{silence['id']}", json={"comment": "longer"}, headers={"If-Match": "*"})

        class Late:
            """Finds it as it was before."""

            async def objects_over(self, before: int, limit: int) -> Any:
                return [old]

            change_objects = desk.store.change_objects

        assert await forget_over(Late(), NOW + 2**40, NOW) == 0  # type: ignore[arg-type]
        assert (await client.get(f"{PATH}/{silence['id']}")).status_code == 200


async def test_however_many_are_over_all_of_them_go(
    client: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.shelf.endings.FORGOTTEN_AT_ONCE", 1)
    for _ in range(3):
        await made(client)
    assert await forget_over(desk.store, NOW + 2**40, NOW) == 3
    assert (await client.get(PATH)).json()["items"] == []
