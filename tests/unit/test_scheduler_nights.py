"""Nights in which clocks change, and a leap day, lived through by a scheduler and workers: each moment has one run,
and on time. (That what is found does not depend on when one looks: `test_core_firing_nights`.)"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import pytest
import trio
from trio.testing import MockClock

from actors.hands import WorkerLimits
from actors.workers import Workers
from engine.core.firing import Cron
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.kinds import Done, Kind, Kinds
from engine.jobs.scheduler import RunArgs, Schedule, Scheduler
from engine.stores import open_store
from protocol.jobs import Claimed, Queue
from protocol.times import SECOND_US
from tests.support.jobs import working

HOUR_US = 3_600 * SECOND_US
AROUND_US = 4 * HOUR_US
LINES = ("30 2 * * *", "0 2 * * *", "15 1 * * *", "0 3 * * *", "0 */6 * * *", "*/30 * * * *", "15 0 29 2 *")
# When clocks change there, in UTC. Lord Howe's change by half an hour, Casablanca's with Ramadan.
NIGHTS = [
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("America/St_Johns", "2026-03-08T05:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("UTC", "2028-02-29T00:00"),
]


@pytest.mark.parametrize(("zone", "change"), NIGHTS)
async def test_each_moment_of_such_a_night_has_its_run_once_and_on_time(
    autojump_clock: MockClock, zone: str, change: str
) -> None:
    at = int(datetime.fromisoformat(change).replace(tzinfo=UTC).timestamp()) * SECOND_US
    since, until = at - AROUND_US, at + AROUND_US

    def clock() -> int:
        return since + int(trio.current_time() * SECOND_US)

    runs: dict[str, list[int]] = defaultdict(list)

    async def run(claimed: Claimed, args: RunArgs) -> Done:
        assert clock() - args.until < SECOND_US, "it came too late"
        runs[claimed.schedule or ""].append(args.until)
        return Done()

    kind = Kind(name="tick", queue=Queue.ALERT, args=RunArgs, run=run)
    schedules = [Schedule(name=line, cron=Cron(line, zone), kind=kind) for line in LINES]
    async with open_store("memory:", clock=clock) as store:
        # Hours pass quickly if nobody looks meanwhile: the bell rings when there is something to do.
        limits = WorkerLimits(slots={Queue.ALERT: 4}, poll_s=3_600, sweep_s=3_600, renew_s=3_600, lease_s=36_000)
        team = Workers(store, Desk(Kinds([kind]), clock), JobCounts(), clock, "n1", limits)
        async with working(store, team), trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: Scheduler(store, schedules, clock).run(task_status))
            await trio.sleep((until - since) / SECOND_US + 1)
            nursery.cancel_scope.cancel()
    for schedule in schedules:
        # Backwards, as a late look would find them; the scheduler went forwards.
        assert runs[schedule.name] == schedule.cron.moments_before(until, since, 100)[::-1], schedule.name
