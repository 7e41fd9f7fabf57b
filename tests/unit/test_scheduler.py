"""The scheduler on a real store in memory, in virtual time."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind
from engine.jobs.scheduler import RunArgs, Schedule, Scheduler
from engine.stores import Store
from engine.stores.jobs import JobQuery
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Job, Queue
from protocol.schedules import Missed
from protocol.times import SECOND_US
from tests.support.jobs import Wall, clock, job_store
from tests.support.stores import NOW

HOUR_US = 3_600 * SECOND_US


async def nothing(claimed: Claimed, args: RunArgs) -> Done:
    raise AssertionError


KIND = Kind(name="noop", queue=Queue.ANALYTICS, args=RunArgs, run=nothing)


def a_schedule(line: str = "0 * * * *", **changes: object) -> Schedule:
    return msgspec.structs.replace(Schedule(name="hourly", cron=Cron(line), kind=KIND), **changes)


async def started(scheduler: Scheduler, task_status: trio.TaskStatus[None]) -> None:
    await scheduler.run(task_status)


async def run_for(seconds: float, *schedulers: Scheduler) -> None:
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for scheduler in schedulers:
                await nursery.start(started, scheduler)


async def runs(store: Store) -> list[Job]:
    return (await store.jobs(JobQuery(limit=500)))[::-1]


async def end_all(store: Store) -> None:
    for job in await runs(store):
        await store.cancel(None, job.id)


async def test_a_schedule_does_not_fire_for_the_time_before_it_was_known(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        await run_for(3_599, Scheduler(store, [a_schedule()], clock))
        assert await runs(store) == []


async def test_it_fires_at_its_moment_with_its_window_and_key(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        await run_for(3_601, Scheduler(store, [a_schedule(prio=1)], clock))
        (job,) = await runs(store)
        assert (job.kind, job.queue, job.prio, job.schedule) == ("noop", Queue.ANALYTICS, 1, "hourly")
        assert job.created_at == NOW + HOUR_US
        args = msgspec.json.decode(job.args, type=RunArgs)
        assert args.until == NOW + HOUR_US
        assert NOW <= args.since < NOW + SECOND_US


async def test_two_nodes_fire_each_moment_once(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        nodes = [Scheduler(store, [a_schedule("* * * * * *")], clock) for _ in range(2)]
        for _ in range(200):
            await run_for(1, *nodes)
            await end_all(store)
        moments = [msgspec.json.decode(job.args, type=RunArgs).until for job in await runs(store)]
        assert len(moments) == len(set(moments))
        assert len(moments) in (199, 200)
        assert sum(node.fired for node in nodes) == len(moments)


async def test_what_was_missed_while_nobody_was_there_is_made_good_as_it_says(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        scheduler = Scheduler(store, [a_schedule(missed=Missed.CATCH_UP)], clock)
        await run_for(1, scheduler)
        await trio.sleep(3 * 3_600)
        await run_for(1, scheduler)
        moments = [msgspec.json.decode(job.args, type=RunArgs).until for job in await runs(store)]
        assert moments == [NOW + n * HOUR_US for n in (1, 2, 3)]


async def test_a_run_that_is_still_going_keeps_the_next_one_out(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        await run_for(2 * 3_600 + 1, Scheduler(store, [a_schedule()], clock))
        assert len(await runs(store)) == 1
        assert (await store.schedules())["hourly"].skipped == 1


async def test_a_paused_schedule_does_not_fire_nor_make_up_for_it_later(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        scheduler = Scheduler(store, [a_schedule()], clock)
        await run_for(1, scheduler)
        await store.pause_schedule("hourly", True)
        assert scheduler.next_due("hourly", (await store.schedules())["hourly"]) is None
        await run_for(5 * 3_600, scheduler)
        await store.pause_schedule("hourly", False)
        await run_for(1, scheduler)
        assert await runs(store) == []
        state = (await store.schedules())["hourly"]
        assert scheduler.next_due("hourly", state) == NOW + 6 * HOUR_US


async def test_the_run_after_one_that_was_left_out_covers_its_time(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        scheduler = Scheduler(store, [a_schedule()], clock)
        await run_for(3 * 3_600 + 1, scheduler)
        await end_all(store)
        await run_for(2 * 3_600, scheduler)
        await end_all(store)
        await run_for(3_600, scheduler)
        windows = [msgspec.json.decode(job.args, type=RunArgs) for job in await runs(store)]
        hours = [((each.since - NOW) // HOUR_US, (each.until - NOW) // HOUR_US) for each in windows]
        assert hours == [(0, 1), (1, 4), (4, 6)]
        assert (await store.schedules())["hourly"].skipped == 3


async def test_one_that_cannot_fire_says_why_and_keeps_no_other_from_firing(autojump_clock: MockClock) -> None:
    class Wanted(RunArgs, frozen=True, kw_only=True):
        project: str

    strange = Kind(name="strange", queue=Queue.ANALYTICS, args=Wanted, run=nothing)
    async with job_store() as store:
        gone = a_schedule(name="a-zone", cron=Cron("0 * * * *", "Europe/Atlantis"))
        never = a_schedule(name="a-line", cron=Cron("0 0 31 2 *"))
        other = a_schedule(name="a-kind", kind=strange)
        scheduler = Scheduler(store, [gone, never, other, a_schedule()], clock)
        await run_for(3_700, scheduler)
        assert [job.schedule for job in await runs(store)] == ["hourly"]
        assert scheduler.faults == {
            "a-zone": "there is no time zone 'Europe/Atlantis' here; write one such as Europe/Berlin, or UTC",
            "a-line": "'0 0 31 2 *' is not a cron line: Bad day-of-month; write minute hour day month weekday,"
            " such as '0 2 * * *'",
            "a-kind": "ValidationError: Object missing required field `project`",
        }
        states = await store.schedules()
        assert scheduler.next_due("a-zone", states["hourly"]) is None
        assert scheduler.fault("a-zone") == scheduler.faults["a-zone"]
        assert scheduler.statistics() == {"fired": 1, "faulty": 3, "set_right": 0}
        scheduler.put(a_schedule(name="a-zone"))
        assert scheduler.fault("a-zone") is None


async def test_one_that_fired_when_the_clock_was_years_ahead_goes_on_when_the_clock_is_right(
    autojump_clock: MockClock,
) -> None:
    wall = Wall()
    async with job_store(wall) as store:
        scheduler = Scheduler(store, [a_schedule()], wall)
        await run_for(60, scheduler)
        wall.ahead_s = 10 * 365 * 86_400
        await run_for(60, scheduler)
        await end_all(store)
        wall.ahead_s = 0
        await run_for(1_800, scheduler)
        assert "it has fired up to 203" in (scheduler.fault("hourly") or "")
        await run_for(4 * 3_600, scheduler)
        assert (scheduler.fault("hourly"), scheduler.set_right) == (None, 1)
        _, right = await runs(store)
        window = msgspec.json.decode(right.args, type=RunArgs)
        assert NOW < window.since < window.until <= NOW + 5 * HOUR_US


async def test_a_clock_that_starts_in_1970_and_is_put_right_fires_nothing_again(autojump_clock: MockClock) -> None:
    wall = Wall()
    async with job_store(wall) as store:
        await run_for(3_700, Scheduler(store, [a_schedule()], wall))
        await end_all(store)
        wall.ahead_s = -NOW // SECOND_US
        scheduler = Scheduler(store, [a_schedule()], wall)
        async with trio.open_nursery() as nursery:
            await nursery.start(started, scheduler)
            await trio.sleep(900)
            wall.ahead_s = 0
            await trio.sleep(2_000)
            nursery.cancel_scope.cancel()
        assert (len(await runs(store)), scheduler.set_right) == (1, 0)


class Away:
    """A store that is away at first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = True

    def __getattr__(self, name: str) -> object:
        if self.is_away:
            raise StoreUnavailable("away")
        return getattr(self._store, name)


