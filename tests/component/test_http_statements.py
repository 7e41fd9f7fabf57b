"""No request makes the store run more than a handful of statements, however much it is about.

Every route of the OpenAPI document is asked over real HTTP, in a workspace with a hundred and more of everything, for
pages of a hundred and with five hundred in a bulk. A route that asks the store once for each thing it shows would take
hundreds. A new route needs a line here.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from engine.analytics.incident_keeper import IncidentKeeper
from engine.analytics.insight_findings import insight_finding, recommendation_finding
from engine.analytics.prediction_findings import finding_of, tally_finding
from engine.analytics.prediction_worker import refusal
from engine.app import Engine
from engine.configuration.fields import Secret
from engine.core.analytics.calendar import DAY_US
from engine.http.examples import EXAMPLES
from engine.jobs import gauges, scheduler
from engine.sections.doors import Limits
from engine.sections.identity import Integration
from engine.sections.jobs import Jobs
from engine.sections.keeping import Retention
from engine.sections.notify import Notify
from engine.sections.smtp import Smtp
from engine.stores.incidents import IncidentChange
from engine.stores.objects import ObjectChange, ObjectQuery
from engine.world import World
from protocol.changes import Action
from protocol.incidents import Incident, IncidentState, Member
from protocol.insights import Basis, Insight, Measure, Promise, Recommendation, Tried
from protocol.jobs import NewJob, Queue, Settlement, Verdict
from protocol.model import AlertState, Severity
from protocol.notify import Channel, Recipient
from protocol.predictions import PredictionKind
from protocol.times import SECOND_US, parse_rfc3339, rfc3339
from tests.component.test_doors_by_role import DEEDS
from tests.support.deliveries import a_delivery
from tests.support.engines import a_config
from tests.support.event_readers import reading
from tests.support.foreign_posts import ALERTA, ALERTMANAGER, CLOUDEVENT, GRAFANA, PAGERDUTY
from tests.support.patterns import a_pattern, findings_of
from tests.support.statements import StatementCount, Taken, counted
from tests.support.stores import NOW
from tests.support.workflows import a_workflow, keep, set_on
from tocsin import Client

STATEMENTS_MAX = 9
# A weekly report is what a dozen questions are answered, in one: counts alone four times, of five statements each.
REPORT_MAX = 33
# What channels commit, whoever waits for it: a statement for each table, and where a name is new two for its number.
COMMIT_MAX = 12
MANY = 500
WORKSPACE = "acme"
# No schedule of the engine's own is due in this minute, and time stands still.
AT = NOW + 60 * SECOND_US
KINDS = {
    "rules": "rule",
    "silences": "silence",
    "maintenance": "maintenance",
    "frameworks": "framework",
    "users": "user",
    "teams": "team",
    "workflows": "workflow",
    "preferences": "preference",
    "escalations": "escalation",
    "endpoints": "endpoint",
    "schedules": "schedule",
    "workspaces": "workspace",
}
# The others: more than a page.
USUALLY = 150
# As many as a workspace may have of its own; of rules as many as a bulk may be about.
SCHEDULES = 90
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


@asynccontextmanager
async def a_quiet_engine(folder: Path, count: StatementCount, **settings: Any) -> AsyncIterator[Engine]:
    """One that does nothing by itself: it has no workers, and what is done every so often is not done now."""
    config = a_config(
        folder,
        jobs=Jobs(alert_slots=0, analytics_slots=0, prediction_slots=0, notification_slots=0, lease_s=600, sweep_s=300),
        retention=Retention(trim_every_s=86_400, roll_up_every_s=3_600, count_every_s=3_600),
        limits=Limits(producer_messages_per_s=1e6, producer_messages_burst=10**6, producer_items_burst=10**6),
        notify=Notify(
            public_url="https://tocsin.example.com", smtp=Smtp(host="mail.example.com", sender="alerts@example.com")
        ),
        integrations=(Integration(name="slack", slack_secret=Secret(SLACK_SECRET), workspace=WORKSPACE),),
        **settings,
    )
    async with Engine(config, World(clock=lambda: AT, open_store=count.open_store)) as engine:
        yield engine


class Scene:
    """A workspace with much of everything, who asks, and what was found."""

    def __init__(self, engine: Engine, count: StatementCount, client: httpx.AsyncClient) -> None:
        self.engine = engine
        self.count = count
        self.client = client
        self.taken: dict[str, list[Taken]] = {}
        self.failed: dict[str, str] = {}
        self.alerts: list[str] = []
        self.projects: list[str] = []
        self.ids: dict[str, list[str]] = {}
        self.store: Any = engine._tree.up.store

    async def ask(self, route: str, *, body: Any = None, content: bytes | None = None, **more: Any) -> Any:
        """Asks a route with its parameters (`object_id=`, `query=`, `headers=`, `as_operator=`); the answer's JSON."""
        method, path = route.split()
        headers = more.pop("headers", {})
        if more.pop("as_operator", False):
            headers |= {"Authorization": f"Bearer {self.engine.issue_token('system', 'root')}"}
        query = more.pop("query", {})
        url = path.format(**more) + (f"?{urlencode(query)}" if query else "")
        if body is not None:
            content = msgspec.json.encode(body)
        if content is not None:
            headers = {"Content-Type": "application/json"} | headers
        asking = functools.partial(self.client.request, method, url, content=content, headers=headers)
        taken, answer = await self.count.of(asking)
        if answer.status_code >= 400:
            self.failed[route] = f"{answer.status_code} {answer.text[:300]}"
        self.taken.setdefault(route, []).append(taken)
        return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text

    async def multiply(self, kind: str, by: int, change: Any = None) -> list[str]:
        """Makes more of what there is one of, in one transaction; their ids."""
        (one, *_) = await self.store.objects(ObjectQuery(kind=kind, workspace=None))
        body, ids = json.loads(one.body), [f"{kind}-{number:03}" for number in range(by)]
        # Each rule watches something of its own.
        own = ("id", "metric") if "metric" in body else ("id",)
        for start in range(0, by, MANY):
            await self.store.change_objects(
                [
                    ObjectChange(
                        workspace=one.workspace,
                        kind=kind,
                        id=each,
                        body=json.dumps(body | dict.fromkeys(own, each)),
                        by="ann",
                        at=AT,
                        verb=f"create_{kind}",
                        framework=one.framework,
                        crowd=one.crowd,
                    )
                    for each in ids[start : start + MANY]
                ]
            )
        return ids


