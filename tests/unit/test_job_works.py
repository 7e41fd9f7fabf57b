"""Workers and schedules as the engine makes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from engine.analytics.counting import Counting
from engine.analytics.pattern_runs import PatternRuns
from engine.app import Engine
from engine.cache.jobs import cache_schedules
from engine.cache.strategies import STATISTICS, Key, Statistics
from engine.computing.asking import Asking
from engine.computing.processes import Processes
from engine.jobs.queues import HOUR_S
from engine.jobs.scheduler import Schedule
from engine.jobs.works import Works, build_works, limits_of, node_name
from engine.sections.jobs import Jobs
from engine.stores import Store
from engine.stores.jobs import JobQuery
from protocol.jobs import Job, JobState, Queue, Verdict
from tests.support.caches import a_node
from tests.support.engines import a_config
from tests.support.jobs import Board, a_job, add, clock, job_store, workers, working

SCHEDULES = {
    "analytics-aggregation": "0 2 * * *",
    "pattern-detection": "0 */6 * * *",
    "cache-health-check": "0 * * * *",
    "alert-stats-refresh": "*/30 * * * *",
    "job-cleanup": "0 */12 * * *",
    "retention": "*/10 * * * *",
}


async def work_for(seconds: float, works: Works) -> None:
    async def run(part: object, task_status: trio.TaskStatus[None]) -> None:
        await part.run(task_status)  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        for part in (works.workers, works.scheduler):
            await nursery.start(run, part)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


async def ended(store: Store, kind: str) -> list[Job]:
    return await store.jobs(JobQuery(kind=kind))


def others(store: Store) -> list[Schedule]:
    """The schedules that other parts of the engine hand in."""
    cache = a_node().cache
    counting = Counting(store, cache, clock, 5.0, lambda: True)
    return [
        *cache_schedules(cache),
        counting.schedule(),
        PatternRuns(store, Asking(store, None, Processes(1)), cache, lambda workspace, pattern: None).schedule(),
    ]


async def test_the_schedules_are_the_references_and_retention() -> None:
    async with job_store() as store:
        schedules = build_works(store, Jobs(), clock, more=others(store)).scheduler.schedules
        assert {name: schedule.cron.line for name, schedule in schedules.items()} == SCHEDULES
        assert {schedule.cron.zone for schedule in schedules.values()} == {"UTC"}


async def test_a_morning_runs_each_schedule_as_often_as_its_line_says(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        works = build_works(store, Jobs(poll_s=60.0), clock, more=others(store))
        await work_for(6 * HOUR_S + 60, works)
        states = await store.schedules()
        assert {name: (state.completed, state.failed, state.skipped) for name, state in states.items()} == {
            "analytics-aggregation": (1, 0, 0),
            "pattern-detection": (1, 0, 0),
            "cache-health-check": (6, 0, 0),
            "alert-stats-refresh": (12, 0, 0),
            "job-cleanup": (0, 0, 0),
            "retention": (36, 0, 0),
        }
        assert works.counts.queues[Queue.ANALYTICS].success_rate == 1.0
        assert works.counts.queues[Queue.ALERT].success_rate is None


async def test_each_hour_the_health_of_the_cache_is_looked_at(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        cache = a_node().cache
        await work_for(3_660, build_works(store, Jobs(poll_s=60.0), clock, more=cache_schedules(cache)))
        (health,) = await ended(store, "cache_health_check")
        assert msgspec.json.decode(health.result or "") == {
            "hit_rate_percent": {"cheap": 0.0, "other": 0.0},
            "errors": {},
            "figures": {"evicted": 0, "loading": 0},
        }


async def test_each_half_hour_statistics_are_asked_for_anew(autojump_clock: MockClock) -> None:
    async def asked() -> Statistics:
        await trio.lowlevel.checkpoint()
        return Statistics(at=0, numbers={})

    async with job_store() as store:
        cache, key = a_node().cache, Key("acme")
        await cache.get(STATISTICS, key, asked)
        works = build_works(store, Jobs(poll_s=60.0), clock, more=cache_schedules(cache))
        await work_for(1_740, works)
        assert ("statistics", key) in cache.memory
        await work_for(120, works)
        assert ("statistics", key) not in cache.memory
        (refreshed,) = await ended(store, "alert_stats_refresh")
        assert msgspec.json.decode(refreshed.result or "") == {"forgotten": "statistics"}


async def test_what_is_kept_for_an_hour_is_not_there_for_two(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        works = build_works(store, Jobs(poll_s=60.0), clock)
        ((number, _),) = await store.enqueue([a_job()])
        await store.cancel(None, number)
        ((done, _),) = await store.enqueue([a_job("job_cleanup", args='{"since":0,"until":0}')])
        await work_for(HOUR_S - 60, works)
        assert (await store.job(None, done) or a_failure()).state is JobState.COMPLETED
        await work_for(13 * 60, works)
        assert await store.job(None, done) is None
        # What was cancelled is kept as long as what failed.
        assert (await store.job(None, number) or a_failure()).state is JobState.CANCELLED


def a_failure() -> Job:
    raise AssertionError("there is no such job")


def test_limits_come_from_the_configuration() -> None:
    limits = limits_of(Jobs(alert_slots=3, lease_s=60.0, grace_s=1.0))
    assert limits.slots[Queue.ALERT] == 3
    assert (limits.lease_s, limits.renew_s, limits.give_up_s, limits.grace_s) == (60.0, 20.0, 40.0, 1.0)


@pytest.mark.parametrize("grace_s", [0.0, 6.0, 8.0])
async def test_workers_have_the_time_that_they_may_need_to_stop(
    autojump_clock: MockClock, tmp_path: Path, grace_s: float
) -> None:
    config = a_config(tmp_path, jobs=Jobs(grace_s=grace_s))
    tree = Engine(config)._tree
    specs = {spec.name: spec.stop_deadline_s for spec in [*tree._children(), *tree._helper_children()]}
    async with job_store() as store:
        # Neither the job ends by itself, nor does the store take it back.
        board = Board(store)
        board.breaks["settle"] = trio.sleep_forever
        limits = limits_of(config.jobs)
        team = workers(board, lambda claimed: trio.sleep(600), grace_s=limits.grace_s, hand_back_s=limits.hand_back_s)
        async with working(store, team):
            await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
            began = trio.current_time()
        assert grace_s + 2.0 <= trio.current_time() - began < specs["workers"] < specs["helpers"]


def test_a_node_has_a_name_that_says_where_it_runs() -> None:
    assert node_name().rpartition(":")[2].isdigit()


async def test_what_workers_did_is_shown_to_prometheus(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        works = build_works(store, Jobs(), clock)
        await store.enqueue([a_job("job_cleanup", args='{"since":0,"until":0}'), a_job("job_cleanup")])
        await work_for(1, works)
        samples = {
            (sample.name, *sample.labels.values()): sample.value
            for family in works.counts.families()
            for sample in family.samples
        }
        assert samples["tocsin_jobs_ended_total", "alert", "completed"] == 1
        assert samples["tocsin_jobs_ended_total", "alert", "failed"] == 1
        assert samples["tocsin_job_seconds_count", "alert"] == 2
        assert samples["tocsin_job_wait_seconds_bucket", "alert", "+Inf"] == 2
        assert samples["tocsin_job_leases_lost_total", "alert"] == 0
        assert works.counts.queues[Queue.ALERT].verdicts[Verdict.FAILED] == 1
        assert works.counts.queues[Queue.ALERT].success_rate == pytest.approx(0.5)
