"""Rules from end to end: made over HTTP, fed by `/readings`, heard on a socket; and tried before they ring."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from engine.app import Engine
from engine.trying import stored
from protocol.messages import AlertMessage
from protocol.model import EventKind
from protocol.times import SECOND_US, rfc3339
from tests.support.engines import ROOT, an_engine
from tests.support.shell import a_shell
from tocsin import Client

PAGE = (ROOT / "docs" / "rules.md").read_text()
EXAMPLES = re.findall(r"```json rule\n(.*?)```\n```json readings\n(.*?)```\nRings: `(.*?)`", PAGE, re.DOTALL)
# An anomaly is unlike what came before, which would be too long for a page.
[ODD] = re.findall(r'```json rule\n([^`]*"anomaly".*?)```', PAGE, re.DOTALL)
UNLIKE = [{"framework_id": "web", "metric": "requests_per_s", "value": 100 + number * 7 % 11} for number in range(150)]
EXAMPLES.append((ODD, json.dumps({"readings": [*UNLIKE, UNLIKE[0] | {"value": 5_000}]}), "traffic is unusual: 5000/s"))
RULES = re.findall(r"```json rule\n(.*?)```", PAGE, re.DOTALL)
HOT = {"id": "hot", "kind": "threshold", "framework": "web", "metric": "temp", "threshold": 50, "for_s": 60}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    with trio.fail_after(170):
        async with an_engine(tmp_path) as engine:
            yield engine


def a_client(engine: Engine, workspace: str = "main") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token(workspace, 'ann', 'editor')}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170)


async def posted(client: httpx.AsyncClient, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.mark.parametrize("text", RULES, ids=lambda text: msgspec.json.decode(text)["id"])
async def test_each_example_of_the_page_is_a_rule_that_is_let_in(engine: Engine, text: str) -> None:
    async with a_client(engine) as client:
        assert (await posted(client, "/api/v1/rules", msgspec.json.decode(text)))["version"] == 1


@pytest.mark.parametrize(("rule", "readings", "title"), EXAMPLES, ids=[title for _, _, title in EXAMPLES])
async def test_readings_that_break_a_rule_are_told_on_a_socket(
    engine: Engine, rule: str, readings: str, title: str
) -> None:
    sent = msgspec.json.decode(readings)["readings"]
    async with a_client(engine) as http, Client(engine.ws_url, engine.issue_token("main", "bob")) as socket:
        await socket.subscribe("web")
        await posted(http, "/api/v1/rules", msgspec.json.decode(rule))
        if before := sent[:-1]:
            quiet = (await posted(http, "/api/v1/readings", {"readings": before}))["results"]
            assert "fired" not in [each["reason"] for each in quiet]
        [foreseen] = (await posted(http, "/api/v1/readings/preview", {"readings": sent[-1:]}))["results"]
        results = (await posted(http, "/api/v1/readings", {"readings": sent[-1:]}))["results"]
        assert (foreseen["status"], foreseen["reason"]) == (results[-1]["status"], results[-1]["reason"])
        assert foreseen["ruleId"] == msgspec.json.decode(rule)["id"]
        assert results[-1]["reason"] == "fired"
        while (message := await anext(socket.alerts())).data.id != results[-1]["alertId"]:
            pass
        path = f"/api/v1/rules/{foreseen['ruleId']}/series"
        [series] = (await http.get(path, params={"state": "firing,idle"})).json()["items"]
        assert series["alert_id"] == results[-1]["alertId"]
        assert (series["state"] == "firing") is not bool(series["reached"]), "a milestone comes, and does not go"
    assert isinstance(message, AlertMessage)
    assert (message.event, message.data.title) == (EventKind.FIRED, title)
    assert message.data.rule_id == msgspec.json.decode(rule)["id"]


async def test_the_commands_of_the_page_try_its_first_rule(tmp_path: Path) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    rule, readings, title = EXAMPLES[0]
    async with a_shell(tmp_path) as (engine, said), a_client(engine) as client:
        await posted(client, "/api/v1/rules", msgspec.json.decode(rule))
        await posted(client, "/api/v1/readings", msgspec.json.decode(readings))
        for line in block.splitlines():
            told = await said(*shlex.split(line, comments=True)[1:])
            assert ("fired" in told, title in told) == (True, True), told


async def test_the_page_says_what_becomes_of_a_rule_file_of_prometheus(engine: Engine) -> None:
    [file] = re.findall(r"```yaml prometheus\n(.*?)```", PAGE, re.DOTALL)
    [answer] = re.findall(r"```json imported\n(.*?)```", PAGE, re.DOTALL)
    sent = {"metric": "disk_used_ratio", "value": 0.95, "labels": {"mount": "/", "instance": "db-1"}}
    async with a_client(engine) as client:
        path = "/api/v1/rules/import?format=prometheus&framework_id=web"
        assert await posted(client, path, {"text": file}) == msgspec.json.decode(answer)
        rule = (await client.get("/api/v1/rules/nodes%252FDiskFull")).json()
        assert rule["labels"] == {"alertname": "DiskFull", "severity": "page", "team": "infra"}
        [result] = (await posted(client, "/api/v1/readings", {"readings": [{"framework_id": "web"} | sent]}))["results"]
        assert result["reason"] == "pending"


def test_there_is_an_example_for_every_kind() -> None:
    assert {msgspec.json.decode(text)["kind"] for text, _, _ in EXAMPLES} == {
        "threshold",
        "performance",
        "milestone",
        "anomaly",
    }


async def test_a_rule_is_tried_on_a_value_and_nobody_hears_of_it(engine: Engine) -> None:
    async with a_client(engine) as client:
        await posted(client, "/api/v1/rules", HOT)
        tried = await posted(client, "/api/v1/rules/hot/test", {"value": 60, "labels": {"host": "h1"}})
        assert tried["backtest"]["told"] == {"fired": 1}
        assert tried["backtest"]["events"][0]["title"] == "temp > 50"
        assert tried["sent"] is None
        assert (await client.get("/api/v1/alerts")).json()["items"] == []
        fine = await posted(client, "/api/v1/rules/hot/test", {"readings": [{"value": 60}, {"value": 40}]})
        assert fine["backtest"]["reasons"] == {"pending": 1, "below_threshold": 1}
        both = await client.post("/api/v1/rules/hot/test", json={"value": 1, "readings": [{"value": 1}]})
        nothing = await client.post("/api/v1/rules/hot/test", json={})
        assert (nothing.status_code, "say what to try it on" in nothing.json()["detail"]) == (400, True)
        wrong = await client.post("/api/v1/rules/hot/test", json={"readings": [{"value": 1, "at": "noon"}]})
        assert [(each.status_code, each.json()["code"]) for each in (both, wrong)] == [(400, 107), (400, 107)]


async def test_a_test_alert_is_marked_as_one_and_is_not_the_rules_own(engine: Engine) -> None:
    async with a_client(engine) as client:
        await posted(client, "/api/v1/rules", HOT | {"for_s": 0, "title": "Hot", "severity": "error"})
        sent = [(await posted(client, "/api/v1/rules/hot/test", {"value": 1, "send": True}))["sent"] for _ in range(2)]
        assert [each["reason"] for each in sent] == ["fired", "fired"]
        alert = (await client.get(f"/api/v1/alerts/{sent[0]['alertId']}")).json()
        assert (alert["title"], alert["severity"], alert["labels"]) == ("[test] Hot", "error", {"test": "true"})
        assert "sent by ann" in alert["message"]
        reading = {"framework_id": "web", "metric": "temp", "value": 60}
        assert (await posted(client, "/api/v1/readings", {"readings": [reading]}))["results"][0]["reason"] == "fired"


@pytest.mark.parametrize(("value", "shown"), [(60, 60), (10, None)], ids=["rings", "would not ring"])
async def test_a_test_alert_says_what_the_rule_would_have_said(engine: Engine, value: float, shown: Any) -> None:
    async with a_client(engine) as client:
        await posted(client, "/api/v1/rules", HOT | {"title": "{{ labels.host }} is at {{ value }}"})
        tried = {"value": value, "labels": {"host": "h1"}, "send": True}
        sent = (await posted(client, "/api/v1/rules/hot/test", tried))["sent"]
        alert = (await client.get(f"/api/v1/alerts/{sent['alertId']}")).json()
        assert alert["title"] == f"[test] h1 is at {value}"
        assert (alert["labels"], alert.get("current_value")) == ({"host": "h1", "test": "true"}, shown)


async def test_a_backtest_over_given_and_over_stored_readings_says_the_same(engine: Engine) -> None:
    now = engine._world.clock()
    start = now - 600 * SECOND_US
    series = [(0, 60.0), (100, 60.0), (110, 40.0)]
    given = [{"value": value, "at": rfc3339(start + after * SECOND_US)} for after, value in series]
    async with a_client(engine) as client:
        over_given = await posted(client, "/api/v1/rules/backtest", {"rule": HOT, "readings": given})
        assert over_given["told"] == {"fired": 1, "resolved": 1}
        stored = [{"framework_id": "web", "metric": "temp"} | each for each in given]
        await posted(client, "/api/v1/readings", {"readings": stored})
        asked = {"rule": HOT, "since": rfc3339(start), "until": rfc3339(start + 111 * SECOND_US)}
        over_stored = await posted(client, "/api/v1/rules/backtest", asked)
        assert (over_stored.pop("resolution"), over_given.pop("resolution")) == ("raw", None)
        [span] = over_stored.pop("stored")
        assert (span["resolution"], span["points"], over_given.pop("stored")) == ("raw", 3, [])
        assert over_stored == over_given
        hourly = await posted(client, "/api/v1/rules/backtest", asked | {"resolution": "1h"})
        assert hourly["resolution"] == "1h"
        assert hourly["note"].startswith("readings are averages of 1 h; shorter breaches are not seen")


WEB = {"framework": "web", "kind": "threshold"}
RATE = {"kind": "performance", "objective": "error_rate", "metric": "err", "total_metric": "req", "threshold": 0.1}
AS_LIVE = [
    {"id": "up", "kind": "milestone", "metric": "signups", "is_cumulative": True, "goals": [100]},
    RATE | {"id": "rate"},
    {"id": "sum", "metric": "signups", "aggregate": "sum", "window_s": 3600, "threshold": 90},
    {"id": "count", "metric": "signups", "aggregate": "count", "window_s": 3600, "threshold": 5},
    {"id": "hot", "metric": "cpu", "threshold": 90},
    {"id": "cold", "metric": "cpu", "threshold": 10, "comparison": "<"},
]


@pytest.mark.parametrize("rule", AS_LIVE, ids=lambda rule: rule["id"])
async def test_what_fired_live_fires_in_a_backtest_whatever_form_readings_are_told_in(
    engine: Engine, rule: dict[str, Any]
) -> None:
    values = {"signups": [20] * 10, "req": [20] * 10, "err": [50], "cpu": [50, 95, 5, 50]}
    sent = [{"framework_id": "web", "metric": metric, "value": value} for metric in values for value in values[metric]]
    rule = WEB | rule
    async with a_client(engine) as client:
        await posted(client, "/api/v1/rules", rule)
        live = [each["reason"] for each in (await posted(client, "/api/v1/readings", {"readings": sent}))["results"]]
        assert live.count("fired") == 1
        ways = [{"resolution": form} for form in ("raw", "1m", "1h")]
        week_ago = rfc3339(engine._world.clock() - 7 * 86_400 * SECOND_US)
        for way in [*ways, {"since": week_ago}]:
            found = await posted(client, "/api/v1/rules/backtest", {"rule": rule} | way)
            assert found["told"]["fired"] == 1, way
        assert ([each["resolution"] for each in found["stored"]], found["note"]) == (["raw"], None)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "say either rule or rule_id"),
        ({"rule": HOT, "rule_id": "hot"}, "say either rule or rule_id"),
        ({"rule": HOT | {"recovery": 60}}, "recovery: 60 is above threshold"),
        ({"rule": HOT, "readings": [], "since": "2026-01-31T12:00:00Z"}, "leave out either them or readings"),
        ({"rule": HOT, "readings": [{"value": "x", "at": ""}]}, "readings: Expected `float`, got `str`"),
        ({"rule": HOT, "readings": 5}, "readings: Expected `array`, got `int`"),
    ],
)
async def test_a_backtest_that_cannot_be_is_refused_with_the_reason(engine: Engine, body: Any, said: str) -> None:
    async with a_client(engine) as client:
        answer = await client.post("/api/v1/rules/backtest", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, 107)
        assert said in answer.json()["detail"]


async def test_another_workspaces_rule_is_tried_as_one_that_does_not_exist(engine: Engine) -> None:
    async with a_client(engine) as ours, a_client(engine, "other") as theirs:
        await posted(ours, "/api/v1/rules", HOT)
        for path, body in (("hot/test", {"value": 60}), ("backtest", {"rule_id": "hot"})):
            answer = await theirs.post(f"/api/v1/rules/{path}", json=body)
            absent = await theirs.post(f"/api/v1/rules/{path.replace('hot', 'nix')}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, 102)
            if "test" in path:
                assert absent.json()["detail"] == answer.json()["detail"]


async def test_a_backtest_over_more_readings_than_it_takes_says_what_to_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "STORED_MAX", 2)
    async with a_client(engine) as client:
        sent = [{"framework_id": "web", "metric": "temp", "value": 1, "labels": {"n": str(n)}} for n in range(3)]
        await posted(client, "/api/v1/readings", {"readings": sent})
        answer = await client.post("/api/v1/rules/backtest", json={"rule": HOT})
        assert answer.status_code == 400
        assert "more than 2 readings between since and until: use a shorter time" in answer.json()["detail"]


async def test_a_token_for_other_channels_tries_no_rule_of_this_one(engine: Engine) -> None:
    async with a_client(engine) as client:
        await posted(client, "/api/v1/rules", HOT)
    limited = engine.issue_token("main", "eve", "editor", channels=["db"])
    headers = {"Authorization": f"Bearer {limited}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170) as client:
        given = await client.post("/api/v1/rules/backtest", json={"rule": HOT, "readings": []})
        stored = await client.post("/api/v1/rules/hot/test", json={"value": 1})
        assert (given.status_code, stored.status_code) == (403, 404)


async def test_rates_of_stored_readings_are_backtested_with_both_metrics(engine: Engine) -> None:
    rule = {
        "id": "bad",
        "kind": "performance",
        "framework": "web",
        "metric": "errors",
        "total_metric": "requests",
        "objective": "error_rate",
        "threshold": 0.1,
    }
    async with a_client(engine) as client:
        sent = [{"framework_id": "web", "metric": m, "value": v} for m, v in (("requests", 10), ("errors", 5))]
        await posted(client, "/api/v1/readings", {"readings": sent})
        found = await posted(client, "/api/v1/rules/backtest", {"rule": rule})
        assert (found["readings"], found["told"]) == (2, {"fired": 1})
