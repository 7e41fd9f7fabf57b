"""Every route, asked by a stranger with an id of another workspace: the answer is that for an id that nobody has.

The routes are those of `test_doors_by_role`, so a new one is here at once: with an id in its path it is asked as it is;
any other must have a line here, with the ids in its query or body, or the reason why it takes none of anybody's.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import trio

from engine.analytics.insight_findings import insight_finding, recommendation_finding
from engine.analytics.prediction_findings import finding_of
from engine.analytics.prediction_worker import refusal
from engine.app import Engine
from protocol.predictions import PredictionKind
from tests.component.test_doors_by_role import A_RULE, DEEDS, ROUTES
from tests.support.engines import an_engine
from tests.support.insights import a_recommendation, an_insight
from tests.support.patterns import a_pattern, findings_of
from tests.support.stores import NOW
from tocsin import Client

PHASES = [{"phase_type": "A", "sections": [{"display_name": "S", "items": [{"id": "i", "item_name": "I"}]}]}]
TIMES = {"starts_at": "2099-01-01T00:00:00Z", "ends_at": "2099-01-02T00:00:00Z"}
MATCHERS = [{"name": "alertname", "value": "disk"}]
V2_SILENCE = {
    "matchers": [{"name": "a", "value": "b", "isRegex": False}], "createdBy": "x", "comment": "c",
    "startsAt": "2099-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
}  # fmt: skip
# What our workspace has of each resource.
OURS: dict[str, dict[str, Any]] = {
    "rules": A_RULE | {"id": "our-rule"},
    "silences": {"comment": "c", "matchers": MATCHERS, **TIMES},
    "maintenance": {"id": "our-window", "title": "t", "matchers": MATCHERS, **TIMES},
    "frameworks": {"id": "our-web"},
    "teams": {"id": "our-team"},
    "users": {"id": "our-ann"},
    "schedules": {"id": "our-nightly", "cron": "0 2 * * *", "kind": "workflow_generate"},
    "workflows": {"id": "our-flow", "phases": PHASES},
    "preferences": {"id": "our-ann"},
    "escalations": {"id": "our-chain", "remind_every_s": 600},
    "endpoints": {"id": "our-pager", "channel": "email", "address": "ops@example.com"},
}


class Line(NamedTuple):
    """Where the id is, `{}`; and an id of which of our things."""

    thing: str
    query: str = ""
    body: Any = None


LINES: dict[str, Line] = {
    **{f"POST /api/v1/alerts/{verb}": Line("alert", body={"alertIds": ["{}"]} | body) for verb, body in DEEDS.items()},
    **{f"POST /api/v1/{name}/bulk": Line(name, body={"action": "archive", "ids": ["{}"]}) for name in OURS},
    "POST /api/v1/workspaces/bulk": Line("workspace", body={"action": "archive", "ids": ["{}"]}),
    "DELETE /api/v1/connections": Line("users", "?user={}"),
    "GET /api/v1/jobs": Line("workspace", "?workspace={}"),
    "GET /api/v1/alerts": Line("rules", "?rule_id={}"),
    "GET /api/v1/audit": Line("alert", "?alert_id={}"),
    "GET /api/v1/patterns": Line("frameworks", "?framework_id={}"),
    "GET /api/v1/history": Line("frameworks", "?framework_id={}"),
    "GET /api/v1/analytics": Line("frameworks", "?framework_id={}"),
    "GET /api/v1/analytics/export": Line("rules", "?rule_id={}"),
    "GET /api/v1/analytics/heatmap": Line("frameworks", "?framework_id={}"),
    "GET /api/v1/analytics/rules": Line("frameworks", "?framework_id={}"),
    "GET /api/v1/readings": Line("frameworks", "?framework_id={}&metric=cpu"),
    "GET /api/v1/predictions": Line("rules", "?rule_id={}"),
    "GET /api/v1/predictions/accuracy": Line("rules", "?rule_id={}&until=2026-01-01T00:00:00Z"),
    "GET /api/v1/recommendations": Line("rules", "?rule_id={}"),
    "POST /api/v1/rules/backtest": Line("rules", body={"rule_id": "{}"}),
    "POST /api/v1/broadcast": Line("workspace", body={"to": "workspace", "id": "{}", "message": "hello"}),
    "POST /api/v1/triggers/preview": Line("frameworks", body={"alert": {"framework_id": "{}", "title": "disk"}}),
    "POST /api/v1/readings/preview": Line(
        "frameworks", body={"readings": [{"framework_id": "{}", "metric": "cpu", "value": 99}]}
    ),
    "POST /api/v2/silences": Line("silences", body=V2_SILENCE | {"id": "{}"}),
    "POST /api/v1/workflows/generate": Line("project", body={"project_ids": ["{}"]}),
    "POST /api/v1/workflows/advance": Line("project", body={"project_id": "{}"}),
    "GET /api/v1/workflows/alerts": Line("project", "?project_id={}"),
    "GET /api/v1/workflows/trackers": Line("workflows", "?workflow_id={}"),
}
OF_THE_ENGINE = "about the engine, not about anybody's"
LISTS = "lists, and makes, what is the caller's own: no id is looked up"
NAMES = "the framework it names is the caller's own, made by naming it"
SIGNED = "whose alert it is stands in what is signed, and nobody can sign another's"
USERS = "the user it names is one of the caller's own, whether known or not"
NO_ID: dict[str, str] = {
    **dict.fromkeys(("GET /healthz", "GET /readyz", "GET /metrics", "GET /api/v1/about"), OF_THE_ENGINE),
    **dict.fromkeys(("GET /api/metrics/queue", "GET /api/v1/queues", "GET /api/v1/nodes"), OF_THE_ENGINE),
    "GET /api/v1/system": OF_THE_ENGINE,
    **dict.fromkeys(
        (f"GET /api/metrics/{what}" for what in ("health", "alerts", "cache", "prometheus")), OF_THE_ENGINE
    ),
    **dict.fromkeys(("GET /api/v2/status", "GET /api/v2/receivers", "POST /api/v1/tickets"), OF_THE_ENGINE),
    "POST /api/v1/tokens": "whoever has a ticket is whom it was made for; whose it is cannot be chosen",
    **{f"{method} /api/v1/{name}": LISTS for name in (*OURS, "workspaces") for method in ("GET", "POST")},
    **dict.fromkeys(("GET /api/v2/alerts", "GET /api/v2/alerts/groups", "GET /api/v2/silences"), LISTS),
    **dict.fromkeys(("GET /api/v1/connections", "GET /api/v1/storms", "GET /api/v1/revocations"), LISTS),
    "GET /api/v1/insights": LISTS,
    **dict.fromkeys(("GET /api/v1/incidents", "GET /api/v1/incident-settings", "PUT /api/v1/incident-settings"), LISTS),
    **dict.fromkeys(("GET /api/v1/reports/weekly", "POST /api/v1/reports/weekly"), LISTS),
    **dict.fromkeys(("POST /api/v1/silences/preview", "POST /api/v1/maintenance/preview"), LISTS),
    # Their keys are looked up in the caller's own list: tests/integration/test_notifications_in_app.py.
    **dict.fromkeys(("GET /api/v1/notifications", "POST /api/v1/notifications/read"), LISTS),
    **dict.fromkeys(("GET /api/v1/rules/export", "POST /api/v1/rules/import"), LISTS),
    **dict.fromkeys(("POST /api/v1/revocations", "DELETE /api/v1/revocations"), USERS),
    **dict.fromkeys(("POST /api/v1/triggers", "POST /api/v1/readings", "GET /api/v1/stream"), NAMES),
    **dict.fromkeys(("GET /act/{link}", "POST /act/{link}", "POST /api/v1/slack/actions"), SIGNED),
    **dict.fromkeys(("GET /act/leave/{link}", "POST /act/leave/{link}"), SIGNED),
    **dict.fromkeys(("POST /api/v2/alerts", "POST /v2/enqueue", "POST /alert"), NAMES),
    **{route: NAMES for route in ROUTES if route.startswith("POST /api/v1/ingest/")},
}
# The stranger has no workflow to track with.
NOT_404 = {"PUT /api/v1/workflows/trackers/{project_id}"}
# Looks at no alert itself: the same page for whoever asks, or none where it was not built.
PAGES = {"GET /alerts/{alert_id}"}
# Whose ids are the operator's: the answer says so, whatever the id.
OPERATORS = {route for route in ROUTES if "/workspaces/{" in route or "/queues/{" in route}
PATH_ID = {route for route in ROUTES if "{" in route and route not in NO_ID}


def test_every_route_has_an_id_in_its_path_or_a_line_that_says_where_or_why_not() -> None:
    assert [route for route in ROUTES if (route in PATH_ID) + (route in LINES) + (route in NO_ID) != 1] == []
    assert LINES.keys() | NO_ID.keys() <= ROUTES.keys()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


def as_admin(engine: Engine, workspace: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token(workspace, 'boss', 'admin')}", "If-Match": "*"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=170)


async def furnish(ours: httpx.AsyncClient) -> dict[str, str]:
    """One of each thing; their ids."""
    ids = {"workspace": "main", "project": "our-project", "queue": "alert"}
    for name, body in OURS.items():
        answer = await ours.post(f"/api/v1/{name}", json=body)
        assert answer.status_code == 201, answer.text
        ids[name] = answer.json()["id"]
    ring = {"alert": {"framework_id": "our-web", "title": "disk", "rule_id": None}}
    ids["alert"] = (await ours.post("/api/v1/triggers", json=ring)).json()["results"][0]["alertId"]
    twice = [ring["alert"] | {"title": title, "labels": {"host": "h1"}} for title in ("one", "other")]
    await ours.post("/api/v1/triggers", json={"alerts": twice})
    while not (incidents := (await ours.get("/api/v1/incidents")).json()["items"]):
        await trio.sleep(0.02)
    ids["incident"] = incidents[0]["id"]
    tracker = {"workflow_id": "our-flow"}
    del ours.headers["If-Match"]
    assert (await ours.put("/api/v1/workflows/trackers/our-project", json=tracker)).status_code == 200
    later = await ours.post("/api/v1/workflows/generate?async=true", json={"project_ids": ["nobodys"]})
    ids["job"] = later.headers["Location"].rpartition("/")[2]
    ids["client"] = (await ours.get("/api/v1/connections")).json()["items"][0]["client_id"]
    return ids


async def predicted(engine: Engine) -> str:
    """A prediction of ours: nobody makes one over HTTP."""
    finding = finding_of("main", refusal(PredictionKind.COUNT, "our-web", None, "needs 14 days, has 1", NOW), NOW)
    await engine._up.store.put_findings([finding])
    return finding.key


async def reckoned(engine: Engine) -> dict[str, str]:
    """An insight and a recommendation of ours: nobody makes them over HTTP, either."""
    insight, one = an_insight("our-web", NOW, 50.0), a_recommendation(1, NOW, "our-web")
    findings = [insight_finding("main", insight, NOW), recommendation_finding("main", one, NOW)]
    await engine._up.store.put_findings(findings)
    return {"insights": "our-web", "recommendations": one.id}


def thing_in(path: str) -> str:
    """Whose id a path has."""
    for name, thing in (
        ("{alert_id}", "alert"),
        ("{incident_id}", "incident"),
        ("{client_id}", "client"),
        ("{project_id}", "project"),
        ("{job_id}", "job"),
    ):
        if name in path:
            return thing
    if "{queue}" in path:
        return "queue"
    return "workspace" if "/workspaces" in path else "silences" if "/v2/silence" in path else path.split("/")[3]


async def asked(client: httpx.AsyncClient, route: str, name: str) -> tuple[int, str]:
    """The answer, with the id taken out."""
    method, path = route.split()
    line = LINES.get(route) or Line("", ROUTES[route].query, ROUTES[route].body)
    for parameter in (
        "silence_id",
        "alert_id",
        "incident_id",
        "client_id",
        "object_id",
        "project_id",
        "job_id",
        "queue",
        "prediction_id",
        "pattern_id",
    ):
        path = path.replace(f"{{{parameter}}}", name)
    content = None if line.body is None else msgspec.json.encode(line.body).replace(b"{}", name.encode())
    if route in PATH_ID and line.body == {}:
        content = b"{}"
    headers = {"Content-Type": "application/json"} if content else {}
    answer = await client.request(method, path + line.query.replace("{}", name), content=content, headers=headers)
    return answer.status_code, re.sub(rf"\b{re.escape(name)}\b", "ID", answer.text)


def lasting(answer: httpx.Response) -> Any:
    """An answer without what a connection was told meanwhile: routing of our own alert is a job, and has its time."""
    items = answer.json()["items"]
    return [{name: value for name, value in item.items() if name != "messages_out"} for item in items]


async def test_an_id_of_another_workspace_is_answered_as_one_that_nobody_has(engine: Engine) -> None:
    await strangers_are_told_nothing(engine)


async def strangers_are_told_nothing(engine: Engine) -> None:
    """Asks everything of it, with each of our ids; on every store."""
    differ, found = dict[str, Any](), dict[str, int]()
    async with (
        as_admin(engine, "main") as ours,
        as_admin(engine, "rival") as stranger,
        Client(engine.ws_url, engine.issue_token("main", "our-ann")) as socket,
    ):
        await socket.subscribe("our-web")
        ids = await furnish(ours)
        ids["predictions"] = await predicted(engine)
        await engine._tree.up.store.put_findings(findings_of([a_pattern("our-pattern-1")], "main"))
        ids["patterns"] = "our-pattern-1"
        ids |= await reckoned(engine)
        kept = [
            await ours.get(f"/api/v1/{name}")
            for name in (*OURS, "alerts", "patterns", "recommendations", "workflows/trackers", "connections")
        ]
        for route in sorted(PATH_ID | LINES.keys()):
            known = ids[LINES[route].thing if route in LINES else thing_in(route.split()[1])]
            # Of the same form: as long, and a digit where there was one.
            nobodys = known[:-1] + ("7" if known[-1] != "7" else "8")
            theirs, absent = await asked(stranger, route, known), await asked(stranger, route, nobodys)
            if theirs != absent:
                differ[route] = (theirs, absent)
            if route in PATH_ID and theirs[0] != 404:
                found[route] = theirs[0]
        again = [await ours.get(str(each.request.url)) for each in kept]
    assert differ == {}
    assert found.keys() - OPERATORS - PAGES == NOT_404
    assert {found[route] for route in OPERATORS} == {403}
    assert [lasting(each) for each in again] == [lasting(each) for each in kept], "and nothing of ours has changed"