async def furnish(scene: Scene) -> None:
    """A hundred and more of everything."""
    for plural in KINDS:
        body = EXAMPLES[f"POST /api/v1/{plural}"]
        await scene.ask(f"POST /api/v1/{plural}", body=body, as_operator=plural == "workspaces")
    for plural, kind in KINDS.items():
        how_many = {"rules": MANY, "schedules": min(SCHEDULES, USUALLY)}
        scene.ids[plural] = await scene.multiply(kind, how_many.get(plural, USUALLY))
    await keep(scene.store, a_workflow(items=6), WORKSPACE)
    scene.projects = [f"p{number:03}" for number in range(MANY)]
    await set_on(scene.store, scene.projects, assignees={"foreman": "fred"})
    rings = [
        {"framework_id": f"web{number % 5}", "title": f"Alert {number}", "labels": {"n": str(number)}}
        for number in range(MANY)
    ]
    # The five channels exist, and so do the numbers of their names.
    await scene.client.post("/api/v1/triggers", json={"alerts": [each | {"title": "first"} for each in rings[:5]]})
    answer = await scene.ask("POST /api/v1/triggers", body={"alerts": rings})
    scene.alerts = [each["alertId"] for each in answer["results"]]
    lines = [
        a_delivery(scene.alerts[0], version=str(number), channel=Channel.IN_APP, recipient=Recipient(user="boss"))
        for number in range(150)
    ]
    await scene.store.keep_deliveries(lines)