async def test_while_the_store_is_away_it_waits_and_misses_nothing(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        away = Away(store)
        scheduler = Scheduler(away, [a_schedule()], clock)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            await nursery.start(started, scheduler)
            await trio.sleep(10)
            away.is_away = False
            await trio.sleep(3_600)
            nursery.cancel_scope.cancel()
        assert [job.created_at for job in await runs(store)] == [NOW + HOUR_US]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
async def test_a_schedule_is_about_the_clock_on_its_own_wall(autojump_clock: MockClock, zone: str) -> None:
    async with job_store() as store:
        await run_for(3 * 3_600, Scheduler(store, [a_schedule("0 2 * * *", cron=Cron("0 2 * * *", zone))], clock))
        (job,) = await runs(store)
        assert job.created_at == NOW + (2 if zone == "UTC" else 1) * HOUR_US


async def test_a_moment_that_comes_while_it_looks_does_not_wait_for_the_next_look(autojump_clock: MockClock) -> None:
    looks = 0

    def ticking() -> int:
        nonlocal looks
        looks += 1
        return NOW + HOUR_US + (-1 if looks == 1 else int(trio.current_time() * SECOND_US))

    async with job_store() as store:
        await store.add_schedule("hourly", NOW)
        await run_for(5, Scheduler(store, [a_schedule()], ticking))
        assert len(await runs(store)) == 1


async def test_a_clock_that_is_set_back_and_forth_fires_each_moment_once(autojump_clock: MockClock) -> None:
    wall = Wall()
    async with job_store(wall) as store:
        scheduler = Scheduler(store, [a_schedule("*/10 * * * *")], wall)
        for jump_s in (0, 1_500, -3_000, 0, 2_500, -900, 0):
            wall.ahead_s += jump_s
            for _ in range(20):
                await run_for(60, scheduler)
                await end_all(store)
        windows = [msgspec.json.decode(job.args, type=RunArgs) for job in await runs(store)]
        assert [before.until for before in windows[:-1]] == [after.since for after in windows[1:]]
        moments = [window.until for window in windows]
        assert moments == sorted(set(moments))
        assert len(moments) > 5
