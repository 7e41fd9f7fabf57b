"""A real engine watches itself: its figures, its score, and the rules that ring in the workspace `system`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from engine.app import Engine
from engine.jobs import gauges
from engine.sections.jobs import Jobs
from engine.sources import own
from protocol.items import TriggerInput
from protocol.jobs import Queue
from protocol.messages import AlertMessage
from protocol.model import EventKind, Severity
from tests.support.engines import an_engine
from tests.support.failing import fail_jobs
from tocsin import Client

PATIENCE_S = 170.0
FAILED = 11


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    # Whoever waits for the next count and the next round waits that long.
    monkeypatch.setattr(gauges, "COUNT_S", 0.05)
    monkeypatch.setattr(own, "INTERVAL_S", 0.05)
    idle = Jobs(alert_slots=0, analytics_slots=0, prediction_slots=0, notification_slots=0)
    with trio.fail_after(PATIENCE_S):
        async with an_engine(tmp_path, watch_self=True, node="node-1", jobs=idle) as engine:
            yield engine


async def asked(engine: Engine, path: str) -> Any:
    headers = {"Authorization": f"Bearer {engine.issue_token('system', 'boss')}"}
    async with httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=PATIENCE_S) as client:
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text


def taken(health: dict[str, Any]) -> dict[str, int]:
    """What each part took. What the machine's other work makes of the loop is no matter here."""
    return {each["part"]: each["points"] for each in health["contributions"] if each["part"] != "loop_lag_p99_ms"}


async def until(engine: Engine, part: str, points: int) -> dict[str, Any]:
    while True:
        health = await asked(engine, "/api/metrics/health")
        if taken(health)[part] == points:
            return dict(health)


async def told(socket: Client, event: EventKind, *rules: str) -> dict[str, AlertMessage]:
    """The next message of a kind about each of these rules; where the machine has other work, more of them ring."""
    found: dict[str, AlertMessage] = {}
    while not set(rules) <= found.keys():
        message = await anext(socket.alerts())
        if message.event is event and message.data is not None and message.data.rule_id is not None:
            found[message.data.rule_id] = message
    return found


async def test_an_idle_engine_has_all_its_points_and_says_so_at_every_place(engine: Engine) -> None:
    health = await asked(engine, "/api/metrics/health")
    assert set(taken(health).values()) == {0}
    system = await asked(engine, "/api/v1/system")
    assert taken(system["health"]) == taken(health)
    [finding] = [each for each in system["findings"] if each["check"] == "health"]
    assert (finding["level"], finding["text"][:13]) == ("OK", "the score is ")
    shown = await asked(engine, "/api/metrics/prometheus")
    assert "\ntocsin_health_score " in shown
    assert 'tocsin_health_points{part="jobs_failed"} 0.0' in shown


async def test_too_many_failed_jobs_ring_in_the_workspace_system_until_they_are_redriven(engine: Engine) -> None:
    async with Client(engine.ws_url, engine.issue_token("system", "boss")) as socket:
        await socket.subscribe("engine")
        await fail_jobs(engine, FAILED)
        fired = await told(socket, EventKind.FIRED, "engine-jobs-failed", "engine-health")
        failed, low = fired["engine-jobs-failed"].data, fired["engine-health"].data
        assert failed is not None
        assert low is not None
        assert (failed.severity, failed.title) == (Severity.CRITICAL, "11 failed jobs are kept")
        # All nodes count the same jobs; each has a score of its own.
        assert ("node" in failed.labels, low.labels["node"]) == (False, "node-1")
        assert low.severity is Severity.WARNING
        health = await until(engine, "jobs_failed", 35)
        assert health["contributions"][0] == {
            "part": "jobs_failed",
            "state": "critical",
            "value": FAILED,
            "unit": "",
            "threshold": 10,
            "points": 35,
            "text": "failed jobs that are kept: 11",
            "advice": "tocsin jobs list --state failed; when mended: tocsin queues redrive QUEUE",
        }
        assert (health["score"] <= 65, health["status"]) == (True, "critical")
        await engine._tree.up.store.redrive_failed(Queue.PREDICTION, FAILED)
        resolved = await told(socket, EventKind.RESOLVED, "engine-jobs-failed")
        over = resolved["engine-jobs-failed"].data
        assert over is not None
        assert over.id == failed.id
        await until(engine, "jobs_failed", 0)


async def test_the_rules_are_shown_to_the_workspace_system_and_changed_in_the_file_alone(engine: Engine) -> None:
    rules = {each["id"]: each for each in (await asked(engine, "/api/v1/rules"))["items"]}
    assert {"engine-answers-slow", "engine-cache-misses", "engine-jobs-failed", "engine-health"} < rules.keys()
    assert {each["origin"] for each in rules.values()} == {"config"}
    boss, ann = (engine.issue_token(workspace, "ann") for workspace in ("system", "main"))
    async with httpx.AsyncClient(base_url=engine.http_url, timeout=PATIENCE_S) as client:
        path = "/api/v1/rules/engine-health"
        refused = await client.delete(path, headers={"Authorization": f"Bearer {boss}", "If-Match": "*"})
        assert (refused.status_code, "the engine's own" in refused.text) == (409, True)
        assert (await client.get(path, headers={"Authorization": f"Bearer {ann}"})).status_code == 404


async def test_answers_and_look_ups_are_told_under_the_references_names(engine: Engine) -> None:
    alerts = await asked(engine, "/api/metrics/alerts")
    assert (alerts["count"], alerts["mean"], alerts["p95"], alerts["p99"]) == (0, None, None, None)
    who = engine.principal("ann")
    for number in range(4):
        await engine.service.trigger(who, [TriggerInput(framework_id="web", title=f"{number}")])
    alerts = await asked(engine, "/api/metrics/alerts")
    assert (alerts["count"], alerts["errors"], alerts["lately"]["count"], alerts["window_s"]) == (4, 0, 4, 300)
    assert 0 < alerts["mean"] < alerts["resolution"][-1]
    assert 0 < alerts["p95"] <= alerts["p99"] <= alerts["resolution"][-1]
    for _ in range(4):
        await asked(engine, "/api/v1/rules")
    cache = await asked(engine, "/api/metrics/cache")
    # A list asks for more than one page of the store.
    assert 0 < 3 * cache["misses"] == cache["hits"]
    assert cache["hit_rate"] == 75.0
    rules = {name: cache[name] for name in ("hits", "misses", "hit_rate")}
    assert cache["by_strategy"]["rules"] == cache["lately"] == rules
    assert cache["by_strategy"]["patterns"]["hit_rate"] is None
