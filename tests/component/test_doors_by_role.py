"""Every route and every message of the wire, for every role: allowed, or refused with 103, as the tables here say.

A new route or message without a line here fails a test. A line: which verb it takes, and a request that gets as far as
the question who may (None as the verb: no role is asked).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import httpx
import msgspec
import pytest
from trio_websocket import open_websocket_url

from engine.access.roles import ROLE_MAY
from engine.app import Engine
from engine.http.foreign_errors import foreign_errors
from engine.sections.doors import Limits
from protocol.messages import ClientMessage
from tests.support.engines import an_engine
from tests.support.foreign_posts import ALERTA, ALERTMANAGER, CLOUDEVENT, GRAFANA, PAGERDUTY, changed

NOBODY = "018f0000-0000-7000-8000-00000000dead"


A_RULE = {"kind": "threshold", "id": "r", "framework": "web", "metric": "cpu", "threshold": 90}


class Door(NamedTuple):
    verb: str | None
    body: Any = None
    query: str = ""
    media_type: str = "application/json"


OPEN = Door(None)
READ = Door("read")
ADMINISTER = Door("administer")
# What people do about alerts, and what each of these needs.
DEEDS: dict[str, dict[str, Any]] = {
    "acknowledge": {},
    "unacknowledge": {},
    "assign": {"assigned_to": "ann"},
    "comment": {"notes": "well"},
    "resolve": {},
    "reopen": {},
}
# By method and path, as the OpenAPI document has them.
ROUTES: dict[str, Door] = {
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /api/v1/about": OPEN,
    "POST /api/v1/tickets": OPEN,
    "POST /api/v1/tokens": OPEN,
    "POST /api/v1/triggers": Door("trigger", {"alert": {"framework_id": "web"}}),
    "POST /api/v1/readings": Door("trigger", {"readings": [{"framework_id": "web", "metric": "cpu", "value": 1}]}),
    "POST /api/v2/alerts": Door("trigger", [{"labels": {"alertname": "A"}}]),
    "GET /api/v2/alerts": READ,
    "GET /api/v2/status": OPEN,
    "GET /api/v1/alerts": READ,
    "GET /api/v1/alerts/{alert_id}": READ,
    "GET /api/v1/alerts/{alert_id}/recipients": READ,
    "GET /api/v1/alerts/{alert_id}/audit": READ,
    **{f"POST /api/v1/alerts/{{alert_id}}/{verb}": Door("respond", body) for verb, body in DEEDS.items()},
    **{f"POST /api/v1/alerts/{verb}": Door("respond", {"alertIds": [NOBODY]} | body) for verb, body in DEEDS.items()},
    "GET /api/v1/connections": ADMINISTER,
    "DELETE /api/v1/connections": Door("administer", query="?user=nobody"),
    "DELETE /api/v1/connections/{client_id}": ADMINISTER,
    "GET /api/v1/audit": ADMINISTER,
    "GET /api/v1/revocations": ADMINISTER,
    "POST /api/v1/revocations": Door("administer", {"user": "nobody"}),
    "DELETE /api/v1/revocations": Door("administer", query="?user=nobody"),
    "POST /api/v1/ingest/alertmanager": Door("trigger", ALERTMANAGER),
    "POST /api/v1/ingest/grafana": Door("trigger", GRAFANA),
    "POST /api/v1/ingest/pagerduty": Door("trigger", PAGERDUTY),
    "POST /v2/enqueue": Door("respond", changed(PAGERDUTY, event_action="acknowledge")),
    "POST /api/v1/ingest/cloudevents": Door("trigger", CLOUDEVENT, media_type="application/cloudevents+json"),
    "POST /api/v1/ingest/alerta": Door("trigger", ALERTA),
    "POST /alert": Door("trigger", ALERTA),
    "POST /api/v1/ingest/json": Door("trigger", {"title": "T"}),
    "POST /api/v1/broadcast": Door("broadcast", {"to": "workspace", "id": "main", "message": "hello"}),
    "GET /api/v1/stream": Door("read", query="?framework_id=web"),
    "GET /api/v1/incidents": READ,
    "GET /api/v1/incidents/{incident_id}": READ,
    **{f"POST /api/v1/incidents/{{incident_id}}/{verb}": Door("respond", {}) for verb in ("acknowledge", "resolve")},
    "POST /api/v1/incidents/{incident_id}/split": Door("respond", {"alert_id": NOBODY}),
    "POST /api/v1/incidents/{incident_id}/merge": Door("respond", {"incident_id": NOBODY}),
    "GET /api/v1/incident-settings": READ,
    "PUT /api/v1/incident-settings": Door("edit", {}),
    "GET /api/v1/history": Door("read", query="?framework_id=web"),
    "GET /api/v1/analytics": Door("read"),
    "GET /api/v1/analytics/export": Door("read"),
    "GET /api/v1/analytics/heatmap": Door("read"),
    "GET /api/v1/analytics/rules": Door("read"),
    "GET /api/v1/readings": Door("read", query="?framework_id=web&metric=cpu"),
    "GET /api/v1/frameworks/{object_id}/metrics": READ,
    **{f"{method} /api/v1/reports/weekly": READ for method in ("GET", "POST")},
    "GET /api/v1/predictions": READ,
    "GET /api/v1/predictions/accuracy": READ,
    "GET /api/v1/predictions/{prediction_id}": READ,
}


def object_routes(path: str, verb: str, reading: str = "read") -> dict[str, Door]:
    """The lines of a resource that `engine.http.objects` makes: `verb` changes it."""
    one, change = f"{path}/{{object_id}}", Door(verb, {})
    bulk = Door(verb, {"action": "archive", "ids": [NOBODY]})
    return {f"GET {each}": Door(reading) for each in (path, one, f"{one}/versions")} | {
        f"POST {path}": change,
        f"PUT {one}": change,
        f"PATCH {one}": change,
        f"DELETE {one}": Door(verb),
        f"POST {one}/archive": Door(verb),
        f"POST {one}/restore": Door(verb),
        f"POST {path}/bulk": bulk,
    }


ROUTES |= object_routes("/api/v1/rules", "edit")
ROUTES |= {
    "GET /api/v1/rules/{object_id}/series": READ,
    "POST /api/v1/rules/{object_id}/test": Door("edit", {"value": 1}),
    "GET /api/v1/rules/export": READ,
    "POST /api/v1/rules/import": Door("edit", {"rules": [A_RULE]}),
    "POST /api/v1/rules/backtest": Door("edit", {"rule_id": NOBODY}),
}
ROUTES |= {
    "GET /api/v1/insights": READ,
    "GET /api/v1/insights/{object_id}": READ,
    "GET /api/v1/recommendations": READ,
    "GET /api/v1/recommendations/{object_id}": READ,
    "POST /api/v1/recommendations/{object_id}/apply": Door("edit"),
    "POST /api/v1/recommendations/{object_id}/dismiss": Door("respond", {}),
}
ROUTES |= object_routes("/api/v1/silences", "silence") | object_routes("/api/v1/maintenance", "silence")
ROUTES |= {"POST /api/v1/silences/{object_id}/expire": Door("silence"), "GET /api/v1/storms": READ}
ROUTES |= object_routes("/api/v1/frameworks", "edit")
ROUTES |= object_routes("/api/v1/teams", "edit") | {"GET /api/v1/teams/{object_id}/on-call": READ}
ROUTES |= object_routes("/api/v1/users", "administer")
# Of the engine's operator: no role of another workspace is enough.
ROUTES |= object_routes("/api/v1/workspaces", "operate", "operate")
ROUTES |= {
    "POST /api/v1/triggers/preview": Door("read", {"alert": {"framework_id": "web"}}),
    "POST /api/v1/readings/preview": Door("read", {"readings": [{"framework_id": "web", "metric": "m", "value": 1}]}),
    "POST /api/v1/silences/preview": Door("read", {"matchers": [{"name": "host", "value": "h1"}]}),
    "POST /api/v1/maintenance/preview": Door("read", {"frameworks": ["web"]}),
    "GET /api/v2/alerts/groups": READ,
    "GET /api/v2/silences": READ,
    "POST /api/v2/silences": Door("silence", {"matchers": [], "startsAt": "", "endsAt": "", "id": NOBODY}),
    "GET /api/v2/silence/{silence_id}": READ,
    "DELETE /api/v2/silence/{silence_id}": Door("silence"),
    "GET /api/v2/receivers": OPEN,
}
ROUTES |= {
    "GET /api/v1/alerts/{alert_id}/deliveries": READ,
    "GET /api/v1/notifications": READ,
    "POST /api/v1/notifications/read": Door("read", {}),
    "GET /api/v1/patterns": READ,
    "GET /api/v1/patterns/{pattern_id}": READ,
    **{f"POST /api/v1/patterns/{{pattern_id}}/{verb}": Door("respond", {}) for verb in ("confirm", "dismiss")},
}
ROUTES |= object_routes("/api/v1/workflows", "edit") | object_routes("/api/v1/escalations", "edit")
# Everybody his own; whose it is, is asked when that is known.
ROUTES |= object_routes("/api/v1/preferences", "read") | {"POST /api/v1/preferences": Door("read", {"id": "ann"})}
ROUTES |= object_routes("/api/v1/endpoints", "edit")
ROUTES |= {
    "POST /api/v1/endpoints/{object_id}/rotate": Door("edit", {}),
    "POST /api/v1/endpoints/{object_id}/test": Door("edit"),
}
ROUTES |= {
    "POST /api/v1/workflows/generate": Door("trigger", {"project_ids": ["42"]}),
    "POST /api/v1/workflows/advance": Door("respond", {"project_id": "42"}),
    "GET /api/v1/workflows/alerts": READ,
    "GET /api/v1/workflows/trackers": READ,
    "GET /api/v1/workflows/trackers/{project_id}": READ,
    "GET /api/v1/workflows/trackers/{project_id}/history": READ,
    "PUT /api/v1/workflows/trackers/{project_id}": Door("edit", {"workflow_id": "roofing"}),
    "DELETE /api/v1/workflows/trackers/{project_id}": Door("edit"),
}
OPERATE = Door("operate")
ROUTES |= object_routes("/api/v1/schedules", "edit")
ROUTES |= {f"POST /api/v1/schedules/{{object_id}}/{verb}": Door("edit") for verb in ("pause", "resume", "run")}
ROUTES |= {
    "GET /api/v1/jobs": ADMINISTER,
    "GET /api/v1/jobs/{job_id}": READ,
    "POST /api/v1/jobs/{job_id}/cancel": ADMINISTER,
    "POST /api/v1/jobs/{job_id}/retry": ADMINISTER,
    "GET /api/v1/nodes": OPERATE,
    "GET /api/v1/queues": OPERATE,
    "POST /api/v1/queues/{queue}/pause": OPERATE,
    "POST /api/v1/queues/{queue}/resume": OPERATE,
    "POST /api/v1/queues/{queue}/redrive": OPERATE,
    "POST /api/v1/queues/{queue}/limit": Door("operate", {"limit": 8}),
    "GET /api/metrics/queue": OPEN,
    "GET /api/v1/system": OPEN,
    **dict.fromkeys((f"GET /api/metrics/{what}" for what in ("health", "alerts", "cache", "prometheus")), OPEN),
}
# Whoever has the link, or Slack's signature, says so with the request itself.
ROUTES |= {
    "GET /act/{link}": OPEN,
    "POST /act/{link}": OPEN,
    "GET /act/leave/{link}": OPEN,
    "POST /act/leave/{link}": OPEN,
    "POST /api/v1/slack/actions": OPEN,
}
MESSAGES: dict[str, Door] = {
    "auth": OPEN,
    "refresh": OPEN,
    "ping": OPEN,
    "subscribe": Door("read", {"frameworkId": "web"}),
    "unsubscribe": Door("read", {"frameworkId": "web"}),
    "received": Door("read", {"channel": "alerts:web", "offset": 0}),
    "seen": Door("read", {"channel": "alerts:web", "offset": 0}),
    "read": Door("read", {"keys": ["msg_0"]}),
    "trigger": Door("trigger", {"alert": {"framework_id": "web"}}),
    "reading": Door("trigger", {"readings": [{"framework_id": "web", "metric": "cpu", "value": 1}]}),
    "acknowledge": Door("respond", {"alertId": NOBODY}),
    "resolve": Door("respond", {"alertId": NOBODY}),
}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    # One person asks at all doors, and is nowhere refused for being too quick.
    async with an_engine(tmp_path, limits=Limits(people_messages_burst=10_000)) as engine:
        yield engine


async def test_every_route_has_its_line_and_no_other_has_one(engine: Engine) -> None:
    async with httpx.AsyncClient(base_url=engine.http_url) as client:
        paths = (await client.get("/schema/openapi.json")).json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(ROUTES)


@pytest.mark.parametrize("role", ROLE_MAY)
async def test_a_role_may_use_the_routes_of_its_verbs_and_is_told_103_at_the_others(engine: Engine, role: str) -> None:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', role)}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
        refused = {route for route, door in ROUTES.items() if await is_refused(client, route, door)}
    assert refused == {route for route, door in ROUTES.items() if door.verb and door.verb not in ROLE_MAY[role]}


# What is not signed by Slack is nobody's, whatever token it has.
SIGNED = {"POST /api/v1/slack/actions"}
# The credential of PagerDuty's senders is in the body.
IN_THE_BODY = {"POST /v2/enqueue", "POST /api/v1/ingest/pagerduty"}


@pytest.mark.parametrize("role", ROLE_MAY)
async def test_who_may_not_is_told_so_before_what_is_wrong_with_his_body(engine: Engine, role: str) -> None:
    # A list with a number: no route takes it.
    wrong = {route: door._replace(body=[5]) for route, door in ROUTES.items() if door.body is not None}
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', role)}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers) as client:
        refused = {route for route, door in wrong.items() if await is_refused(client, route, door)}
    may_not = {route for route, door in wrong.items() if door.verb and door.verb not in ROLE_MAY[role]}
    assert refused == may_not - IN_THE_BODY


async def is_refused(client: httpx.AsyncClient, route: str, door: Door) -> bool:
    method, path = route.split()
    for name in ("silence_id", "alert_id", "client_id", "object_id", "project_id", "job_id"):
        path = path.replace(f"{{{name}}}", NOBODY)
    path = path.replace("{queue}", "alert")
    content = None if door.body is None else msgspec.json.encode(door.body)
    headers = {"Content-Type": door.media_type} if content else {}
    async with client.stream(method, path + door.query, content=content, headers=headers) as response:
        assert (response.status_code == 401) is (route in SIGNED)
        if response.status_code != 403:
            return False
        # Alerta's form has the status as its code.
        assert foreign_errors(path) or msgspec.json.decode(await response.aread())["code"] == 103
        return True


def test_every_message_has_its_line() -> None:
    assert {kind.__struct_config__.tag for kind in get_args(ClientMessage)} == set(MESSAGES)


@pytest.mark.parametrize("role", ROLE_MAY)
async def test_a_role_may_say_the_messages_of_its_verbs_and_is_told_103_for_the_others(
    engine: Engine, role: str
) -> None:
    token = engine.issue_token("main", "ann", role)
    refused = set()
    async with open_websocket_url(engine.ws_url) as socket:
        # Without an answer of their own, so whatever comes under their id is a refusal; `ping` ends the round.
        for tag in ("auth", *(tag for tag in MESSAGES if tag != "auth")):
            body = {"token": token} if tag in ("auth", "refresh") else MESSAGES[tag].body or {}
            await socket.send_message(msgspec.json.encode({"type": tag, "id": tag, **body}).decode())
        await socket.send_message('{"type": "ping", "id": "last"}')
        while (answer := msgspec.json.decode(await socket.get_message())).get("id") != "last":
            assert answer["type"] != "auth_failed", answer
            if answer["type"] == "error" and answer["code"] == 103:
                refused.add(answer["id"])
    assert refused == {tag for tag, door in MESSAGES.items() if door.verb and door.verb not in ROLE_MAY[role]}
