"""Where a store's jobs come from: decisions, schedules that fire once, what is handed over, what waited."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.stores.jobs import KeptJobs
from protocol.jobs import Claimed, JobState, Queue, Settlement, Verdict
from protocol.times import SECOND_US
from tests.support.jobs import a_job, completed
from tests.support.open_jobs import MINUTE_US, opened
from tests.support.stores import NOW, a_commit, committed

__all__ = ["opened"]


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
        await it.store.settle([completed(claimed)])
        assert await it.store.fire("nightly", NOW + 2, NOW + 3, [a_job(schedule="nightly")]) == 1
        state = (await it.store.schedules())["nightly"]
        assert (state.last_fire, state.skipped) == (NOW + 3, 1)


async def test_a_schedule_keeps_how_its_runs_went(opened: Any) -> None:
    async with opened() as it:
        await it.store.add_schedule("nightly", NOW)
        await it.add(*(a_job(schedule="nightly") for _ in range(3)))
        for verdict in (Verdict.COMPLETED, Verdict.RETRY, Verdict.FAILED):
            it.clock.now += SECOND_US
            await it.store.settle([completed(await it.one(), verdict=verdict, run_at=it.clock.now + MINUTE_US)])
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


async def test_what_is_handed_over_twice_is_one_job_while_it_is_kept(opened: Any) -> None:
    async with opened() as it:
        job = a_job(key="handed:acme:ann:k")
        first = await it.store.hand_over(job, "handed:acme:", 5)
        again = await it.store.hand_over(job, "handed:acme:", 5)
        assert first is not None
        assert (first.is_new, again) == (True, first._replace(is_new=False))
        [claimed] = await it.claim()
        await it.store.settle([completed(claimed)])
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
    return completed(claimed, verdict=Verdict.SNOOZED, behind=key, run_at=run_at)


async def test_a_job_behind_another_one_is_claimed_when_that_one_has_ended_and_not_before(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"))
        first, second = await it.claim()
        await it.store.settle([behind(second, "first")])
        await it.store.settle([completed(first, verdict=Verdict.SNOOZED, run_at=NOW + 3_600 * SECOND_US)])
        for _ in range(60):
            it.clock.now += MINUTE_US - 1
            assert await it.claim() == []
            assert await it.store.next_due() == NOW + 3_600 * SECOND_US
        it.clock.now += MINUTE_US
        again = await it.one()
        assert again.lease.job == first.lease.job
        it.rung.clear()
        await it.store.settle([completed(again)])
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
            await it.store.settle([completed(first, verdict=Verdict(end))])
        assert it.rung == [frozenset({Queue.ALERT})]
        assert [one.lease.job for one in await it.claim()] == [second.lease.job]


async def test_a_job_behind_what_has_just_ended_or_never_was_goes_on_as_it_said(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"), a_job(key="third"))
        first, second, third = await it.claim()
        soon = NOW + SECOND_US
        await it.store.settle([behind(second, "first"), behind(third, "nobody", soon), completed(first)])
        assert [one.lease.job for one in await it.claim()] == [second.lease.job]
        it.clock.now = soon
        assert [one.lease.job for one in await it.claim()] == [third.lease.job]


async def test_a_job_is_behind_the_one_of_its_own_workspace_that_has_the_key(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first", workspace="other"), a_job(key="first"), a_job(key="second"))
        claimed = {(one.workspace, one.lease.job): one for one in await it.claim()}
        others, first, second = (claimed[place] for place in (("other", 1), ("acme", 2), ("acme", 3)))
        await it.store.settle([behind(second, "first")])
        await it.store.settle([completed(others)])
        assert await it.claim() == []
        await it.store.settle([completed(first)])
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
        await it.store.settle([behind(second, "first"), completed(first, verdict=Verdict.SNOOZED, run_at=NOW * 2)])
        it.clock.now += 86_400 * SECOND_US
        (looking,) = await it.claim()
        # At work by itself: the end of the first does not make it due once more.
        await it.store.cancel("acme", first.lease.job)
        assert await it.claim() == []
        assert (looking.lease.job, await it.state(looking.lease.job)) == (second.lease.job, JobState.ACTIVE)


async def test_what_a_lost_lease_says_of_its_job_is_not_said_of_the_one_that_holds(opened: Any) -> None:
    async with opened() as it:
        await it.add(a_job(key="first"), a_job(key="second"))
        _, lost = await it.claim()
        await it.store.cancel("acme", lost.lease.job)
        await it.store.redrive("acme", lost.lease.job)
        holds = await it.one()
        assert holds.lease.job == lost.lease.job
        batch = [completed(holds, verdict=Verdict.SNOOZED), behind(lost, "first")]
        assert await it.store.settle(batch) == [True, False]
        assert [one.lease.job for one in await it.claim()] == [lost.lease.job]
