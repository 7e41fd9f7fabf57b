"""A month of a shop's alerts, and what was made of them: something to see in every part of the analytics view.

Alerts are in the store before the engine starts; patterns are found by the engine itself, when its job is run. What it
says once a night (predictions, insights, recommendations) is kept as it keeps it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from benchmarks.planted import History
from engine.analytics.counting import AHEAD_US
from engine.app import Engine
from engine.ids import now_us
from engine.stores import open_store
from protocol.model import Severity
from protocol.patterns import PatternKind
from tests.support.engines import a_config, paused
from tests.support.foretold import foretold
from tests.support.patterns import fill_with

WORKSPACE = "main"
DAYS = 30
SEVERITIES = {"disk": Severity.ERROR, "checkout": Severity.CRITICAL, "backup": Severity.INFO}
# What would be found, foretold and judged anew, in the middle of a test, at some hours of the day.
NIGHTLY = ("pattern-detection", "prediction-generation", "prediction-scoring", "insight-generation")
RULES: list[dict[str, Any]] = [
    {"id": "chatty", "kind": "threshold", "framework": "web", "metric": "queue", "comparison": ">", "threshold": 250,
     "severity": "warning", "title": "Queue is long"},
    {"id": "disk", "kind": "threshold", "framework": "web", "metric": "disk_percent", "comparison": ">",
     "threshold": 90, "severity": "error", "title": "Disk is full"},
]  # fmt: skip


def a_month() -> History:
    """Something comes back each night, two come together, one is noise."""
    history = History(Random(3), DAYS)
    history.plant(PatternKind.RECURRING, "backup")
    history.plant(PatternKind.CO_OCCURRENCE, "disk", "checkout")
    history.plant(PatternKind.NOISY, "chatty")
    return history


@asynccontextmanager
async def a_knowing_engine(folder: Path, **settings: Any) -> AsyncIterator[Engine]:
    """An engine that has seen a month, has counted it, and has said what it thinks of it."""
    config = a_config(folder, **{"schedules": paused(*NIGHTLY)} | settings)
    async with open_store(config.store_url) as store:
        await fill_with(store, a_month(), now_us(), WORKSPACE, SEVERITIES)
    async with Engine(config) as engine:
        headers = {"Authorization": f"Bearer {engine.issue_token(WORKSPACE, 'ann')}"}
        async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
            for rule in RULES:
                answer = await http.post("/rules", json=rule)
                assert answer.is_success, answer.text
        await engine._up.counting.turn(AHEAD_US)
        await engine._up.store.put_findings(foretold(WORKSPACE, now_us()))
        yield engine


async def look_for_patterns(engine: Engine) -> None:
    """Has the engine's job done now; each pattern is told as it is found."""
    headers = {"Authorization": f"Bearer {engine.issue_token('system', 'root')}"}
    async with httpx.AsyncClient(base_url=f"{engine.http_url}/api/v1", headers=headers) as http:
        answer = await http.post("/schedules/pattern-detection/run")
        assert answer.status_code == 202, answer.text
