"""What every store must do with jobs: leases that fence, order, what ends, what follows, schedules that fire once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from engine.stores import Store
from engine.stores.jobs import REDRIVEN_TOGETHER, JobQuery, KeptJobs
from protocol.jobs import (
    PRIO_HIGH,
    PRIO_LOW,
    Claimed,
    Held,
    JobError,
    JobState,
    Lease,
    NewJob,
    Queue,
    Settlement,
    Shares,
    Swept,
    Verdict,
)
from protocol.times import SECOND_US
from tests.support.stores import NOW, StoreFactory, a_commit, committed

MINUTE_US = 60 * SECOND_US
LEASE_S = 30.0
ONE_OF_EACH = dict.fromkeys(Queue, 1)


class Clock:
    """A store's clock that tests turn."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


class Open:
    """An open store, its clock, and what its doorbell said."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.rung: list[frozenset[Queue]] = []
        store.set_doorbell(self.rung.append)

    async def add(self, *jobs: NewJob) -> list[int]:
        return [made.id for made in await self.store.enqueue(jobs)]

    async def claim(self, count: int = 10, queue: Queue = Queue.ALERT, node: str = "n1") -> list[Claimed]:
        return await self.store.claim(node, {queue: count}, LEASE_S)

    async def one(self, node: str = "n1") -> Claimed:
        (claimed,) = await self.claim(1, node=node)
        return claimed

    async def state(self, number: int) -> JobState | None:
        job = await self.store.job(None, number)
        return None if job is None else job.state


@pytest.fixture
def opened(factory: StoreFactory) -> Callable[[], Any]:
    clock = Clock()

    @asynccontextmanager
    async def open_it() -> AsyncIterator[Open]:
        async with factory.open(clock=clock) as store:
            yield Open(store, clock)

    return open_it


def a_job(kind: str = "noop", **changes: Any) -> NewJob:
    changes.setdefault("queue", Queue.ALERT)
    changes.setdefault("workspace", "acme")
    return NewJob(kind=kind, **changes)


def done(claimed: Claimed, **changes: Any) -> Settlement:
    return Settlement(lease=claimed.lease, verdict=changes.pop("verdict", Verdict.COMPLETED), **changes)


async def test_a_job_is_claimed_once_and_comes_with_all_that_was_said_about_it(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(
            a_job("mail", args='{"to":"ann"}', framework="checkout", attempts_max=5, deadline_s=60)
        )
        (claimed,) = await it.claim()
        assert claimed == Claimed(
            lease=Lease(number, 1),
            queue=Queue.ALERT,
            kind="mail",
            workspace="acme",
            framework="checkout",
            args='{"to":"ann"}',
            attempt=1,
            attempts_max=5,
            deadline_s=60,
            created_at=NOW,
            waiting_since=NOW,
        )
        assert await it.claim() == []
        assert await it.state(number) is JobState.ACTIVE


@pytest.mark.parametrize("key", [None, "once"], ids=["without a key", "one of them with a key"])
async def test_each_of_many_jobs_is_told_its_own_number(opened: Any, key: str | None) -> None:
    async with opened() as it:
        jobs = [a_job(args=f'{{"n":{n}}}', key=key if n == 7 else None) for n in range(300)]
        numbers = await it.add(*jobs)
        assert numbers == sorted(set(numbers))
        for n in (0, 7, 299):
            kept = await it.store.job(None, numbers[n])
            assert kept is not None
            assert kept.args == jobs[n].args


async def test_only_so_many_as_are_wanted_are_claimed_of_each_queue(opened: Any) -> None:
    async with opened() as it:
        await it.add(*(a_job(queue=queue) for queue in Queue for _ in range(3)))
        claimed = await it.store.claim("n1", {Queue.ALERT: 2, Queue.NOTIFICATION: 1, Queue.ANALYTICS: 0}, LEASE_S)
        assert [job.queue for job in claimed] == [Queue.ALERT, Queue.ALERT, Queue.NOTIFICATION]


async def test_lower_numbers_of_priority_run_first_and_equal_ones_in_the_order_of_their_coming(opened: Any) -> None:
    async with opened() as it:
        low, first, second, high = await it.add(a_job(prio=PRIO_LOW), a_job(), a_job(), a_job(prio=PRIO_HIGH))
        assert [job.lease.job for job in await it.claim()] == [high, first, second, low]


async def test_a_minute_of_waiting_is_worth_a_step_of_priority(opened: Any) -> None:
    async with opened() as it:
        (old,) = await it.add(a_job(prio=3))
        it.clock.now += 2 * MINUTE_US + 1
        (new,) = await it.add(a_job(prio=1))
        assert [job.lease.job for job in await it.claim()] == [old, new]


async def test_a_job_of_later_is_not_claimed_before_its_time(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(run_at=NOW + MINUTE_US))
        assert await it.state(number) is JobState.DELAYED
        assert await it.store.next_due() == NOW + MINUTE_US
        assert await it.claim() == []
        it.clock.now += MINUTE_US
        assert (await it.one()).waiting_since == NOW + MINUTE_US
        assert await it.store.next_due() is None


async def test_a_key_keeps_a_second_job_out_until_the_first_has_ended(opened: Any) -> None:
    async with opened() as it:
        (first,) = await it.store.enqueue([a_job(key="once")])
        (second,) = await it.store.enqueue([a_job("other", key="once")])
        assert (first.is_new, second.is_new, second.id) == (True, False, first.id)
        await it.store.settle([done(await it.one())])
        (third,) = await it.store.enqueue([a_job(key="once")])
        assert third.is_new
        assert third.id != first.id


async def test_the_same_key_in_another_workspace_is_another_job(opened: Any) -> None:
    async with opened() as it:
        mine, theirs = await it.store.enqueue([a_job(key="once"), a_job(key="once", workspace="umbrella")])
        assert (mine.is_new, theirs.is_new) == (True, True)
        # A name may have a colon in it, so that one key can be spelled in two workspaces.
        job = a_job(key="handed:acme:ann:k")
        first = await it.store.hand_over(job, "handed:acme:", 5)
        other = await it.store.hand_over(msgspec.structs.replace(job, workspace="acme:ann"), "handed:acme:ann:", 1)
        assert first is not None
        assert other is not None
        assert (first.is_new, other.is_new) == (True, True)


async def test_what_is_done_leaves_the_queue_and_keeps_its_result(opened: Any) -> None:
    async with opened() as it:
        claimed = await (it.add(a_job()),)[0] and await it.one()
        it.clock.now += SECOND_US
        assert await it.store.settle([done(claimed, result='{"sent":1}')]) == [True]
        job = await it.store.job("acme", claimed.lease.job)
        assert (job.state, job.result, job.started_at, job.finished_at) == (
            JobState.COMPLETED,
            '{"sent":1}',
            NOW,
            NOW + SECOND_US,
        )


async def test_a_settlement_under_an_older_lease_changes_nothing_and_nothing_follows_from_it(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job())
        slow = await it.one()
        it.clock.now += int(LEASE_S * SECOND_US)
        assert (await it.store.sweep(10)).again == 1
        it.clock.now += MINUTE_US
        quick = await it.one("n2")
        assert quick.lease == Lease(slow.lease.job, slow.lease.number + 1)
        for verdict in Verdict:
            assert await it.store.settle([done(slow, verdict=verdict, follow=(a_job("follows"),))]) == [False]
        assert await it.claim() == []
        assert await it.store.settle([done(quick)]) == [True]
        assert await it.store.settle([done(quick)]) == [False]


async def test_of_a_batch_those_that_hold_their_lease_are_settled(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(), a_job(), a_job())
        one, two, three = await it.claim()
        await it.store.cancel("acme", two.lease.job)
        verdicts = [done(one), done(two), done(three, verdict=Verdict.RETRY, run_at=NOW)]
        assert await it.store.settle(verdicts) == [True, False, True]
        states = [await it.state(claimed.lease.job) for claimed in (one, two, three)]
        assert states == [JobState.COMPLETED, JobState.CANCELLED, JobState.WAITING]


async def test_a_retry_waits_for_its_time_and_keeps_why_it_is_one(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job())
        error = JobError(at=NOW, attempt=1, cause="ConnectionRefused", traceback="Traceback …")
        later = NOW + 2 * SECOND_US
        await it.store.settle([done(await it.one(), verdict=Verdict.RETRY, run_at=later, error=error)])
        job = await it.store.job("acme", number)
        assert (job.state, job.run_at, job.attempt, job.errors) == (JobState.DELAYED, later, 1, (error,))
        it.clock.now = later
        assert (await it.one()).attempt == 2


@pytest.mark.parametrize(("verdict", "first"), [(Verdict.RELEASED, "old"), (Verdict.SNOOZED, "new")])
async def test_what_is_handed_back_keeps_its_age_and_what_was_put_off_begins_to_wait_when_it_is_due(
    opened: Any, verdict: Verdict, first: str
) -> None:
    async with opened() as it:
        await it.add(a_job("old"))
        claimed = await it.one()
        it.clock.now += MINUTE_US
        await it.add(a_job("new"))
        it.clock.now += 1
        await it.store.settle([done(claimed, verdict=verdict, run_at=it.clock.now)])
        assert (await it.one()).kind == first


@pytest.mark.parametrize("verdict", [Verdict.SNOOZED, Verdict.RELEASED])
async def test_what_is_put_off_or_handed_back_has_used_up_no_attempt(opened: Any, verdict: Verdict) -> None:
    async with opened() as it:
        await it.add(a_job())
        first = await it.one()
        await it.store.settle([done(first, verdict=verdict)])
        again = await it.one()
        assert (again.attempt, again.lease.number) == (1, 2)


async def test_only_the_newest_errors_of_a_job_are_kept(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(attempts_max=100))
        for n in range(1, 13):
            error = JobError(at=NOW, attempt=n, cause=f"no {n}")
            await it.store.settle([done(await it.one(), verdict=Verdict.RETRY, error=error)])
        job = await it.store.job("acme", number)
        assert [error.attempt for error in job.errors] == list(range(3, 13))


async def test_what_follows_is_enqueued_with_the_settlement(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job())
        it.rung.clear()
        follow = a_job("send", queue=Queue.NOTIFICATION)
        await it.store.settle([done(await it.one(), follow=(follow,))])
        assert it.rung == [frozenset({Queue.NOTIFICATION})]
        assert [job.kind for job in await it.claim(queue=Queue.NOTIFICATION)] == ["send"]


async def test_a_lease_that_is_renewed_is_not_swept(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job())
        claimed = await it.one()
        it.clock.now += 20 * SECOND_US
        assert await it.store.renew("n1", [claimed.lease], LEASE_S) == []
        it.clock.now += 20 * SECOND_US
        assert await it.store.sweep(10) == Swept()
        assert await it.store.settle([done(claimed)]) == [True]


async def test_what_was_put_off_while_the_clock_was_ahead_waits_as_long_as_was_meant(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job("retried"))
        claimed = await it.one()
        ahead = it.clock.now + 120 * MINUTE_US
        it.clock.now = ahead
        await it.add(a_job("late", run_at=ahead + 2 * MINUTE_US))
        await it.store.settle([done(claimed, verdict=Verdict.RETRY, run_at=ahead + MINUTE_US)])
        it.clock.now = NOW
        await it.add(a_job("meant", run_at=NOW + 180 * MINUTE_US))
        assert [(await it.store.sweep(1)).brought_back for _ in range(3)] == [1, 1, 0]
        assert await it.claim() == []
        for kind in ("retried", "late"):
            it.clock.now += MINUTE_US
            assert [job.kind for job in await it.claim()] == [kind]
        it.clock.now = NOW + 180 * MINUTE_US
        assert [job.kind for job in await it.claim()] == ["meant"]


async def test_a_clock_that_is_set_back_a_little_moves_nothing(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(run_at=NOW + MINUTE_US))
        it.clock.now -= SECOND_US
        assert await it.store.sweep(10) == Swept()
        it.clock.now = NOW + MINUTE_US
        assert await it.one()


async def test_renewing_says_which_leases_are_lost(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(), a_job(), a_job())
        kept, cancelled, foreign = [claimed.lease for claimed in await it.claim()]
        await it.store.cancel("acme", cancelled.job)
        gone = Lease(foreign.job, foreign.number + 1)
        assert await it.store.renew("n1", [kept, cancelled, gone], LEASE_S) == [cancelled, gone]
        assert await it.store.renew("n2", [kept], LEASE_S) == [kept]
        assert await it.store.renew("n1", [], LEASE_S) == []


async def test_a_lost_job_is_tried_again_after_a_while_until_no_attempt_is_left(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(attempts_max=2))
        for expected in (Verdict.RETRY, Verdict.FAILED):
            await it.one()
            it.clock.now += int(LEASE_S * SECOND_US)
            assert await it.store.sweep(10) == Swept(ended={(Queue.ALERT, expected): 1})
            assert await it.claim() == []  # waits for its back-off, or is no more
            it.clock.now += MINUTE_US
        job = await it.store.job("acme", number)
        assert job.state is JobState.FAILED
        assert [error.cause.split(":")[0] for error in job.errors] == ["lost", "lost"]


async def test_a_job_that_waits_or_runs_can_be_cancelled_and_one_that_has_ended_stays_as_it_is(opened: Any) -> None:
    async with opened() as it:
        waits, runs = await it.add(a_job(), a_job(prio=PRIO_HIGH))
        claimed = await it.one()
        assert claimed.lease.job == runs
        for number in (waits, runs):
            assert (await it.store.cancel("acme", number)).state is JobState.CANCELLED
        assert await it.store.settle([done(claimed)]) == [False]
        (ended,) = await it.add(a_job())
        await it.store.settle([done(await it.one())])
        assert (await it.store.cancel("acme", ended)).state is JobState.COMPLETED


async def test_a_failed_job_is_redriven_with_all_its_attempts_and_a_newer_lease(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(attempts_max=1))
        first = await it.one()
        await it.store.settle([done(first, verdict=Verdict.FAILED)])
        it.rung.clear()
        assert (await it.store.redrive("acme", number)).state is JobState.WAITING
        assert it.rung == [frozenset({Queue.ALERT})]
        again = await it.one()
        assert (again.lease, again.attempt) == (Lease(number, first.lease.number + 1), 1)


async def test_a_redrive_leaves_a_job_alone_whose_key_a_newer_one_has(opened: Any) -> None:
    async with opened() as it:
        (old,) = await it.add(a_job(key="once"))
        await it.store.settle([done(await it.one(), verdict=Verdict.FAILED)])
        await it.add(a_job(key="once"))
        assert (await it.store.redrive("acme", old)).state is JobState.FAILED


async def test_what_was_done_well_is_not_redriven(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job())
        await it.store.settle([done(await it.one())])
        assert (await it.store.redrive("acme", number)).state is JobState.COMPLETED


async def test_all_that_failed_in_a_queue_is_redriven_the_oldest_first_within_a_bound(opened: Any) -> None:
    async with opened() as it:
        numbers = await it.add(*(a_job(attempts_max=1) for _ in range(3)))
        for claimed in await it.claim():
            it.clock.now += 1
            await it.store.settle([done(claimed, verdict=Verdict.FAILED)])
        assert await it.store.redrive_failed(Queue.ALERT, 2) == 2
        assert [await it.state(number) for number in numbers] == [JobState.WAITING, JobState.WAITING, JobState.FAILED]
        assert await it.store.redrive_failed(Queue.PREDICTION, 2) == 0


async def test_a_crowd_is_redriven_in_pieces_and_others_have_the_store_in_between(opened: Any) -> None:
    async with opened() as it:
        crowd = REDRIVEN_TOGETHER + 50
        await it.add(*(a_job(attempts_max=1) for _ in range(crowd)))
        await it.store.settle([done(claimed, verdict=Verdict.FAILED) for claimed in await it.claim(crowd)])
        it.rung.clear()
        assert await it.store.redrive_failed(Queue.ALERT, crowd - 20) == crowd - 20
        assert len(it.rung) == 2
        assert await it.store.redrive_failed(Queue.ALERT, crowd) == 20


async def test_failed_jobs_whose_key_is_taken_do_not_keep_others_from_being_redriven(opened: Any) -> None:
    async with opened() as it:
        for key in ("once", None):
            await it.add(a_job(key=key))
            await it.store.settle([done(await it.one(), verdict=Verdict.FAILED)])
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
        await it.store.settle([done(await it.one())])

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


async def test_a_paused_queue_gives_nothing_out_and_rings_when_it_goes_on(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(), a_job(run_at=NOW + MINUTE_US))
        await it.store.pause(Queue.ALERT, True)
        assert await it.claim() == []
        assert await it.store.next_due() is None
        assert (await it.store.queue_counts())[Queue.ALERT].is_paused
        it.rung.clear()
        await it.store.pause(Queue.ALERT, False)
        assert it.rung == [frozenset({Queue.ALERT})]
        assert len(await it.claim()) == 1


async def test_of_a_queue_with_a_limit_no_more_are_in_hand_on_all_nodes_together(opened: Any) -> None:
    async with opened() as it:
        await it.add(*(a_job() for _ in range(6)))
        await it.store.limit(Queue.ALERT, 3)
        assert (await it.store.queue_counts())[Queue.ALERT].limit == 3
        first = [*await it.claim(2), *await it.claim(2, node="n2")]
        assert (len(first), await it.claim()) == (3, [])
        await it.store.settle([done(first[0])])
        assert len(await it.claim()) == 1
        it.rung.clear()
        await it.store.limit(Queue.ALERT, None)
        assert (it.rung, len(await it.claim())) == ([frozenset({Queue.ALERT})], 2)


async def test_one_claim_takes_the_share_of_each_target_however_many_wait_for_the_first(opened: Any) -> None:
    async with opened() as it:
        first = await it.add(*(a_job(target="x") for _ in range(300)))
        others = await it.add(*(a_job(target="y") for _ in range(5)), a_job(), a_job(target="z"))
        numbers = [one.lease.job for one in await it.claim(20)]
        assert numbers == [*first[:4], *others[:4], *others[5:]]
        assert [one.target for one in await it.claim(2)] == ["x", "x"], "another node asks: it has none in hand"


async def test_behind_a_workspace_that_may_begin_no_more_all_others_are_found_however_they_are_called(
    opened: Any,
) -> None:
    shares = Shares(of_workspace={Queue.ALERT: 2}, in_hand={Held(Queue.ALERT, "acme", "acme/x"): 2})
    async with opened() as it:
        await it.add(*(a_job(target=f"acme/webhook/{number}") for number in range(300)))
        names = ("abc", "acme.", "acme/lab", "acme/webhook/7/x", "acme0", "acme:", "z")
        others = await it.add(*(a_job(workspace=name, target=f"{name}/webhook/1") for name in names))
        claimed = await it.store.claim("n1", {Queue.ALERT: 20}, LEASE_S, shares)
        assert [one.lease.job for one in claimed] == others


async def test_a_job_keeps_its_target_when_it_is_done_once_more(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(target="x"))
        await it.store.settle([done(await it.one(), verdict=Verdict.FAILED)])
        await it.store.redrive("acme", number)
        assert (await it.one()).target == "x"


async def test_a_limit_and_a_pause_leave_each_other_alone(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(), a_job())
        await it.store.limit(Queue.ALERT, 1)
        await it.store.pause(Queue.ALERT, True)
        assert await it.claim() == []
        await it.store.pause(Queue.ALERT, False)
        counts = (await it.store.queue_counts())[Queue.ALERT]
        assert (counts.limit, counts.is_paused, len(await it.claim())) == (1, False, 1)


async def test_counts_say_how_each_queue_stands(opened: Any) -> None:
    async with opened() as it:
        await it.add(*(a_job() for _ in range(4)), a_job(run_at=NOW + MINUTE_US))
        good, bad, _ = await it.claim(3)
        await it.store.settle([done(good), done(bad, verdict=Verdict.FAILED)])
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
        await it.store.settle([done(claimed[good]), done(claimed[bad], verdict=Verdict.FAILED)])
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
                [done(one, verdict=of) for one, of in zip(await it.claim(6, queue), verdicts, strict=True)]
            )
        it.clock.now += MINUTE_US
        kept = dict.fromkeys(queues, KeptJobs(done_s=60, failed_s=60))
        assert [await it.store.prune(kept, 5) for _ in range(4)] == [5, 5, 2, 0]
        counts = await it.store.queue_counts()
        assert [(counts[queue].completed, counts[queue].failed) for queue in queues] == [(0, 0)] * 2


async def test_a_decisions_jobs_are_committed_with_it_and_the_bell_rings(opened: Any) -> None:
    async with opened() as it:
        commit = a_commit(rows=1)
        decision = msgspec.structs.replace(commit.decision, jobs=(a_job("route", queue=Queue.NOTIFICATION),))
        commit = msgspec.structs.replace(commit, decision=decision)
        await committed(it.store, commit)
        assert it.rung == [frozenset({Queue.NOTIFICATION})]
        await it.store.commit(commit)  # answered from the store: nothing is enqueued twice
        assert [job.kind for job in await it.claim(queue=Queue.NOTIFICATION)] == ["route"]


async def test_the_decision_of_a_channel_that_is_behind_enqueues_nothing(opened: Any) -> None:
    async with opened() as it:
        commit = a_commit(base=7, rows=1)
        decision = msgspec.structs.replace(commit.decision, jobs=(a_job("route"),))
        await it.store.commit(msgspec.structs.replace(commit, decision=decision))
        assert await it.claim() == []


async def test_a_moment_of_a_schedule_fires_once(opened: Any) -> None:
    async with opened() as it:
        state = await it.store.add_schedule("nightly", NOW)
        assert (state.last_fire, state.completed, state.last) == (NOW, 0, None)
        at = NOW + MINUTE_US
        assert await it.store.fire("nightly", NOW, at, [a_job(schedule="nightly")], skipped=2) == 1
        assert await it.store.fire("nightly", NOW, at, [a_job(schedule="nightly")]) is None
        assert len(await it.claim()) == 1
        again = await it.store.add_schedule("nightly", NOW)
        assert (again.last_fire, again.skipped) == (at, 2)


async def test_a_run_is_left_out_and_counted_while_the_one_before_is_still_going(opened: Any) -> None:
    async with opened() as it:
        await it.store.add_schedule("nightly", NOW)
        await it.store.fire("nightly", NOW, NOW + 1, [a_job(schedule="nightly")])
        claimed = await it.one()
        assert await it.store.fire("nightly", NOW + 1, NOW + 2, [a_job(schedule="nightly")]) == 0
        await it.store.settle([done(claimed)])
        assert await it.store.fire("nightly", NOW + 2, NOW + 3, [a_job(schedule="nightly")]) == 1
        state = (await it.store.schedules())["nightly"]
        assert (state.last_fire, state.skipped) == (NOW + 3, 1)


async def test_a_schedule_keeps_how_its_runs_went(opened: Any) -> None:
    async with opened() as it:
        await it.store.add_schedule("nightly", NOW)
        await it.add(*(a_job(schedule="nightly") for _ in range(3)))
        for verdict in (Verdict.COMPLETED, Verdict.RETRY, Verdict.FAILED):
            it.clock.now += SECOND_US
            await it.store.settle([done(await it.one(), verdict=verdict, run_at=it.clock.now + MINUTE_US)])
        state = (await it.store.schedules())["nightly"]
        assert (state.completed, state.failed) == (1, 1)
        assert (state.last.verdict, state.last.finished_at) == ("failed", NOW + 3 * SECOND_US)


async def test_a_schedule_can_be_paused_if_there_is_one(opened: Any) -> None:
    async with opened() as it:
        await it.store.add_schedule("nightly", NOW)
        assert await it.store.pause_schedule("nightly", True)
        assert (await it.store.schedules())["nightly"].paused_at == NOW
        assert await it.store.pause_schedule("nightly", False)
        assert (await it.store.schedules())["nightly"].paused_at is None
        assert not await it.store.pause_schedule("weekly", True)


async def test_nothing_to_do_is_no_work(opened: Any) -> None:
    async with opened() as it:
        assert await it.store.enqueue([]) == []
        assert await it.store.settle([]) == []
        assert await it.store.claim("n1", ONE_OF_EACH, LEASE_S) == []
        assert it.rung == []


async def test_what_is_handed_over_twice_is_one_job_while_it_is_kept(opened: Any) -> None:
    async with opened() as it:
        job = a_job(key="handed:acme:ann:k")
        first = await it.store.hand_over(job, "handed:acme:", 5)
        again = await it.store.hand_over(job, "handed:acme:", 5)
        assert first is not None
        assert (first.is_new, again) == (True, first._replace(is_new=False))
        [claimed] = await it.claim()
        await it.store.settle([done(claimed)])
        assert await it.store.hand_over(job, "handed:acme:", 5) == again
        assert it.rung == [frozenset({Queue.ALERT})]
        await it.store.prune({Queue.ALERT: KeptJobs(done_s=0, failed_s=0)}, 10)
        new = await it.store.hand_over(job, "handed:acme:", 5)
        assert new is not None
        assert new.is_new


async def test_no_more_is_handed_over_than_may_wait_with_the_same_prefix(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="handed:acme"), a_job(key="handed:acmex:ann:1"), a_job())
        put = [await it.store.hand_over(a_job(key=f"handed:acme:ann:{n}"), "handed:acme:", 2) for n in range(3)]
        assert [each is not None for each in put] == [True, True, False]
        assert await it.store.hand_over(a_job(key="handed:acmex:ann:2"), "handed:acmex:", 2) is not None
        await it.claim()
        assert await it.store.hand_over(a_job(key="handed:acme:ann:3"), "handed:acme:", 2) is None


async def test_a_list_can_leave_out_what_is_large(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(args='{"a":1}', attempts_max=5), a_job(args='{"b":2}'))
        for attempt in (1, 2):
            [claimed] = await it.claim(1)
            error = JobError(at=NOW, attempt=attempt, cause=f"cause {attempt}", traceback="Traceback")
            verdict = Verdict.RETRY if attempt == 1 else Verdict.FAILED
            await it.store.settle([done(claimed, verdict=verdict, error=error, result='"r"')])
        for job in await it.store.jobs(JobQuery(is_brief=True)):
            assert (job.args, job.result) == ("{}", None)
            assert [error.traceback for error in job.errors] in ([], [None])
        whole = await it.store.jobs(JobQuery())
        assert {job.args for job in whole} == {'{"a":1}', '{"b":2}'}


async def test_a_schedule_is_asked_for_by_name_and_forgotten(opened: Any) -> None:
    async with opened() as it:
        for name in ("a", "b"):
            await it.store.add_schedule(name, NOW)
        assert set(await it.store.schedules()) == {"a", "b"}
        assert set(await it.store.schedules(["b", "c"])) == {"b"}
        await it.store.forget_schedule("b")
        await it.store.forget_schedule("c")
        assert set(await it.store.schedules()) == {"a"}


def behind(claimed: Claimed, key: str, run_at: int = 0) -> Settlement:
    return done(claimed, verdict=Verdict.SNOOZED, behind=key, run_at=run_at)


async def test_a_job_behind_another_one_is_claimed_when_that_one_has_ended_and_not_before(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"))
        first, second = await it.claim()
        await it.store.settle([behind(second, "first")])
        await it.store.settle([done(first, verdict=Verdict.SNOOZED, run_at=NOW + 3_600 * SECOND_US)])
        for _ in range(60):
            it.clock.now += MINUTE_US - 1
            assert await it.claim() == []
            assert await it.store.next_due() == NOW + 3_600 * SECOND_US
        it.clock.now += MINUTE_US
        again = await it.one()
        assert again.lease.job == first.lease.job
        it.rung.clear()
        await it.store.settle([done(again)])
        assert it.rung == [frozenset({Queue.ALERT})]
        freed = await it.one()
        assert (freed.lease.job, freed.attempt, freed.waiting_since) == (second.lease.job, 1, it.clock.now)


@pytest.mark.parametrize("end", ["completed", "failed", "discarded", "cancelled", "lost"])
async def test_however_a_job_ends_what_was_behind_it_goes_on(opened: Any, end: str) -> None:
    async with opened() as it:
        await it.add(a_job(key="first", attempts_max=1), a_job(key="second"), a_job(key="third"))
        first, second, third = await it.claim()
        await it.store.settle([behind(second, "first"), behind(third, "second")])
        it.rung.clear()
        if end == "cancelled":
            await it.store.cancel("acme", first.lease.job)
        elif end == "lost":
            it.clock.now += 31 * SECOND_US
            await it.store.sweep(10)
        else:
            await it.store.settle([done(first, verdict=Verdict(end))])
        assert it.rung == [frozenset({Queue.ALERT})]
        assert [one.lease.job for one in await it.claim()] == [second.lease.job]


async def test_a_job_behind_what_has_just_ended_or_never_was_goes_on_as_it_said(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"), a_job(key="third"))
        first, second, third = await it.claim()
        soon = NOW + SECOND_US
        await it.store.settle([behind(second, "first"), behind(third, "nobody", soon), done(first)])
        assert [one.lease.job for one in await it.claim()] == [second.lease.job]
        it.clock.now = soon
        assert [one.lease.job for one in await it.claim()] == [third.lease.job]


async def test_a_job_is_behind_the_one_of_its_own_workspace_that_has_the_key(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first", workspace="other"), a_job(key="first"), a_job(key="second"))
        claimed = {(one.workspace, one.lease.job): one for one in await it.claim()}
        others, first, second = (claimed[place] for place in (("other", 1), ("acme", 2), ("acme", 3)))
        await it.store.settle([behind(second, "first")])
        await it.store.settle([done(others)])
        assert await it.claim() == []
        await it.store.settle([done(first)])
        assert [one.lease.job for one in await it.claim()] == [second.lease.job]


async def test_a_job_behind_a_key_that_only_another_workspace_has_goes_on_as_it_said(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first", workspace="other"), a_job(key="second"))
        claimed = {one.workspace: one for one in await it.claim()}
        await it.store.settle([behind(claimed["acme"], "first")])
        assert [one.workspace for one in await it.claim()] == ["acme"]


async def test_a_job_behind_another_one_can_be_cancelled_and_then_nobody_is_behind_it(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"), a_job(key="third"))
        _, second, third = await it.claim()
        await it.store.settle([behind(second, "first"), behind(third, "second")])
        await it.store.cancel("acme", second.lease.job)
        (freed,) = await it.claim()
        await it.store.settle([behind(freed, "first")])
        assert await it.claim() == []


async def test_a_job_behind_one_that_never_ends_looks_by_itself_after_a_day(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"))
        first, second = await it.claim()
        await it.store.settle([behind(second, "first"), done(first, verdict=Verdict.SNOOZED, run_at=NOW * 2)])
        it.clock.now += 86_400 * SECOND_US
        (looking,) = await it.claim()
        # At work by itself: the end of the first does not make it due once more.
        await it.store.cancel("acme", first.lease.job)
        assert await it.claim() == []
        assert (looking.lease.job, await it.state(looking.lease.job)) == (second.lease.job, JobState.ACTIVE)


async def test_a_job_of_the_engine_s_own_belongs_to_no_workspace(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job("upkeep", workspace=""))
        (claimed,) = await it.claim()
        assert (claimed.lease.job, claimed.workspace) == (number, "")
