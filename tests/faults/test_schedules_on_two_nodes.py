"""Two nodes on one store, with real clocks: each second of eight is somebody's run, and nobody's twice."""

from __future__ import annotations

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

SLOTS = 8


async def run_it(part: Any, task_status: trio.TaskStatus[None]) -> None:
    await part.run(task_status)


@pytest.mark.timeout(120)
async def test_eight_real_seconds_are_each_run_once(tmp_path: Path) -> None:
    windows: list[RunArgs] = []
    enough = trio.Event()

    async def run(claimed: Claimed, args: RunArgs) -> Result:
        windows.append(args)
        if len(windows) == SLOTS:
            enough.set()
        return Done()

    kind = Kind(name="tick", queue=Queue.ALERT, args=RunArgs, run=run)
    async with open_store(f"sqlite:///{tmp_path / 'store.db'}", clock=now_us) as store:
        limits = WorkerLimits(slots={Queue.ALERT: 2})
        teams = [Workers(store, Desk(Kinds([kind]), now_us), JobCounts(), now_us, node, limits) for node in "ab"]
        store.set_doorbell(lambda queues: [team.ring(queues) for team in teams] and None)
        schedule = Schedule(name="ticks", cron=Cron("* * * * * *"), kind=kind)
        schedulers = [Scheduler(store, [schedule], now_us) for _ in range(2)]
        async with trio.open_nursery() as nursery:
            for part in (*teams, *schedulers):
                await nursery.start(run_it, part)
            await enough.wait()
            nursery.cancel_scope.cancel()
        skipped = (await store.schedules())["ticks"].skipped
    between = [after.since - before.until for before, after in pairwise(windows)]
    assert min(between) >= 0, "one was run twice"
    # A second that comes while a run is still going is left out, and counted: a loaded machine may need it.
    assert sum(gap > 0 for gap in between) <= skipped, "one was lost"
    assert all(window.until % SECOND_US == 0 for window in windows)
    # On a loaded machine a look may come late, and then one run is for two seconds.
    assert windows[-1].until - windows[0].until >= (SLOTS - 1) * SECOND_US
    assert sum(scheduler.fired for scheduler in schedulers) - len(windows) in (0, 1)
