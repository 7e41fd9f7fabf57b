"""What the doors say to a request that is wrong: over real HTTP, in words that the sender can do something with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.app import Engine
from engine.sections.doors import Api, Limits
from tests.support.engines import an_engine
from tests.support.foreign_posts import ALERTA, PAGERDUTY
from tests.support.http_api import problem

ANOMALY = {"kind": "anomaly", "id": "a", "framework": "web", "metric": "m"}
BELL = {"framework_id": "web", "title": "disk"}
VALUE = {"framework_id": "web", "metric": "m", "value": 1}
SEASONS = '; allowed: none, hour, day, week; for example "season": "day"'


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


def client_as(engine: Engine, role: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', role)}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170)


@pytest.fixture
async def client(engine: Engine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_as(engine, "admin") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("rules/import", {"rules": [ANOMALY, ANOMALY | {"season": "x"}]}, f"at `$.rules[1].season`{SEASONS}"),
        ("rules/import?format=yaml", {"text": "rules: [{kind: anomaly, season: x}]"}, f"rules[0].season`{SEASONS}"),
        ("rules/a/test", {"value": "hot"}, 'at `$.value`; for example "value": 950'),
        ("rules/a/test", {"valeu": 1}, "unknown field `valeu`; its fields: value, labels, readings, send; for example"),
        ("rules/backtest", {"rule": ANOMALY | {"season": "x"}}, f"at `$.rule.season`{SEASONS}"),
        ("rules/backtest", {"rule": ANOMALY, "readings": [{"value": "x"}]}, '`$[0].value`; for example "value": 950'),
    ],
)
async def test_a_rule_that_is_tried_or_taken_in_is_refused_with_a_right_value(
    client: httpx.AsyncClient, path: str, body: Any, said: str
) -> None:
    assert said in problem(await client.post(f"/api/v1/{path}", json=body), 400, 107)


@pytest.mark.parametrize("preview", ["", "/preview"])
@pytest.mark.parametrize(
    ("path", "body", "place", "meant"),
    [
        ("triggers", {"alert": BELL | {"sevrity": "critical"}}, "`$.alert`; its fields: framework_id", '"severity": "'),
        ("triggers", {"alerts": [BELL, BELL | {"a": 1}]}, "`$.alerts[1]`; its fields: framework_id", "; for example "),
        ("triggers", {"alert": BELL, "async": True}, "field `async`; its fields: alert, alerts", "; for example "),
        (
            "readings",
            {"readings": [VALUE | {"lables": {}}]},
            "`$.readings[0]`; its fields: framework_id",
            '"labels": {',
        ),
        ("readings", {"readings": [VALUE], "reading": 1}, "field `reading`; its fields: readings", '"readings": ['),
    ],
)
async def test_a_misspelt_field_of_a_trigger_or_a_reading_is_told_with_the_one_that_is_meant(
    client: httpx.AsyncClient, preview: str, path: str, body: Any, place: str, meant: str
) -> None:
    told = problem(await client.post(f"/api/v1/{path}{preview}", json=body), 400, 107)
    assert place in told
    assert meant in told


async def test_an_object_within_objects_without_an_end_is_told_so(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/rules", content=b'{"x":' * 20_000)
    assert "nested too deep" in problem(answer, 400, 107)


async def test_an_empty_filter_is_not_taken_for_all_alerts(client: httpx.AsyncClient) -> None:
    ring = {"alert": {"framework_id": "web", "title": "disk"}}
    await client.post("/api/v1/triggers", json=ring)
    for wanted in ({}, {"state": []}, {"all": True, "framework_id": "web"}, {"all": False}):
        answer = await client.post("/api/v1/alerts/resolve", json={"filter": wanted})
        assert '{"all": true} and nothing else for all' in problem(answer, 400, 107)
    answer = await client.post("/api/v1/alerts/resolve", json={"filter": {"all": True}})
    assert (answer.status_code, answer.json()["matched"]) == (200, 1)


async def test_an_alert_that_is_not_known_is_answered_under_its_id(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/alerts/resolve", json={"alertIds": ["nobody", "no one"]})
    assert [(each["alertId"], each["reason"]) for each in answer.json()["results"]] == [
        ("nobody", "unknown_alert"),
        ("no one", "unknown_alert"),
    ]


async def test_a_rule_is_shown_without_the_workspace_that_it_does_not_name(client: httpx.AsyncClient) -> None:
    rule = {"kind": "threshold", "id": "r", "framework": "web", "metric": "m", "threshold": 1}
    made = await client.post("/api/v1/rules", json=rule)
    assert "workspace" not in made.json()
    headers = {"If-Match": made.headers["etag"]}
    assert (await client.put("/api/v1/rules/r", json=made.json(), headers=headers)).json() == made.json()
    assert "workspace" not in (await client.get("/api/v1/rules")).json()["items"][0]


@pytest.mark.parametrize("path", ["/api/v1/stream", "/api/v1/history"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "say either framework_id or channel"),
        ("?channel=workspace&framework_id=web", "say either framework_id or channel"),
        ("?frameworkId=web&framework_id=web", "say either framework_id or channel"),
        ("?framework_id=*", "framework_id '*' is not allowed"),
    ],
)
async def test_a_stream_that_is_not_named_is_asked_for_by_the_names_of_http(
    client: httpx.AsyncClient, path: str, query: str, said: str
) -> None:
    assert said in problem(await client.get(path + query), 400, 107)


async def test_a_probe_heeds_no_parameter_and_the_rest_refuses_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    assert [(await client.get(f"{path}?x=1")).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3
    assert "there is no parameter 'x'" in problem(await client.get("/api/v1/about?x=1"), 400, 107)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "history?frameworkId=" + "x" * 400,
            "frameworkId: Expected `str` of length <= 300 (the same, as on the socket)",
        ),
        ("rules?archived=5", "archived: Expected `bool | null`, got `str`; allowed: true, false (true: only those"),
        ("rules/export?format=" + "x" * 4_000, "x; allowed: toml, json, yaml"),
        ("readings?framework_id=web", "metric: it is missing"),
        ("rules?limit=0", "limit: Expected `int` >= 1 (items a page)"),
    ],
)
async def test_a_wrong_parameter_is_told_by_its_name_with_what_it_may_be(
    client: httpx.AsyncClient, path: str, said: str
) -> None:
    assert said in problem(await client.get(f"/api/v1/{path}"), 400, 107)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "a JSON body is needed"),
        (b" ", "it is empty; a JSON body is needed"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"ids": [', "the JSON ends before it is complete"),
        (b"\x1f\x8b", "JSON is malformed"),
    ],
)
async def test_who_sends_something_else_altogether_is_shown_a_whole_body(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    answer = await client.post("/api/v1/rules/bulk", content=body)
    detail = problem(answer, 400, 107)
    assert said in detail
    assert detail.endswith('; for example {"action":"archive","ids":["search-latency"]}')


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("alerts/resolve", {"alertIds": ["a"], "note": "well"}),
        ("alerts/a/comment", {"note": "well"}),
        ("revocations", {"user": "eve", "until": "2026-01-01T00:00:00Z"}),
        ("broadcast", {"to": "workspace", "id": "main", "message": "hello", "dry_run": True}),
    ],
)
async def test_what_a_person_says_is_not_lost_by_a_slip_in_its_name(
    client: httpx.AsyncClient, path: str, body: Any
) -> None:
    assert "unknown field" in problem(await client.post(f"/api/v1/{path}", json=body), 400, 107)


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        ("broadcast", {"to": "framework", "message": "hello"}, '; for example "id": "web"'),
        (
            "broadcast",
            {"to": "framework", "id": "web"},
            '; for example "message": "We restart the shop in five minutes"',
        ),
        ("workflows/advance", {"project_ids": ["42"]}, '; for example "items": [{"project_id":"42","item_id":"call"}]'),
        ("workflows/advance", {"project": "42"}, '; for example "project_id": "42"'),
    ],
)
async def test_the_example_of_a_field_is_that_of_the_door_it_was_sent_to(
    client: httpx.AsyncClient, path: str, body: Any, shown: str
) -> None:
    assert problem(await client.post(f"/api/v1/{path}", json=body), 400, 107).endswith(shown)


def told(response: httpx.Response) -> tuple[int, str]:
    """The status, and the sentence in the form of the path's product."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    if isinstance(body, str):
        return response.status_code, body
    if "code" in body:
        assert (body["status"], body["code"]) == ("error", response.status_code)
        return response.status_code, str(body["message"])
    assert body["status"] == ("throttle exceeded" if response.status_code == 429 else "invalid event")
    assert body["message"] == (
        "Event object is invalid" if response.status_code == 400 else HTTPStatus(response.status_code).phrase
    )
    (sentence,) = body["errors"]
    return response.status_code, str(sentence)


