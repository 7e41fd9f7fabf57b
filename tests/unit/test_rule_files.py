"""Rules as a file: written out and taken in again, all or nothing."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator

import httpx
import pytest

from engine.stores.trail import TrailQuery
from protocol.model import ChannelKey
from protocol.rules import ThresholdRule
from tests.support.http_api import problem
from tests.support.shelves import Desk, a_desk, who

PATH = "/api/v1/rules"
CPU = {"kind": "threshold", "id": "cpu", "framework": "web", "metric": "cpu", "threshold": 90.0}
SALES = {"kind": "milestone", "id": "sales", "framework": "shop", "metric": "orders", "goals": [10.0, 100.0]}
ODD = {
    "kind": "anomaly",
    "id": "odd",
    "framework": "shop",
    "metric": "orders",
    "labels": {"a b": 'x"y'},
    "schedule": {"start": "08:00", "end": "18:00", "days": ["mon"]},
}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    configured = ThresholdRule(id="host", framework="web", metric="load", threshold=4.0)
    async with a_desk(rules=[configured], rules_max=4) as desk:
        yield desk


@pytest.fixture
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(who()) as client:
        yield client


async def take_in(client: httpx.AsyncClient, *rules: object, is_dry: bool = False) -> httpx.Response:
    return await client.post(f"{PATH}/import", json={"rules": rules, "dry_run": is_dry})


async def ids(client: httpx.AsyncClient) -> list[str]:
    return [each["id"] for each in (await client.get(PATH)).json()["items"]]


async def test_what_is_written_out_can_be_taken_in_and_changes_nothing(client: httpx.AsyncClient, desk: Desk) -> None:
    results = (await take_in(client, CPU, SALES, ODD)).json()["results"]
    assert [(each["id"], each["action"]) for each in results] == [
        ("cpu", "create"),
        ("sales", "create"),
        ("odd", "create"),
    ]
    assert [rule.id for rule in desk.orders.of(ChannelKey("acme", "shop")).rules] == ["odd", "sales"]
    answer = await client.get(f"{PATH}/export")
    assert answer.headers["content-type"].startswith("application/toml")
    exported = tomllib.loads(answer.text)["rules"]
    assert [each["id"] for each in exported] == ["cpu", "odd", "sales"], "not the configuration's"
    assert (await client.get(f"{PATH}/export?format=json")).json() == {"rules": exported}
    desk.woken.clear()
    again = (await take_in(client, *exported)).json()["results"]
    assert {each["action"] for each in again} == {"unchanged"}
    assert desk.woken == []


async def test_a_dry_run_says_what_would_become_of_each_and_does_nothing(client: httpx.AsyncClient) -> None:
    await take_in(client, CPU)
    results = (await take_in(client, CPU | {"threshold": 95}, SALES, is_dry=True)).json()["results"]
    assert [each["action"] for each in results] == ["change", "create"]
    assert await ids(client) == ["cpu", "host"]
    assert (await client.get(f"{PATH}/cpu")).json()["version"] == 1


@pytest.mark.parametrize(
    ("rule", "status", "complaint"),
    [
        (SALES | {"goals": [100.0, 10.0]}, 400, "rules[1]: goals"),
        (SALES | {"goals": ["a"]}, 400, "at `$.rules[1].goals[0]`"),
        (CPU, 400, "rules[1].id: 'cpu' is there twice"),
        (CPU | {"id": "host"}, 409, "rules[1]: this rule is not changed here: it is one of tocsin.toml"),
    ],
)
async def test_one_rule_that_cannot_be_taken_in_keeps_all_out(
    client: httpx.AsyncClient, desk: Desk, rule: object, status: int, complaint: str
) -> None:
    assert complaint in problem(await take_in(client, CPU, rule), status, 107)
    assert await ids(client) == ["host"]
    assert await desk.store.trail(TrailQuery(workspace="acme", limit=9)) == []


@pytest.mark.parametrize("is_dry", [False, True])
async def test_more_rules_than_there_is_room_for_are_none(client: httpx.AsyncClient, is_dry: bool) -> None:
    answer = await take_in(client, *(CPU | {"id": f"r{number}"} for number in range(5)), is_dry=is_dry)
    assert "rules[4]: this workspace has no room for another rule, limit 4" in problem(answer, 429, 106)
    assert await ids(client) == ["host"]


async def as_text(client: httpx.AsyncClient, form: str, text: object, **more: object) -> httpx.Response:
    return await client.post(f"{PATH}/import?format={form}", json={"text": text} | more)


@pytest.mark.parametrize("form", ["yaml", "toml"])
async def test_rules_as_a_text_are_the_same_rules(client: httpx.AsyncClient, form: str) -> None:
    await take_in(client, CPU, SALES, ODD | {"labels": {"a b": "1e3", "c": "no", "d": "2026-01-01", "e": "ü: #\n"}})
    answer = await client.get(f"{PATH}/export?format={form}")
    assert answer.headers["content-type"].startswith(f"application/{form}")
    results = (await as_text(client, form, answer.text)).json()["results"]
    assert [(each["id"], each["action"]) for each in results] == [
        (name, "unchanged") for name in ("cpu", "odd", "sales")
    ]


async def test_a_yaml_of_rules_says_thresholds_without_their_kind(client: httpx.AsyncClient) -> None:
    text = "rules:\n- {id: hot, framework: web, metric: temp, threshold: 5e1}\n"
    answer = await as_text(client, "yaml", text, dry_run=True)
    assert answer.json() == {"results": [{"id": "hot", "action": "create"}], "left_out": []}
    assert await ids(client) == ["host"]


@pytest.mark.parametrize(
    ("query", "body", "complaint"),
    [
        ("?format=yaml", {"text": "rules: [1]"}, "invalid rules: Expected `object`, got `int` - at `$.rules[0]`"),
        ("?format=yaml", {"text": "rules: 1"}, "invalid rules: Expected `array`"),
        ("?format=yaml", {"text": "- 1"}, "invalid rules: Expected `object`, got `array`"),
        ("?format=yaml", {"text": "rules: *a"}, "has an alias (*name)"),
        ("?format=yaml", {"rules": [CPU]}, "format=yaml needs the file as text"),
        ("?format=toml", {"text": "[[rules]]\nid = 1"}, "invalid rules: "),
        ("?format=toml", {"text": "rules: []"}, "the TOML cannot be read: "),
        ("?format=toml", {"text": "a = " + "[" * 9_999}, "the TOML cannot be read: "),
        ("", {"text": "rules: []"}, "format=json needs rules"),
        ("", {"dry_run": True}, "format=json needs rules"),
        ("?format=prometheus", {"text": "rules: []"}, "the file has no list 'groups'"),
        ("?format=prometheus&framework_id=a%00", {"text": "groups: []"}, "framework_id 'a"),
        ("?framework_id=web", {"rules": [CPU]}, "framework_id: only rules of format=prometheus"),
        ("?format=xml", {"rules": [CPU]}, "format"),
    ],
)
async def test_a_body_that_its_format_does_not_mean_is_refused(
    client: httpx.AsyncClient, query: str, body: object, complaint: str
) -> None:
    answer = await client.post(f"{PATH}/import{query}", json=body)
    assert answer.status_code == 400
    assert complaint in answer.text.replace('\\"', '"')
    assert await ids(client) == ["host"]


async def test_rules_of_prometheus_belong_to_the_framework_that_is_named(client: httpx.AsyncClient) -> None:
    text = "groups: [{name: g, rules: [{alert: Hot, expr: temp > 5}, {record: r, expr: a}]}]"
    answer = (await client.post(f"{PATH}/import?format=prometheus&framework_id=shop", json={"text": text})).json()
    assert answer["results"] == [{"id": "g/Hot", "action": "create"}]
    assert [(each["rule"], each["reason"][:16]) for each in answer["left_out"]] == [("r", "a recording rule")]
    assert (await client.get(f"{PATH}/g%252FHot")).json()["framework"] == "shop"
    assert (await as_text(client, "prometheus", "groups: []")).json() == {"results": [], "left_out": []}


async def test_who_may_not_change_rules_gets_no_file_read(desk: Desk) -> None:
    async with desk.client(who("responder")) as responder:
        problem(await as_text(responder, "yaml", "rules: *a"), 403, 103)


async def test_an_import_is_for_editors_and_for_their_channels(desk: Desk) -> None:
    async with desk.client(who("responder")) as responder, desk.client(who(channels=("web",))) as limited:
        problem(await take_in(responder, CPU), 403, 103)
        assert "rules[1]: this token is limited" in problem(await take_in(limited, CPU, SALES), 403, 103)
        assert (await take_in(limited, CPU)).status_code == 200