async def ask_about_objects(scene: Scene) -> None:
    for plural in KINDS:
        path, ids, as_operator = f"/api/v1/{plural}", scene.ids[plural], plural == "workspaces"
        example, (one, other, *_) = EXAMPLES[f"POST {path}"], ids
        if plural == "endpoints":
            # The others' secrets are not theirs.
            one = example["id"]
        ask = functools.partial(scene.ask, as_operator=as_operator, object_id=one)
        await ask(f"GET {path}", query={"limit": 100})
        await ask(f"GET {path}/{{object_id}}")
        await ask(f"PUT {path}/{{object_id}}", body=example | {"id": one}, headers={"If-Match": "*"})
        change = {"name": "Other"} if plural == "teams" else EXAMPLES[f"PATCH {path}/{{object_id}}"]
        await ask(f"PATCH {path}/{{object_id}}", body=change, headers={"If-Match": "*"})
        await ask(f"GET {path}/{{object_id}}/versions", query={"limit": 100})
        await ask(f"POST {path}/{{object_id}}/archive")
        await ask(f"POST {path}/{{object_id}}/restore")
        for action in ("archive", "restore"):
            await ask(f"POST {path}/bulk", body={"action": action, "ids": ids})
        await ask(f"DELETE {path}/{{object_id}}", object_id=other)
    await scene.ask("POST /api/v1/silences/{object_id}/expire", object_id=scene.ids["silences"][3])
    await scene.ask("GET /api/v1/teams/{object_id}/on-call", object_id=scene.ids["teams"][3])
    await scene.ask("GET /api/v1/frameworks/{object_id}/metrics", object_id="web")
    for verb in ("rotate", "test"):
        await scene.ask(f"POST /api/v1/endpoints/{{object_id}}/{verb}", object_id="pager", body={})
    for verb in ("pause", "resume", "run"):
        await scene.ask(f"POST /api/v1/schedules/{{object_id}}/{verb}", object_id=scene.ids["schedules"][3])


async def ask_about_predictions(scene: Scene, rule: str) -> None:
    known = [
        finding_of(WORKSPACE, refusal(PredictionKind.BREACH, "web", f"rule-{number}", "needs 14 days", AT), AT)
        for number in range(MANY)
    ]
    sums = [tally_finding(WORKSPACE, AT - day * DAY_US, None, None, {}, AT) for day in range(30)]
    for findings in (known[:250], known[250:], sums):
        await scene.store.put_findings(findings)
    await scene.ask("GET /api/v1/predictions", query={"limit": 100})
    await scene.ask("GET /api/v1/predictions/accuracy", query={"rule_id": rule})
    await scene.ask("GET /api/v1/predictions/accuracy")
    await scene.ask("GET /api/v1/predictions/{prediction_id}", prediction_id=known[0].key)


async def ask_about_rules(scene: Scene) -> None:
    rule = scene.ids["rules"][3]
    readings = [
        {"framework_id": "web", "metric": rule, "value": 900 + number, "labels": {"host": f"h{number % 100}"}}
        for number in range(MANY)
    ]
    await scene.ask("POST /api/v1/readings", body={"readings": readings})
    for part in ("", "/export", "/heatmap", "/rules"):
        await scene.ask(f"GET /api/v1/analytics{part}", query={"framework_id": "web"})
    await scene.ask("GET /api/v1/readings", query={"framework_id": "web", "metric": rule, "limit": 100})
    await scene.ask("POST /api/v1/readings/preview", body={"readings": readings[:100]})
    await scene.ask("GET /api/v1/rules/{object_id}/series", object_id=rule, query={"limit": 100})
    await scene.ask("POST /api/v1/rules/{object_id}/test", object_id=rule, body={"value": 950, "send": True})
    await scene.ask("POST /api/v1/rules/backtest", body={"rule_id": rule})
    await scene.ask("GET /api/v1/rules/export")
    await ask_about_predictions(scene, rule)
    for method in ("GET", "POST"):
        await scene.ask(f"{method} /api/v1/reports/weekly")
    new = [EXAMPLES["POST /api/v1/rules"] | {"id": f"new-{number}"} for number in range(MANY)]
    await scene.ask("POST /api/v1/rules/import", body={"rules": new})
    await scene.ask("GET /api/v1/storms")
    for route in ("POST /api/v1/silences/preview", "POST /api/v1/maintenance/preview"):
        await scene.ask(route, body=EXAMPLES[route])