FOREIGN = {
    "/api/v2/alerts": [{"labels": {"alertname": "A"}}],
    "/v2/enqueue": PAGERDUTY,
    "/api/v1/ingest/pagerduty": PAGERDUTY,
    "/alert": ALERTA,
    "/api/v1/ingest/alerta": ALERTA,
}


@pytest.mark.parametrize("path", FOREIGN)
async def test_a_foreign_door_says_in_its_own_form_whatever_is_wrong(tmp_path: Path, path: str) -> None:
    slow = Limits(producer_messages_per_s=0.1, producer_messages_burst=20)
    api = Api(body_max_bytes=600_000)
    body = FOREIGN[path]
    async with an_engine(tmp_path, limits=slow, api=api) as engine, client_as(engine, "producer") as client:
        status, sentence = told(await client.put(path))
        assert (status, sentence.startswith(f"PUT is not possible at {path}; allowed: ")) == (405, True)
        anybody = httpx.AsyncClient(base_url=engine.http_url)
        async with anybody, client_as(engine, "viewer") as viewer:
            # PagerDuty's credential is in the body: the one of the fixture is nobody's.
            status, sentence = told(await anybody.post(path, json=body))
            assert (status, "token" in sentence) == (401, True)
            status, sentence = told(await viewer.post(path, json=body))
            assert (status, "may not trigger; these may: producer" in sentence) == (403, True)
        compressed = told(await client.post(path, json=body, headers={"Content-Encoding": "gzip"}))
        assert compressed == (415, "the body is compressed; send it plain")
        large = b" " * 600_001
        limit = f"524288 of {path}" if body is PAGERDUTY else "600000 (api.body_max_bytes)"
        assert told(await client.post(path, content=large)) == (
            413,
            f"the body is too large: 600001 bytes, limit {limit}",
        )
        assert told(await client.post(path, content=b"{"))[0] == 400
        # Twenty, and one more for each ten seconds that it takes to send them.
        while (refused := await client.post(path, json=body)).status_code != 429:
            assert refused.is_success
        assert told(refused)[0] == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 10


async def test_what_does_not_exist_below_alertmanagers_path_is_told_in_its_form(client: httpx.AsyncClient) -> None:
    assert told(await client.get("/api/v2/nothing")) == (404, "there is nothing at /api/v2/nothing")
    assert told(await client.get("/api/v2/silence/nobody")) == (404, "there is no such silence")
