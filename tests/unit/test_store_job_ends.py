"""What every store must do with jobs that end or are looked at: cancelled, redriven, listed, counted, put away."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.stores.jobs import REDRIVEN_TOGETHER, JobQuery, KeptJobs
from protocol.jobs import PRIO_HIGH, JobError, JobState, Lease, Queue, Verdict
from protocol.times import SECOND_US
from tests.support.jobs import a_job, completed
from tests.support.open_jobs import MINUTE_US, opened
from tests.support.stores import NOW

__all__ = ["opened"]


async def test_a_job_that_waits_or_runs_can_be_cancelled_and_one_that_has_ended_stays_as_it_is(opened: Any) -> None:
    async with opened() as it:
        waits, runs = await it.add(a_job(), a_job(prio=PRIO_HIGH))
        claimed = await it.one()
        assert claimed.lease.job == runs
        for number in (waits, runs):
            assert (await it.store.cancel("acme", number)).state is JobState.CANCELLED
        assert await it.store.settle([completed(claimed)]) == [False]
        (ended,) = await it.add(a_job())
        await it.store.settle([completed(await it.one())])
        assert (await it.store.cancel("acme", ended)).state is JobState.COMPLETED


async def test_a_failed_job_is_redriven_with_all_its_attempts_and_a_newer_lease(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(attempts_max=1))
        first = await it.one()
        await it.store.settle([completed(first, verdict=Verdict.FAILED)])
        it.rung.clear()
        assert (await it.store.redrive("acme", number)).state is JobState.WAITING
        assert it.rung == [frozenset({Queue.ALERT})]
        again = await it.one()
        assert (again.lease, again.attempt) == (Lease(number, first.lease.number + 1), 1)


async def test_a_redrive_leaves_a_job_alone_whose_key_a_newer_one_has(opened: Any) -> None:
    async with opened() as it:
        (old,) = await it.add(a_job(key="once"))
        await it.store.settle([completed(await it.one(), verdict=Verdict.FAILED)])
        await it.add(a_job(key="once"))
        assert (await it.store.redrive("acme", old)).state is JobState.FAILED


async def test_what_was_done_well_is_not_redriven(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job())
        await it.store.settle([completed(await it.one())])
        assert (await it.store.redrive("acme", number)).state is JobState.COMPLETED


async def test_all_that_failed_in_a_queue_is_redriven_the_oldest_first_within_a_bound(opened: Any) -> None:
    async with opened() as it:
        numbers = await it.add(*(a_job(attempts_max=1) for _ in range(3)))
        for claimed in await it.claim():
            it.clock.now += 1
            await it.store.settle([completed(claimed, verdict=Verdict.FAILED)])
        assert await it.store.redrive_failed(Queue.ALERT, 2) == 2
        assert [await it.state(number) for number in numbers] == [JobState.WAITING, JobState.WAITING, JobState.FAILED]
        assert await it.store.redrive_failed(Queue.PREDICTION, 2) == 0


async def test_a_crowd_is_redriven_in_pieces_and_others_have_the_store_in_between(opened: Any) -> None:
    async with opened() as it:
        crowd = REDRIVEN_TOGETHER + 50
        await it.add(*(a_job(attempts_max=1) for _ in range(crowd)))
        await it.store.settle([completed(claimed, verdict=Verdict.FAILED) for claimed in await it.claim(crowd)])
        it.rung.clear()
        assert await it.store.redrive_failed(Queue.ALERT, crowd - 20) == crowd - 20
        assert len(it.rung) == 2
        assert await it.store.redrive_failed(Queue.ALERT, crowd) == 20


async def test_failed_jobs_whose_key_is_taken_do_not_keep_others_from_being_redriven(opened: Any) -> None:
    async with opened() as it:
        for key in ("once", None):
            await it.add(a_job(key=key))
            await it.store.settle([completed(await it.one(), verdict=Verdict.FAILED)])
            it.clock.now += 1
        await it.add(a_job(key="once"))
        assert await it.store.redrive_failed(Queue.ALERT, 1) == 1
        assert await it.store.redrive_failed(Queue.ALERT, 1) == 0


async def test_a_job_of_another_workspace_is_as_if_it_did_not_exist(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job())
        assert await it.store.job("umbrella", number) is None
        assert await it.store.cancel("umbrella", number) is None
        assert await it.store.redrive("umbrella", number) is None
        assert await it.store.jobs(JobQuery(workspace="umbrella")) == []
        assert await it.state(number) is JobState.WAITING


async def test_jobs_are_listed_newest_first_by_page_and_filter_wherever_they_are(opened: Any) -> None:
    async with opened() as it:
        numbers = await it.add(a_job("a"), a_job("b"), a_job("a", queue=Queue.ANALYTICS), a_job("a", workspace=""))
        await it.store.settle([completed(await it.one())])

        async def listed(**query: Any) -> list[int]:
            return [job.id for job in await it.store.jobs(JobQuery(**query))]

        assert await listed() == numbers[::-1]
        assert await listed(limit=2) == numbers[:1:-1]
        assert await listed(limit=2, before=numbers[2]) == numbers[1::-1]
        assert await listed(workspace="acme") == numbers[2::-1]
        assert await listed(kind="a", workspace="acme") == [numbers[2], numbers[0]]
        assert await listed(queue=Queue.ANALYTICS) == [numbers[2]]
        assert await listed(state=JobState.COMPLETED) == [numbers[0]]
        assert await listed(state=JobState.WAITING) == numbers[:0:-1]


async def test_counts_say_how_each_queue_stands(opened: Any) -> None:
    async with opened() as it:
        await it.add(*(a_job() for _ in range(4)), a_job(run_at=NOW + MINUTE_US))
        good, bad, _ = await it.claim(3)
        await it.store.settle([completed(good), completed(bad, verdict=Verdict.FAILED)])
        it.clock.now += 5 * SECOND_US
        counts = await it.store.queue_counts()
        alert = counts[Queue.ALERT]
        assert (alert.waiting, alert.delayed, alert.active, alert.completed, alert.failed) == (1, 1, 1, 1, 1)
        assert (alert.oldest_s, alert.is_paused) == (5.0, False)
        assert msgspec.structs.asdict(counts[Queue.PREDICTION])["waiting"] == 0


async def test_ended_jobs_go_when_their_time_is_over_and_others_never(opened: Any) -> None:
    async with opened() as it:
        good, bad, active, waits = await it.add(*(a_job() for _ in range(4)))
        claimed = {job.lease.job: job for job in await it.claim(3)}
        await it.store.settle([completed(claimed[good]), completed(claimed[bad], verdict=Verdict.FAILED)])
        kept = {Queue.ALERT: KeptJobs(done_s=60, failed_s=120)}
        it.clock.now += MINUTE_US - 1
        assert await it.store.prune(kept, 10) == 0
        it.clock.now += 1
        assert await it.store.prune(kept, 10) == 1
        assert await it.state(good) is None
        it.clock.now += 1_000 * MINUTE_US
        assert await it.store.prune(kept, 10) == 1
        assert [await it.state(number) for number in (bad, active, waits)] == [
            None,
            JobState.ACTIVE,
            JobState.WAITING,
        ]


async def test_no_more_ended_jobs_go_at_once_than_was_said_whatever_queues_they_are_of(opened: Any) -> None:
    async with opened() as it:
        queues = (Queue.ALERT, Queue.NOTIFICATION)
        for queue in queues:
            await it.add(*(a_job(queue=queue) for _ in range(6)))
            verdicts = [Verdict.COMPLETED, Verdict.FAILED] * 3
            await it.store.settle(
                [completed(one, verdict=of) for one, of in zip(await it.claim(6, queue), verdicts, strict=True)]
            )
        it.clock.now += MINUTE_US
        kept = dict.fromkeys(queues, KeptJobs(done_s=60, failed_s=60))
        assert [await it.store.prune(kept, 5) for _ in range(4)] == [5, 5, 2, 0]
        counts = await it.store.queue_counts()
        assert [(counts[queue].completed, counts[queue].failed) for queue in queues] == [(0, 0)] * 2


async def test_a_list_can_leave_out_what_is_large(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(args='{"a":1}', attempts_max=5), a_job(args='{"b":2}'))
        for attempt in (1, 2):
            [claimed] = await it.claim(1)
            error = JobError(at=NOW, attempt=attempt, cause=f"cause {attempt}", traceback="Traceback")
            verdict = Verdict.RETRY if attempt == 1 else Verdict.FAILED
            await it.store.settle([completed(claimed, verdict=verdict, error=error, result='"r"')])
        for job in await it.store.jobs(JobQuery(is_brief=True)):
            assert (job.args, job.result) == ("{}", None)
            assert [error.traceback for error in job.errors] in ([], [None])
        whole = await it.store.jobs(JobQuery())
        assert {job.args for job in whole} == {'{"a":1}', '{"b":2}'}