async def ask_about_alerts(scene: Scene) -> None:
    ring = EXAMPLES["POST /api/v1/triggers"]
    await scene.ask("POST /api/v1/triggers", body=ring, query={"async": "true"})
    await scene.ask("POST /api/v1/triggers/preview", body=EXAMPLES["POST /api/v1/triggers/preview"])
    await scene.ask("GET /api/v1/alerts", query={"limit": 100})
    await scene.ask("GET /api/v1/alerts", query={"limit": 100, "framework_id": "web1", "state": "active"})
    (one, *_) = scene.alerts
    for path in ("", "/recipients", "/audit", "/deliveries"):
        await scene.ask(f"GET /api/v1/alerts/{{alert_id}}{path}", alert_id=one)
    for verb, body in DEEDS.items():
        await scene.ask(f"POST /api/v1/alerts/{{alert_id}}/{verb}", alert_id=one, body=body)
        await scene.ask(f"POST /api/v1/alerts/{verb}", body={"alertIds": scene.alerts} | body)
    await scene.ask("GET /api/v1/alerts/{alert_id}/audit", alert_id=one)
    await scene.ask("GET /api/v1/audit", query={"limit": 100})
    await scene.ask("GET /api/v1/notifications", query={"limit": 100})
    await scene.ask("POST /api/v1/notifications/read", body={})
    await scene.store.put_findings(findings_of([a_pattern(f"p{number:03}") for number in range(USUALLY)], WORKSPACE))
    await scene.ask("GET /api/v1/patterns", query={"limit": 100, "framework_id": "web", "kind": "co_occurrence"})
    await scene.ask("GET /api/v1/patterns/{pattern_id}", pattern_id="p007")
    for verb in ("dismiss", "confirm"):
        await scene.ask(f"POST /api/v1/patterns/{{pattern_id}}/{verb}", pattern_id="p007", body={})
    await scene.ask("GET /api/v1/history", query={"framework_id": "web1", "limit": 100})


async def ask_about_insights(scene: Scene) -> None:
    """A day of many frameworks, one of them with all its days; many recommendations for one rule."""
    rule = scene.ids["rules"][5]
    known = (await scene.store.objects_named(WORKSPACE, "rule", [rule]))[rule]
    insights = [
        Insight(framework_id=framework, day=rfc3339(at)[:10], at=rfc3339(at), health=9.5, risk=1.0, categories=())
        for framework, at in [
            *((f"f{number:03}", AT) for number in range(USUALLY)),
            *(("web", AT - day * 86_400 * SECOND_US) for day in range(31)),
        ]
    ]
    await scene.store.put_findings([insight_finding(WORKSPACE, each, parse_rfc3339(each.at)) for each in insights])
    tried = Promise(
        basis=Basis.ALERTS, since="", until="", before=Tried(fired=9, notified=9), after=Tried(fired=1, notified=1)
    )
    made = [
        Recommendation(
            id=f"recommendation{number}",
            measure=Measure.WAIT,
            framework_id="web",
            rule_id=rule,
            rule_version=known.version,
            title="",
            reason="",
            change={"for_s": 60.0},
            promise=tried,
            found_at=rfc3339(AT),
        )
        for number in range(USUALLY)
    ]
    await scene.store.put_findings([recommendation_finding(WORKSPACE, each, AT) for each in made])
    await scene.ask("GET /api/v1/insights", query={"limit": 100})
    await scene.ask("GET /api/v1/insights/{object_id}", object_id="web")
    await scene.ask("GET /api/v1/recommendations", query={"limit": 100, "rule_id": rule})
    one, other, *_ = (each.id for each in made)
    await scene.ask("GET /api/v1/recommendations/{object_id}", object_id=one)
    await scene.ask("POST /api/v1/recommendations/{object_id}/apply", object_id=one)
    await scene.ask("POST /api/v1/recommendations/{object_id}/dismiss", object_id=other, body={})


