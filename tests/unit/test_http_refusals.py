"""What the doors say to a request that is wrong: over real HTTP, in words that the sender can do something with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.app import Engine
from tests.support.engines import an_engine
from tests.unit.test_http_api import problem

ANOMALY = {"kind": "anomaly", "id": "a", "framework": "web", "metric": "m"}
SEASONS = '; allowed: none, hour, day, week; for example "season": "day"'


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with an_engine(tmp_path) as engine:
        yield engine


def client_as(engine: Engine, role: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {engine.issue_token('main', 'ann', role)}"}
    return httpx.AsyncClient(base_url=engine.http_url, headers=headers, timeout=30)


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
