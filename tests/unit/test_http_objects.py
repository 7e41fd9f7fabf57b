"""Objects over HTTP, shown with rules: versions, conflicts, history, roles, other workspaces, many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from engine.stores.trail import TrailQuery
from protocol.limits import Limit
from protocol.model import ChannelKey
from protocol.rules import ThresholdRule
from tests.support.http_api import problem
from tests.support.shelves import ROLES, Desk, a_desk, who

RULE = {"id": "cpu", "framework": "web", "metric": "cpu_percent", "kind": "threshold", "threshold": 90}
CONFIGURED = ThresholdRule(id="host", framework="web", metric="load", threshold=4.0)
PATH = "/api/v1/rules"


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk(rules=[CONFIGURED], rules_max=50) as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(who()) as client:
        yield client


async def made(client: httpx.AsyncClient, **changes: Any) -> Any:
    answer = await client.post(PATH, json=RULE | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


def etag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


async def test_a_rule_is_made_and_answered_whole_with_its_address_and_version(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json=RULE)
    assert (answer.status_code, answer.headers["location"], answer.headers["etag"]) == (201, f"{PATH}/cpu", '"1"')
    body = answer.json()
    expected = RULE | {"threshold": 90.0, "enabled": True, "severity": "warning", "version": 1, "origin": "stored"}
    assert {name: body[name] for name in expected} == expected
    assert (body["updated_by"], body["archived_at"]) == ("ada", None)
    again = await client.get(f"{PATH}/cpu")
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, body, '"1"')


async def test_a_rule_without_an_id_gets_one(client: httpx.AsyncClient) -> None:
    given = {name: value for name, value in RULE.items() if name != "id"}
    ids = [(await client.post(PATH, json=given)).json()["id"] for _ in range(2)]
    assert [len(each) for each in ids] == [36, 36]
    assert ids[0] < ids[1]


async def test_what_was_shown_can_be_sent_back_as_it_is(client: httpx.AsyncClient) -> None:
    body = await made(client)
    answer = await client.put(f"{PATH}/cpu", json=body | {"threshold": 95}, headers=etag(1))
    assert (answer.json()["threshold"], answer.json()["version"], answer.headers["etag"]) == (95.0, 2, '"2"')


async def test_an_edit_without_a_change_is_no_new_version(client: httpx.AsyncClient, desk: Desk) -> None:
    body = await made(client)
    desk.woken.clear()
    assert (await client.put(f"{PATH}/cpu", json=body, headers=etag(1))).headers["etag"] == '"1"'
    assert desk.woken == []


async def test_some_fields_are_changed_and_null_gives_one_its_default(client: httpx.AsyncClient) -> None:
    await made(client, title="Hot", labels={"a": "1", "b": "2"})
    merge = {"title": None, "labels": {"a": None, "c": "3"}, "for_s": 60}
    body = (await client.patch(f"{PATH}/cpu", json=merge, headers=etag(1))).json()
    assert (body["title"], body["labels"], body["for_s"], body["threshold"]) == ("", {"b": "2", "c": "3"}, 60.0, 90.0)


async def test_who_was_too_late_is_told_the_present_version(client: httpx.AsyncClient, desk: Desk) -> None:
    await made(client)
    await client.patch(f"{PATH}/cpu", json={"threshold": 91}, headers=etag(1))
    answer = await client.patch(f"{PATH}/cpu", json={"threshold": 92}, headers=etag(1))
    assert "version 1 was changed meanwhile, now it is 2" in problem(answer, 412, 107)
    assert answer.headers["etag"] == '"2"'
    assert desk.figures.conflicts == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_an_edit_must_say_which_version_it_saw(client: httpx.AsyncClient, method: str) -> None:
    await made(client)
    assert "If-Match" in problem(await client.request(method, f"{PATH}/cpu", json=RULE), 428, 107)
    for wrong in ("7", 'W/"1"', '"a"', '"1", "2"'):
        answer = await client.request(method, f"{PATH}/cpu", json=RULE, headers={"If-Match": wrong})
        assert "is no ETag of ours" in problem(answer, 400, 107)
    answer = await client.request(method, f"{PATH}/cpu", json=RULE | {"threshold": 7}, headers={"If-Match": "*"})
    assert answer.json()["version"] == 2


async def test_twenty_editors_at_once_lose_nothing(client: httpx.AsyncClient) -> None:
    await made(client)
    conflicts = 0

    async def edit(number: int) -> None:
        nonlocal conflicts
        while True:
            seen = await client.get(f"{PATH}/cpu")
            labels = seen.json()["labels"] | {f"editor{number}": "was here"}
            answer = await client.patch(
                f"{PATH}/cpu", json={"labels": labels}, headers={"If-Match": seen.headers["etag"]}
            )
            if answer.status_code == 200:
                return
            assert answer.status_code == 412
            conflicts += 1

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(edit, number)
    assert len((await client.get(f"{PATH}/cpu")).json()["labels"]) == 20
    assert conflicts > 0, "they did not meet, so this showed nothing"


async def test_a_rule_is_deleted_and_its_history_stays(client: httpx.AsyncClient, desk: Desk) -> None:
    await made(client)
    desk.now[0] += 1_000_000
    await client.patch(f"{PATH}/cpu", json={"threshold": 95}, headers=etag(1))
    problem(await client.delete(f"{PATH}/cpu", headers=etag(1)), 412, 107)
    answer = await client.delete(f"{PATH}/cpu")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(await client.get(f"{PATH}/cpu"), 404, 102)
    history = (await client.get(f"{PATH}/cpu/versions?limit=2")).json()
    assert [(each["version"], each["verb"], each["by"]) for each in history["items"]] == [
        (3, "delete_rule", "ada"),
        (2, "change_rule", "ada"),
    ]
    assert history["items"][0]["object"] is None
    assert history["items"][1]["object"]["threshold"] == 95.0
    rest = (await client.get(f"{PATH}/cpu/versions?cursor={history['next_cursor']}")).json()
    assert [each["version"] for each in rest["items"]] == [1]
    assert rest["next_cursor"] is None
    assert (await made(client))["version"] == 4, "a version is never used again"


async def test_also_the_longest_page_of_a_history_has_a_next_one(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.shelf.catalogue.PAGE_MAX", 2)
    await made(client)
    for threshold in (95, 96):
        await client.patch(f"{PATH}/cpu", json={"threshold": threshold}, headers={"If-Match": "*"})
    history = (await client.get(f"{PATH}/cpu/versions?limit=500")).json()
    rest = (await client.get(f"{PATH}/cpu/versions?cursor={history['next_cursor']}")).json()
    assert [[each["version"] for each in page["items"]] for page in (history, rest)] == [[3, 2], [1]]


async def test_a_rule_that_was_put_away_holds_no_more_until_it_is_taken_back(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    await made(client)
    key = ChannelKey("acme", "web")
    body = (await client.post(f"{PATH}/cpu/archive")).json()
    assert body["archived_at"] is not None
    assert [rule.id for rule in desk.orders.of(key).rules] == ["host"]
    assert [each["id"] for each in (await client.get(PATH)).json()["items"]] == ["host"]
    assert [each["id"] for each in (await client.get(f"{PATH}?archived=true")).json()["items"]] == ["cpu"]
    assert (await client.post(f"{PATH}/cpu/archive")).json()["version"] == body["version"]
    assert (await client.post(f"{PATH}/cpu/restore")).json()["archived_at"] is None
    assert [rule.id for rule in desk.orders.of(key).rules] == ["host", "cpu"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"threshold": "high"}, "invalid rule: Expected `float`, got `str` - at `$.threshold`"),
        ({"threshold": "high"}, '; for example "threshold": 90'),
        ({"thresold": 5}, "unknown field `thresold`; its fields: id, framework, metric, "),
        ({"thresold": 5}, '; for example "threshold": 90'),
        ({"kind": "weather"}, "Invalid value 'weather' - at `$.kind`; allowed: threshold, anomaly, "),
        ({"kind": "weather"}, '; for example "kind": "threshold"'),
        ({"window_s": -5}, 'Expected `float` >= 0.0 - at `$.window_s`; for example "window_s": 300'),
        ({"comparison": "near"}, 'allowed: >, >=, <, <=, ==, !=, between, outside; for example "comparison": ">"'),
        ({"severity": "loud"}, "`$.severity`; allowed: info, warning, error, critical; for example"),
        ({"schedule": {"start": "8"}}, '`$.schedule.start`; for example "start": "08:00"'),
        ({"match": {"host": 7}}, '; for example "match": {"host":"h1"}'),
        ({"id": "a/../b"}, "id 'a/../b' is not allowed"),
        ({"workspace": "umbrella"}, "workspace: it is that of your token; leave it out"),
        ({"recovery": 95}, "recovery: "),
        ({"title": "a\0b"}, "title"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused_with_its_field(
    client: httpx.AsyncClient, changes: dict[str, Any], complaint: str
) -> None:
    assert complaint in problem(await client.post(PATH, json=RULE | changes), 400, 107)
    assert [each["id"] for each in (await client.get(PATH)).json()["items"]] == ["host"]


async def test_a_body_that_is_no_object_or_too_big_is_refused(client: httpx.AsyncClient) -> None:
    for content, complaint in ((b"[]", "Expected `object`"), (b" " * 200_000, "at most 131072"), (b"", "needed")):
        answer = await client.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert complaint in problem(answer, 400, 107)
    big = RULE | {"labels": {f"l{number}": "x" * 1_024 for number in range(64)}}
    problem(await client.post(PATH, json=big), 400, 107)


async def test_an_id_is_taken_once_and_stays(client: httpx.AsyncClient) -> None:
    await made(client)
    assert "there is a rule 'cpu' already" in problem(await client.post(PATH, json=RULE), 409, 107)
    answer = await client.put(f"{PATH}/cpu", json=RULE | {"id": "gpu"}, headers=etag(1))
    assert "cannot become another one" in problem(answer, 400, 107)


async def test_an_id_with_a_slash_has_an_address(client: httpx.AsyncClient) -> None:
    answer = await client.post(PATH, json=RULE | {"id": "team/cpu: hot"})
    assert (await client.get(answer.headers["location"])).json()["id"] == "team/cpu: hot"


async def test_a_workspace_has_so_many_rules_and_no_more(desk: Desk, client: httpx.AsyncClient) -> None:
    for number in range(50):
        await made(client, id=f"r{number}")
    detail = problem(await client.post(PATH, json=RULE), 429, 106)
    assert "limit 50 (objects.rules_max)" in detail
    assert desk.refused == [Limit.OBJECTS_PER_WORKSPACE]


async def test_rules_of_the_configuration_are_shown_and_not_changed(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PATH}/host")
    body = answer.json()
    assert (body["origin"], body["version"], body["updated_by"], answer.headers["etag"]) == ("config", 0, None, '"0"')
    for method, path, more in (
        ("PUT", "/host", {"json": RULE | {"id": "host"}, "headers": etag(0)}),
        ("PATCH", "/host", {"json": {"enabled": False}, "headers": etag(0)}),
        ("DELETE", "/host", {}),
        ("POST", "/host/archive", {}),
        ("POST", "", {"json": RULE | {"id": "host"}}),
    ):
        assert "change it there" in problem(await client.request(method, PATH + path, **more), 409, 107)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c", "host"]),
        ("framework_id=web", ["a", "host"]),
        ("kind=milestone,anomaly", ["b", "c"]),
        ("kind=milestone&kind=anomaly", ["b", "c"]),
        ("enabled=false", ["c"]),
        ("metric=load", ["host"]),
        ("q=HOT", ["a"]),
        ("q=nothing", []),
    ],
)
async def test_a_list_has_filters(client: httpx.AsyncClient, query: str, found: list[str]) -> None:
    await made(client, id="a", title="Hot CPU")
    other = {"framework": "db", "metric": "sales"}
    await client.post(PATH, json={"id": "b", "kind": "milestone", "goals": [10]} | other)
    await client.post(PATH, json={"id": "c", "kind": "anomaly", "enabled": False} | other)
    assert [each["id"] for each in (await client.get(f"{PATH}?{query}")).json()["items"]] == found


async def test_pages_have_no_seam_and_know_their_cursors(client: httpx.AsyncClient) -> None:
    for number in range(7):
        await made(client, id=f"r{number}")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = (await client.get(f"{PATH}?limit=3" + (f"&cursor={cursor}" if cursor else ""))).json()
        seen += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert seen == ["host", *(f"r{number}" for number in range(7))]
    for query in ("cursor=a%00", "limit=0", "limit=501", "sort=up", "kind=weather"):
        problem(await client.get(f"{PATH}?{query}"), 400, 107)
    await made(client, id="once")
    problem(await client.get(f"{PATH}/once/versions?cursor=x"), 400, 107)


async def test_many_are_changed_at_once_and_one_that_cannot_be_keeps_nobody_back(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    for name in ("a", "b", "c"):
        await made(client, id=name)
    ids = ["a", "nothing", "host", "b", "a"]
    answer = await client.post(f"{PATH}/bulk", json={"action": "disable", "ids": ids})
    results = answer.json()["results"]
    assert [(each["id"], each["status"]) for each in results] == [
        ("a", "done"),
        ("nothing", "missing"),
        ("host", "refused"),
        ("b", "done"),
        ("a", "done"),
    ]
    assert "tocsin.toml" in results[2]["message"]
    listed = (await client.get(f"{PATH}?enabled=false")).json()["items"]
    assert [(each["id"], each["version"]) for each in listed] == [("a", 2), ("b", 2)]
    again = (await client.post(f"{PATH}/bulk", json={"action": "disable", "ids": ["a"]})).json()["results"]
    assert again == [{"id": "a", "status": "done", "version": 2, "message": "it was so already"}]
    for action in ("enable", "archive", "restore", "delete"):
        answer = await client.post(f"{PATH}/bulk", json={"action": action, "ids": ["a", "b"]})
        assert [each["status"] for each in answer.json()["results"]] == ["done", "done"], action
    assert [each["id"] for each in (await client.get(PATH)).json()["items"]] == ["c", "host"]
    problem(await client.post(f"{PATH}/bulk", json={"action": "paint", "ids": ["a"]}), 400, 107)
    problem(await client.post(f"{PATH}/bulk", json={"action": "delete", "ids": []}), 400, 107)


@pytest.mark.parametrize("role", ROLES)
async def test_everybody_reads_rules_and_editors_and_administrators_change_them(desk: Desk, role: str) -> None:
    async with desk.client(who()) as editor:
        await made(editor)
    async with desk.client(who(role)) as client:
        assert (await client.get(PATH)).status_code == 200
        assert (await client.get(f"{PATH}/cpu/versions")).status_code == 200
        for method, path, more in (
            ("POST", "", {"json": RULE | {"id": f"of-{role}"}}),
            ("PATCH", "/cpu", {"json": {"title": role}, "headers": etag(1)}),
            ("POST", "/cpu/archive", {}),
            ("POST", "/bulk", {"json": {"action": "enable", "ids": ["cpu"]}}),
            ("DELETE", "/cpu", {}),
        ):
            answer = await client.request(method, PATH + path, **more)
            if role in ("editor", "admin"):
                assert answer.status_code < 300, answer.text
            else:
                assert "may not edit" in problem(answer, 403, 103)


async def test_another_workspaces_rule_does_not_exist(desk: Desk) -> None:
    async with desk.client(who()) as client, desk.client(who(workspace="umbrella", role="admin")) as stranger:
        await made(client)
        for method, path, more in (
            ("GET", "", {}),
            ("GET", "/versions", {}),
            ("PUT", "", {"json": RULE, "headers": etag(1)}),
            ("PATCH", "", {"json": {"title": "x"}, "headers": etag(1)}),
            ("DELETE", "", {}),
            ("POST", "/archive", {}),
            ("POST", "/restore", {}),
        ):
            answers = [
                await stranger.request(method, f"{PATH}/{name}{path}", **(more | _body(more, name)))
                for name in ("cpu", "never-was")
            ]
            assert problem(answers[0], 404, 102) == problem(answers[1], 404, 102), (method, path)
        bulk = await stranger.post(f"{PATH}/bulk", json={"action": "delete", "ids": ["cpu", "never-was"]})
        assert [each["status"] for each in bulk.json()["results"]] == ["missing", "missing"]
        assert (await stranger.get(PATH)).json()["items"] == []
        assert (await client.get(f"{PATH}/cpu")).json()["version"] == 1


def _body(more: dict[str, Any], name: str) -> dict[str, Any]:
    return {"json": RULE | {"id": name}} if more.get("json") is RULE else {}


async def test_a_token_for_channels_sees_and_changes_only_their_rules(desk: Desk) -> None:
    limited = who(channels=("web",))
    async with desk.client(who()) as editor, desk.client(limited) as client:
        await made(editor)
        await made(editor, id="db", framework="db")
        assert [each["id"] for each in (await client.get(PATH)).json()["items"]] == ["cpu", "host"]
        problem(await client.get(f"{PATH}/db"), 404, 102)
        problem(await client.get(f"{PATH}/db/versions"), 404, 102)
        problem(await client.post(PATH, json=RULE | {"id": "x", "framework": "db"}), 403, 103)
        problem(await client.patch(f"{PATH}/cpu", json={"framework": "db"}, headers=etag(1)), 403, 103)
        assert (await client.patch(f"{PATH}/cpu", json={"title": "x"}, headers=etag(1))).status_code == 200


async def test_the_audit_trail_says_who_changed_what(client: httpx.AsyncClient, desk: Desk) -> None:
    await made(client)
    assert (await client.patch(f"{PATH}/cpu", json={"title": "x"}, headers=etag(1))).status_code == 200
    await client.delete(f"{PATH}/cpu")
    acts = await desk.store.trail(TrailQuery(workspace="acme", limit=9))
    assert [(act.by, act.verb, act.target, act.address) for act in acts] == [
        ("ada", "delete_rule", "cpu", "127.0.0.1"),
        ("ada", "change_rule", "cpu", "127.0.0.1"),
        ("ada", "create_rule", "cpu", "127.0.0.1"),
    ]
    assert [(act.before["version"], act.after["version"]) for act in acts] == [(2, 3), (1, 2), (0, 1)]
    kept = [each["version"] for each in (await client.get(f"{PATH}/cpu/versions")).json()["items"]]
    assert kept == [3, 2, 1], "each of them can be read"


async def test_a_token_for_channels_sees_only_windows_that_list_one_of_them_or_none(desk: Desk) -> None:
    window = {"title": "Upgrade", "starts_at": "2099-01-01T00:00:00Z", "ends_at": "2099-01-01T02:00:00Z"}
    path = "/api/v1/maintenance"
    async with desk.client(who()) as editor, desk.client(who(channels=("web",))) as client:
        for name, more in {
            "all": {"matchers": [{"name": "host", "value": "h1"}]},
            "both": {"frameworks": ["db", "web"]},
            "theirs": {"frameworks": ["db"]},
        }.items():
            assert (await editor.post(path, json={"id": name, **window, **more})).status_code == 201
        assert [each["id"] for each in (await client.get(path)).json()["items"]] == ["all", "both"]
        problem(await client.get(f"{path}/theirs"), 404, 102)
        problem(await client.get(f"{path}/theirs/versions"), 404, 102)
