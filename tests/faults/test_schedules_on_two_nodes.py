"""Two nodes on one store, with real clocks: each second of some is somebody's run, and nobody's twice.

In SQLite's file both nodes are in one process, on one store; on Postgres each has a store of its own.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.hands import WorkerLimits
from actors.workers import Workers
from engine.core.firing import Cron
from engine.ids import now_us
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.kinds import Done, Kind, Kinds, Result
from engine.jobs.scheduler import RunArgs, Schedule, Scheduler
from engine.stores import open_store
from protocol.jobs import Claimed, Queue
from protocol.times import SECOND_US

SLOTS = {"sqlite": 8, "postgres": 5}


@pytest.fixture(params=SLOTS)
def kind_of_store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def urls(kind_of_store: str, request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """What each of the nodes opens."""
    if kind_of_store == "sqlite":
        return [f"sqlite:///{tmp_path / 'store.db'}"]
    return [request.getfixturevalue("postgres_database").url] * 2


async def run_it(part: Any, task_status: trio.TaskStatus[None]) -> None:
    await part.run(task_status)


async def test_real_seconds_are_each_run_once_on_two_nodes(kind_of_store: str, urls: list[str]) -> None:
    windows: list[RunArgs] = []
    slots = SLOTS[kind_of_store]
    enough = trio.Event()

    async def run(claimed: Claimed, args: RunArgs) -> Result:
        windows.append(args)
        if len(windows) == slots:
            enough.set()
        return Done()

    kind = Kind(name="tick", queue=Queue.ALERT, args=RunArgs, run=run)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(url, clock=now_us)) for url in urls]
        nodes = {"a": stores[0], "b": stores[-1]}
        limits = WorkerLimits(slots={Queue.ALERT: 2})
        desk = Desk(Kinds([kind]), now_us)
        teams = [Workers(store, desk, JobCounts(), now_us, node, limits) for node, store in nodes.items()]
        for store in stores:
            store.set_doorbell(lambda queues: [team.ring(queues) for team in teams] and None)
        schedule = Schedule(name="ticks", cron=Cron("* * * * * *"), kind=kind)
        schedulers = [Scheduler(store, [schedule], now_us) for store in nodes.values()]
        async with trio.open_nursery() as nursery:
            for part in (*teams, *schedulers):
                await nursery.start(run_it, part)
            await enough.wait()
            nursery.cancel_scope.cancel()
        skipped = (await stores[0].schedules())["ticks"].skipped
    between = [after.since - before.until for before, after in pairwise(windows)]
    assert min(between) >= 0, "one was run twice"
    # A second that comes while a run is still going is left out, and counted: a loaded machine may need it.
    assert sum(gap > 0 for gap in between) <= skipped, "one was lost"
    assert all(window.until % SECOND_US == 0 for window in windows)
    # On a loaded machine a look may come late, and then one run is for two seconds.
    assert windows[-1].until - windows[0].until >= (slots - 1) * SECOND_US
    assert sum(scheduler.fired for scheduler in schedulers) - len(windows) in (0, 1)
