"""The figures of what workers do agree with what the store has, counted independently."""

from __future__ import annotations

from collections import Counter

import trio
from trio.testing import MockClock

from actors.hands import WorkerLimits
from actors.workers import Workers
from engine.jobs.counts import JobCounts
from engine.stores.jobs import JobQuery
from protocol.jobs import Claimed, Queue, Settlement, Verdict
from tests.support.jobs import Desk, a_job, add, clock, completed, job_store, working


async def test_the_success_rate_agrees_with_what_has_ended_though_nodes_were_lost(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        if claimed.kind == "flawed" and claimed.lease.job % 3:
            raise ValueError("a bug")
        return completed(claimed)

    counts = JobCounts()
    async with job_store() as store:
        team = Workers(store, Desk(do), counts, clock, "n1", WorkerLimits(dict.fromkeys(Queue, 8)))
        kinds = ("fine", "flawed", "fine")
        await add(store, *(a_job(kinds[number % 3], attempts_max=1 + number % 2) for number in range(60)))
        # A node that is gone had these: some of them have no attempt left.
        await store.claim("gone", {Queue.ALERT: 20}, 30.0)
        async with working(store, team):
            await trio.sleep(120)
        found = Counter(job.state.value for job in await store.jobs(JobQuery(limit=100)))
    tally = counts.queues[Queue.ALERT]
    assert found.total() == 60
    assert (tally.verdicts[Verdict.COMPLETED], tally.verdicts[Verdict.FAILED]) == (found["completed"], found["failed"])
    assert counts.swept_failed > 0
    assert tally.success_rate == found["completed"] / 60


async def test_what_a_sweep_ends_is_among_the_jobs_that_ended(autojump_clock: MockClock) -> None:
    counts = JobCounts()
    async with job_store() as store:
        await add(store, a_job(attempts_max=1), a_job(queue=Queue.PREDICTION, attempts_max=2))
        await store.claim("gone", dict.fromkeys(Queue, 1), 30.0)
        await trio.sleep(31)
        counts.swept(await store.sweep(10))
    ended = next(family for family in counts.families() if family.name == "tocsin_jobs_ended")
    figures = {tuple(sample.labels.values()): sample.value for sample in ended.samples if sample.value}
    assert figures == {("alert", "failed"): 1, ("prediction", "retry"): 1}
