"""Two nodes on one Postgres: each says how it is itself, and one of them what both count alike."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import trio

from engine.app import Engine
from engine.configuration.fields import Secret
from engine.jobs import gauges
from engine.sources import own
from tests.support.engines import SECRET, a_config
from tests.support.postgres_server import PostgresDatabase

PATIENCE_S = 170.0
OF_ALL = "jobs_failed"


async def test_each_node_tells_of_itself_and_one_of_what_all_count_alike(
    tmp_path: Path, postgres_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "COUNT_S", 0.05)
    monkeypatch.setattr(own, "INTERVAL_S", 0.05)
    configs = []
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        configs.append(
            a_config(tmp_path / name, store=postgres_database.url, secret=Secret(SECRET), node=name, watch_self=True)
        )
    with trio.fail_after(PATIENCE_S):
        async with Engine(configs[0]) as left, Engine(configs[1]):
            headers = {"Authorization": f"Bearer {left.issue_token('system', 'boss')}"}
            async with httpx.AsyncClient(base_url=left.http_url, headers=headers, timeout=PATIENCE_S) as client:
                seen: set[tuple[str, str | None]] = set()
                while not {("health_score", "left"), ("health_score", "right"), (OF_ALL, None)} <= seen:
                    answer = await client.get("/api/v1/frameworks/engine/metrics")
                    found = answer.json()["items"] if answer.status_code == 200 else []
                    seen = {(each["metric"], each["labels"].get("node")) for each in found}
                assert {node for metric, node in seen if metric == OF_ALL} == {None}
                assert {node for metric, node in seen if metric != OF_ALL} >= {"left", "right"}