async def ask_about_incidents(scene: Scene) -> None:
    """An incident with as many alerts as one may have, and a page of others."""
    members = [
        Member(
            alert_id=name,
            framework="web1",
            title="t",
            severity=Severity.ERROR,
            state=AlertState.ACTIVE,
            started_at=AT,
            signature="s",
        )
        for name in scene.alerts
    ]
    incidents = [
        Incident(
            id=f"i{number}",
            state=IncidentState.OPEN,
            title="t",
            severity=Severity.ERROR,
            started_at=AT,
            updated_at=AT,
            alerts=1,
            open_alerts=1,
            frameworks=("web1",),
        )
        for number in range(150)
    ]
    place = await scene.store.incident_place(WORKSPACE)
    named = [("i1" if number else "i2", member) for number, member in enumerate(members)]
    assert await scene.store.keep_incidents(WORKSPACE, place, IncidentChange(incidents, named))
    await scene.ask("GET /api/v1/incidents", query={"limit": 100, "framework_id": "web1"})
    ask = functools.partial(scene.ask, incident_id="i1")
    await ask("GET /api/v1/incidents/{incident_id}")
    for verb in ("acknowledge", "resolve"):
        await ask(f"POST /api/v1/incidents/{{incident_id}}/{verb}", body={})
    await ask("POST /api/v1/incidents/{incident_id}/merge", body={"incident_id": "i2"})
    await ask("POST /api/v1/incidents/{incident_id}/split", body={"alert_id": scene.alerts[1]})
    await ask("GET /api/v1/incident-settings")
    await ask("PUT /api/v1/incident-settings", body={})


async def follow(scene: Scene) -> None:
    """An event stream begins with what has happened, and does not end."""

    headers = {"Authorization": scene.client.headers["Authorization"]}

    async def begin() -> None:
        async with reading(scene.engine, "framework_id=web1", **headers) as reader:
            await reader.next()

    taken, _ = await scene.count.of(begin)
    scene.taken["GET /api/v1/stream"] = [taken]


async def ask_as_others_do(scene: Scene) -> None:
    """Other products' routes."""
    posted = [{"labels": {"alertname": f"A{number % 5}", "instance": f"h{number}"}} for number in range(MANY)]
    await scene.ask("POST /api/v2/alerts", body=posted)
    await scene.ask("GET /api/v2/alerts")
    await scene.ask("GET /api/v2/alerts/groups")
    await scene.ask("GET /api/v2/status")
    await scene.ask("GET /api/v2/receivers")
    silence = (await scene.ask("POST /api/v2/silences", body=EXAMPLES["POST /api/v2/silences"]))["silenceID"]
    await scene.ask("GET /api/v2/silences")
    await scene.ask("GET /api/v2/silence/{silence_id}", silence_id=silence)
    await scene.ask("DELETE /api/v2/silence/{silence_id}", silence_id=silence)
    key = scene.engine.issue_token(WORKSPACE, "boss")
    many = [ALERTMANAGER["alerts"][0] | {"labels": {"alertname": "B", "n": str(number)}} for number in range(MANY)]
    await scene.ask("POST /api/v1/ingest/alertmanager", body=ALERTMANAGER | {"alerts": many})
    await scene.ask("POST /api/v1/ingest/grafana", body=GRAFANA)
    await scene.ask(
        "POST /api/v1/ingest/cloudevents", body=CLOUDEVENT, headers={"Content-Type": "application/cloudevents+json"}
    )
    for route in ("POST /api/v1/ingest/alerta", "POST /alert"):
        await scene.ask(route, body=ALERTA)
    await scene.ask("POST /api/v1/ingest/json", body={"title": "T"})
    for route in ("POST /api/v1/ingest/pagerduty", "POST /v2/enqueue"):
        for action in ("trigger", "acknowledge", "resolve"):
            body = PAGERDUTY | {"event_action": action, "routing_key": key, "dedup_key": route}
            await scene.ask(route, body=body)


