"""What every store must do with jobs: leases that fence, the order of claims, and what is settled."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from protocol.jobs import PRIO_HIGH, PRIO_LOW, Claimed, Held, JobError, JobState, Lease, Queue, Shares, Swept, Verdict
from protocol.times import SECOND_US
from tests.support.jobs import a_job, completed
from tests.support.open_jobs import LEASE_S, MINUTE_US, opened
from tests.support.stores import NOW

__all__ = ["opened"]
ONE_OF_EACH = dict.fromkeys(Queue, 1)


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
        await it.store.settle([completed(await it.one())])
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
        assert await it.store.settle([completed(claimed, result='{"sent":1}')]) == [True]
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
            assert await it.store.settle([completed(slow, verdict=verdict, follow=(a_job("follows"),))]) == [False]
        assert await it.claim() == []
        assert await it.store.settle([completed(quick)]) == [True]
        assert await it.store.settle([completed(quick)]) == [False]


async def test_of_a_batch_those_that_hold_their_lease_are_settled(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(), a_job(), a_job())
        one, two, three = await it.claim()
        await it.store.cancel("acme", two.lease.job)
        verdicts = [completed(one), completed(two), completed(three, verdict=Verdict.RETRY, run_at=NOW)]
        assert await it.store.settle(verdicts) == [True, False, True]
        states = [await it.state(claimed.lease.job) for claimed in (one, two, three)]
        assert states == [JobState.COMPLETED, JobState.CANCELLED, JobState.WAITING]


async def test_a_retry_waits_for_its_time_and_keeps_why_it_is_one(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job())
        error = JobError(at=NOW, attempt=1, cause="ConnectionRefused", traceback="Traceback …")
        later = NOW + 2 * SECOND_US
        await it.store.settle([completed(await it.one(), verdict=Verdict.RETRY, run_at=later, error=error)])
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
        await it.store.settle([completed(claimed, verdict=verdict, run_at=it.clock.now)])
        assert (await it.one()).kind == first


@pytest.mark.parametrize("verdict", [Verdict.SNOOZED, Verdict.RELEASED])
async def test_what_is_put_off_or_handed_back_has_used_up_no_attempt(opened: Any, verdict: Verdict) -> None:
    async with opened() as it:
        await it.add(a_job())
        first = await it.one()
        await it.store.settle([completed(first, verdict=verdict)])
        again = await it.one()
        assert (again.attempt, again.lease.number) == (1, 2)


async def test_only_the_newest_errors_of_a_job_are_kept(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job(attempts_max=100))
        for n in range(1, 13):
            error = JobError(at=NOW, attempt=n, cause=f"no {n}")
            await it.store.settle([completed(await it.one(), verdict=Verdict.RETRY, error=error)])
        job = await it.store.job("acme", number)
        assert [error.attempt for error in job.errors] == list(range(3, 13))


async def test_what_follows_is_enqueued_with_the_settlement(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job())
        it.rung.clear()
        follow = a_job("send", queue=Queue.NOTIFICATION)
        await it.store.settle([completed(await it.one(), follow=(follow,))])
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
        assert await it.store.settle([completed(claimed)]) == [True]


async def test_what_was_put_off_while_the_clock_was_ahead_waits_as_long_as_was_meant(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job("retried"))
        claimed = await it.one()
        ahead = it.clock.now + 120 * MINUTE_US
        it.clock.now = ahead
        await it.add(a_job("late", run_at=ahead + 2 * MINUTE_US))
        await it.store.settle([completed(claimed, verdict=Verdict.RETRY, run_at=ahead + MINUTE_US)])
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
        await it.store.settle([completed(first[0])])
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
        await it.store.settle([completed(await it.one(), verdict=Verdict.FAILED)])
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


async def test_nothing_to_do_is_no_work(opened: Any) -> None:
    async with opened() as it:
        assert await it.store.enqueue([]) == []
        assert await it.store.settle([]) == []
        assert await it.store.claim("n1", ONE_OF_EACH, LEASE_S) == []
        assert it.rung == []


async def test_a_job_of_the_engine_s_own_belongs_to_no_workspace(opened: Any) -> None:
    async with opened() as it:
        (number,) = await it.add(a_job("upkeep", workspace=""))
        (claimed,) = await it.claim()
        assert (claimed.lease.job, claimed.workspace) == (number, "")
