"""A node whose clock is an hour ahead and one whose is an hour behind, beside a right one: the store's time holds.

Nobody is taken for dead, no workspace moves, a schedule fires once for each moment, and alerts have one time. What one
engine with a wrong clock does is in tests/integration/test_clocks_on_postgres.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from protocol.times import SECOND_US, parse_rfc3339
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.iso import token_for
from tests.support.libfaketime import another_time
from tests.support.postgres_server import KEEPER, PostgresDatabase

# Three processes, which must not take each other for dead because the machine is full.
pytestmark = pytest.mark.alone

CLOCKS = {"right": "+0", "ahead": "+1h", "behind": "-1h"}
# Much less than an hour, and enough for any machine.
HANG_S = 120.0
# Enough that each node decides for some.
WORKSPACES = [f"team-{number}" for number in range(8)]
# Each second: what is due each minute takes the same way.
EACH_SECOND = '[[schedules]]\nname = "pattern-detection"\ncron = "* * * * * *"\n'
RUNS = 6
RAN = "SELECT args FROM {} WHERE schedule = 'pattern-detection'"
NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1e6)::bigint"


@dataclass
class Nodes:
    """Three of them on one database."""

    database: PostgresDatabase
    engines: Mapping[str, EngineProcess]
    http: httpx.AsyncClient

    async def ask(self, node: str, path: str, workspace: str, body: Any = None) -> Any:
        """What one of them answers."""
        headers = {"Authorization": f"Bearer {token_for('boss', workspace=workspace)}"}
        url = f"{self.engines[node].http}{path}"
        answer = await self.http.request("GET" if body is None else "POST", url, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def ring(self, node: str, workspace: str) -> str:
        """Somebody's alert, rung at a node; its id."""
        body = {"alerts": [{"framework_id": "web", "title": node}]}
        (result,) = (await self.ask(node, "/api/v1/triggers", workspace, body))["results"]
        assert result["status"] == "fired"
        return str(result["alertId"])

    async def live(self, node: str) -> set[str]:
        """Whom a node takes for live, by their names."""
        seen = (await self.ask(node, "/api/v1/nodes", "system"))["items"]
        return {each["id"].rpartition(".")[0] for each in seen if each["state"] == "live"}

    async def know_each_other(self) -> None:
        """Waits until each sees all."""
        with trio.fail_after(HANG_S):
            while [await self.live(node) for node in CLOCKS] != [set(CLOCKS)] * len(CLOCKS):
                await trio.sleep(0.1)  # of other processes nothing else tells

    async def figure(self, node: str, name: str) -> float:
        """What one has counted."""
        lines = (await self.http.get(f"{self.engines[node].http}/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])

    async def rows(self, text: str) -> list[list[str]]:
        """What the database says."""
        return await trio.to_thread.run_sync(self.database.server.sql, text, self.database.name, KEEPER)

    async def now_us(self) -> int:
        """The time that holds."""
        ((now,),) = await self.rows(NOW)
        return int(now)

    async def windows(self) -> list[tuple[int, int]]:
        """From when to when each run of the schedule is."""
        found = [json.loads(args) for table in ("job", "job_done") for (args,) in await self.rows(RAN.format(table))]
        return sorted((args["since"], args["until"]) for args in found)


@asynccontextmanager
async def nodes_with_clocks(folder: Path, database: PostgresDatabase) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        engines = {}
        for name, clock in CLOCKS.items():
            (home := folder / name).mkdir()
            (home / "tocsin.toml").write_text(EACH_SECOND)
            settings = {"TOCSIN_STORE": database.url, "TOCSIN_NODE": name}
            engines[name] = await stack.enter_async_context(an_engine_process(home, **settings, **another_time(clock)))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=170))
        nodes = Nodes(database, engines, http)
        await nodes.know_each_other()
        yield nodes


@pytest.mark.timeout(600)
async def test_an_hour_ahead_or_behind_nobody_is_taken_for_dead_and_all_go_by_one_time(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    async with nodes_with_clocks(tmp_path, postgres_database) as nodes:
        await _alerts_have_one_time(nodes)
        await _a_schedule_fires_once(nodes)
        await nodes.know_each_other()
        # Who owns what follows from who is live. Whom a full machine has kept from renewing his row notices it himself;
        # nobody else has left, so no workspace was taken over because of a clock.
        left = [await nodes.figure(node, "tocsin_nodes_left_total") for node in CLOCKS]
        lapses = [await nodes.figure(node, "tocsin_nodes_lapses_total") for node in CLOCKS]
        assert sum(left) <= (len(CLOCKS) - 1) * sum(lapses)


async def _alerts_have_one_time(nodes: Nodes) -> None:
    """Whichever node takes them, whichever decides: between the store's time before and after, and told so by all."""
    for workspace in WORKSPACES:
        for node in CLOCKS:
            before = await nodes.now_us()
            alert_id = await nodes.ring(node, workspace)
            after = await nodes.now_us()
            told = [(await nodes.ask(each, f"/api/v1/alerts/{alert_id}", workspace))["triggered_at"] for each in CLOCKS]
            assert len(set(told)) == 1
            assert before - SECOND_US < parse_rfc3339(told[0]) < after + SECOND_US


async def _a_schedule_fires_once(nodes: Nodes) -> None:
    """Each moment is one run's, and none is an hour away."""
    with trio.fail_after(HANG_S):
        while len(windows := await nodes.windows()) < RUNS:
            await trio.sleep(0.2)
    now = await nodes.now_us()
    assert all(until % SECOND_US == 0 for _, until in windows)
    assert all(now - HANG_S * SECOND_US < until < now + SECOND_US for _, until in windows)
    assert all(before <= since for (_, before), (since, _) in pairwise(windows)), "a moment was run twice"