async def ask_about_workflows(scene: Scene) -> None:
    path = "/api/v1/workflows"
    await scene.ask(f"POST {path}/generate", body={"project_ids": scene.projects})
    await scene.ask(f"POST {path}/generate", body={"project_ids": scene.projects}, query={"async": "true"})
    moves = [{"project_id": project} for project in scene.projects]
    await scene.ask(f"POST {path}/advance", body={"items": moves})
    await scene.ask(f"GET {path}/trackers", query={"limit": 100})
    await scene.ask(f"GET {path}/trackers", query={"limit": 100, "workflow_id": "roofing", "item_id": "i1"})
    await scene.ask(f"GET {path}/alerts", query={"limit": 100})
    ask = functools.partial(scene.ask, project_id=scene.projects[0])
    await ask(f"GET {path}/trackers/{{project_id}}")
    wanted = {"workflow_id": "roofing", "item_id": "i3"}
    await ask(f"PUT {path}/trackers/{{project_id}}", body=wanted, headers={"If-Match": "*"})
    await ask(f"GET {path}/trackers/{{project_id}}/history")
    await ask(f"DELETE {path}/trackers/{{project_id}}")


async def ask_as_an_operator(scene: Scene) -> None:
    ask = functools.partial(scene.ask, as_operator=True)
    jobs = (await ask("GET /api/v1/jobs", query={"limit": 100}))["items"]
    job = jobs[0]["id"]
    await ask("GET /api/v1/jobs/{job_id}", job_id=job)
    await ask("POST /api/v1/jobs/{job_id}/cancel", job_id=job)
    await ask("POST /api/v1/jobs/{job_id}/retry", job_id=job)
    await ask("GET /api/v1/queues")
    await ask("GET /api/v1/nodes")
    await fail_many(scene)
    for verb in ("pause", "resume", "redrive"):
        await ask(f"POST /api/v1/queues/{{queue}}/{verb}", queue="prediction")
    await ask("POST /api/v1/queues/{queue}/limit", queue="notification", body={"limit": 8})
    await ask("GET /api/metrics/queue")
    own = [f"/api/metrics/{what}" for what in ("health", "alerts", "cache", "prometheus")]
    for path in ("/healthz", "/readyz", "/metrics", "/api/v1/about", "/api/v1/system", *own):
        await ask(f"GET {path}")
    ticket = (await scene.ask("POST /api/v1/tickets"))["ticket"]
    await scene.ask("POST /api/v1/tokens", body={"ticket": ticket})
    for number in range(5):
        await scene.client.post("/api/v1/revocations", json={"user": f"eve{number}"})
    await scene.ask("POST /api/v1/revocations", body={"user": "eve"})
    await scene.ask("GET /api/v1/revocations", query={"limit": 100})
    await scene.ask("DELETE /api/v1/revocations", query={"user": "eve"})
    await scene.ask("POST /api/v1/broadcast", body={"to": "workspace", "id": WORKSPACE, "message": "hello"})
    for route, query in (
        ("DELETE /api/v1/connections/{client_id}", {}),
        ("DELETE /api/v1/connections", {"user": "eva"}),
    ):
        async with Client(scene.engine.ws_url, scene.engine.issue_token(WORKSPACE, "eva")):
            client = (await scene.ask("GET /api/v1/connections", query={"limit": 100}))["items"][0]["client_id"]
            await scene.ask(route, client_id=client, query=query)


async def fail_many(scene: Scene) -> None:
    """Jobs of a queue that have failed."""
    await scene.store.enqueue([NewJob(queue=Queue.PREDICTION, kind="prediction_generation")] * MANY)
    claimed = await scene.store.claim("here", {Queue.PREDICTION: MANY}, 30.0)
    await scene.store.settle([Settlement(lease=each.lease, verdict=Verdict.FAILED) for each in claimed])


async def ask_without_a_token(scene: Scene) -> None:
    """What a mail's link, and a button in Slack, ask for."""
    (one, other, *_) = await ring_two(scene)
    links = scene.engine._tree.up.mail.links
    link = links.link(WORKSPACE, "user-003", one, Action.ACKNOWLEDGE).rpartition("/")[2]
    await scene.ask("GET /act/{link}", link=link)
    await scene.ask("POST /act/{link}", link=link)
    leave = scene.engine._tree.up.mail.leave.link(WORKSPACE, "user-003").rpartition("/")[2]
    await scene.ask("GET /act/leave/{link}", link=leave)
    await scene.ask("POST /act/leave/{link}", link=leave)
    payload = {
        "type": "block_actions",
        "user": {"id": "U0ADA"},
        "actions": [{"type": "button", "action_id": "acknowledge", "value": other}],
        "response_url": "https://hooks.slack.com/actions/T1/1/x",
    }
    content = urlencode({"payload": json.dumps(payload)}).encode()
    stamp = str(AT // SECOND_US)
    mark = hmac.new(SLACK_SECRET.encode(), f"v0:{stamp}:".encode() + content, hashlib.sha256).hexdigest()
    headers = {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={mark}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    await scene.ask("POST /api/v1/slack/actions", content=content, headers=headers)


async def ring_two(scene: Scene) -> list[str]:
    rings = [{"framework_id": "web1", "title": title} for title in ("one", "other")]
    answer = await scene.client.post("/api/v1/triggers", json={"alerts": rings})
    return [each["alertId"] for each in answer.json()["results"]]


async def every_route_asked(folder: Path, count: StatementCount, **settings: Any) -> Scene:
    """What each route of an engine took."""
    async with a_quiet_engine(folder, count, **settings) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token(WORKSPACE, 'boss')}"}
        async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=60) as client:
            scene = Scene(engine, count, client)
            await furnish(scene)
            await scene.client.post("/api/v1/users", json={"id": "ada", "slack_id": "U0ADA", "role": "responder"})
            await scene.client.post("/api/v1/users", json={"id": "boss", "email": "boss@example.com", "role": "admin"})
            await ask_about_alerts(scene)
            await ask_about_insights(scene)
            await ask_about_incidents(scene)
            await ask_about_rules(scene)
            await ask_as_others_do(scene)
            await ask_about_workflows(scene)
            await ask_without_a_token(scene)
            await ask_about_objects(scene)
            await ask_as_an_operator(scene)
            # Last: who is connected is written every so often, whoever asks for something.
            await follow(scene)
            paths = (await client.get("/schema/openapi.json")).json()["paths"]
    assert scene.failed == {}
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert scene.taken.keys() == routes, "each route is asked here, with as much as it may be about"
    return scene


def too_many(scene: Scene) -> dict[str, list[str]]:
    """Routes that take more statements than they may, and which."""
    widest = {route: max((each.own for each in taken), key=len) for route, taken in scene.taken.items()}
    most = {"GET /api/v1/reports/weekly": REPORT_MAX}
    return {route: found for route, found in widest.items() if len(found) > most.get(route, STATEMENTS_MAX)}


@pytest.fixture
def nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    # How the queues stand is counted every so often, whoever asks for something.
    monkeypatch.setattr(gauges, "COUNT_S", 3_600.0)
    # Schedules are looked at every so often, and a slow machine is that long about this.
    monkeypatch.setattr(scheduler, "LOOK_S", 3_600.0)
    # Who belongs to whom is looked at after each commit, whoever asks for something.
    monkeypatch.setattr(IncidentKeeper, "post", lambda *_: None)


@pytest.mark.usefixtures("nothing_by_itself")
async def test_no_request_takes_more_than_a_handful_of_statements(tmp_path: Path) -> None:
    scene = await every_route_asked(tmp_path, StatementCount())
    assert too_many(scene) == {}
    commits = [group for taken in scene.taken.values() for each in taken for group in each.groups]
    assert [group for group in commits if len(group) > COMMIT_MAX] == []


def test_rows_in_portions_are_one_statement_and_rows_one_by_one_are_many() -> None:
    head = "INSERT INTO alert (a, b)"
    portions = [f"{head} VALUES {','.join(['(?,?)'] * rows)} " for rows in (256, 256, 64, 1)]
    assert counted(["BEGIN", *portions, "SELECT 1", "COMMIT"]) == [portions[0], "SELECT 1"]
    assert len(counted([f"{head} VALUES (?,?)"] * 5)) == 5
    assert len(counted(["DELETE FROM alert WHERE id = ?"] * 5)) == 5
