"""Workers on a real store in memory, in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.stores import Store
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, JobState, Lease, Queue, Settlement, Shares, Verdict
from protocol.times import SECOND_US
from tests.support.jobs import Board, Observed, Wall, a_job, add, clock, completed, job_store, state, workers, working


async def test_a_job_starts_with_its_commit_not_with_the_next_poll(autojump_clock: MockClock) -> None:
    observed, done = Observed(), trio.Event()

    async def do(claimed: Claimed) -> Settlement:
        done.set()
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do, observed)):
        await trio.sleep(10.0001)
        began = trio.current_time()
        (number,) = await add(store, a_job())
        await done.wait()
        assert trio.current_time() == began
        await trio.sleep(1)
        assert await state(store, number) is JobState.COMPLETED
        assert (observed.waited, observed.verdicts) == ([0.0], {Verdict.COMPLETED: 1})


async def test_no_more_jobs_of_a_queue_run_at_once_than_it_has_slots(autojump_clock: MockClock) -> None:
    running, most = 0, 0

    async def do(claimed: Claimed) -> Settlement:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do, slots={Queue.ALERT: 3})):
        numbers = await add(store, *(a_job() for _ in range(9)))
        await trio.sleep(3.5)
        assert most == 3
        assert {await state(store, number) for number in numbers} == {JobState.COMPLETED}


async def test_a_slow_queue_does_not_hold_up_another(autojump_clock: MockClock) -> None:
    started: list[Queue] = []

    async def do(claimed: Claimed) -> Settlement:
        started.append(claimed.queue)
        if claimed.queue is Queue.ANALYTICS:
            await trio.sleep(20)
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do, slots=dict.fromkeys(Queue, 1))):
        await add(store, *(a_job(queue=Queue.ANALYTICS) for _ in range(3)), *(a_job() for _ in range(5)))
        await trio.sleep(1)
        assert sorted(queue.value for queue in started) == ["alert"] * 5 + ["analytics"]


async def test_a_job_that_raises_is_tried_again_after_its_wait_and_keeps_why(
    autojump_clock: MockClock,
) -> None:
    times: list[float] = []

    async def do(claimed: Claimed) -> Settlement:
        times.append(trio.current_time())
        if claimed.attempt == 1:
            raise RuntimeError("no such host")
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do)):
        (number,) = await add(store, a_job())
        await trio.sleep(4)
        assert 1.6 <= times[1] - times[0] < 2.5
        job = await store.job("acme", number)
        assert job is not None
        assert (job.state, job.attempt, job.errors[0].cause) == (JobState.COMPLETED, 2, "RuntimeError: no such host")
        assert "in do\n" in (job.errors[0].traceback or "")


async def test_a_job_past_its_deadline_is_cancelled_and_has_failed_that_attempt(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep_forever()
        raise AssertionError

    async with job_store() as store, working(store, workers(store, do)):
        (number,) = await add(store, a_job(deadline_s=5, attempts_max=1))
        await trio.sleep(5.5)
        job = await store.job("acme", number)
        assert job is not None
        assert (job.state, job.errors[0].cause) == (JobState.FAILED, "deadline: it took longer than 5 s")


async def test_a_job_that_takes_longer_than_a_lease_keeps_it(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(200)
        return completed(claimed)

    observed = Observed()
    async with job_store() as store, working(store, workers(store, do, observed)):
        (number,) = await add(store, a_job(deadline_s=600))
        await trio.sleep(201)
        assert (await state(store, number), observed.sweeps) == (JobState.COMPLETED, [])


async def test_a_cancelled_job_is_stopped_at_the_next_renewal_and_its_result_dropped(
    autojump_clock: MockClock,
) -> None:
    stopped: list[float] = []

    async def do(claimed: Claimed) -> Settlement:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())
        raise AssertionError

    observed = Observed()
    async with job_store() as store, working(store, workers(store, do, observed)):
        (number,) = await add(store, a_job(deadline_s=600))
        await trio.sleep(3)
        await store.cancel("acme", number)
        await trio.sleep(10)
        assert [at < 11 for at in stopped] == [True]
        assert (await state(store, number), observed.losses) == (JobState.CANCELLED, {Queue.ALERT: 1})


async def test_the_jobs_of_a_node_that_is_gone_are_done_by_another(autojump_clock: MockClock) -> None:
    async def hang(claimed: Claimed) -> Settlement:
        await trio.sleep_forever()
        raise AssertionError

    async def do(claimed: Claimed) -> Settlement:
        return completed(claimed)

    async with job_store() as store:
        (number,) = await add(store, a_job())
        assert await store.claim("gone", {Queue.ALERT: 1}, 30.0)
        observed = Observed()
        async with working(store, workers(store, do, observed)):
            await trio.sleep(29)
            assert await state(store, number) is JobState.ACTIVE
            await trio.sleep(15)
            assert await state(store, number) is JobState.COMPLETED
        assert [(swept.again, swept.failed) for swept in observed.sweeps] == [(1, 0)]


async def test_what_was_put_off_while_the_clock_was_ahead_is_done_when_it_was_meant_to_be(
    autojump_clock: MockClock,
) -> None:
    async def do(claimed: Claimed) -> Settlement:
        return completed(claimed)

    wall = Wall()
    async with job_store(wall) as store, working(store, workers(store, do)):
        wall.ahead_s = 7_200
        (number,) = await add(store, a_job(run_at=wall() + 20 * SECOND_US))
        wall.ahead_s = 0
        with capture_logs() as logs:
            await trio.sleep(15)
            assert await state(store, number) is JobState.DELAYED
            await trio.sleep(15)
        assert await state(store, number) is JobState.COMPLETED
        assert [entry for entry in logs if entry["event"] == "clock_was_ahead"] == [
            {"event": "clock_was_ahead", "jobs": 1, "log_level": "warning"}
        ]


async def test_stopping_lets_jobs_finish_that_need_only_a_moment(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(4)
        return completed(claimed)

    async with job_store() as store:
        async with working(store, workers(store, do)):
            (number,) = await add(store, a_job())
            await trio.sleep(1)
        assert await state(store, number) is JobState.COMPLETED
        assert trio.current_time() < 5


async def test_stopping_hands_back_what_takes_longer_and_costs_it_no_attempt(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(60)
        return completed(claimed)

    async with job_store() as store:
        async with working(store, workers(store, do)):
            (number,) = await add(store, a_job(deadline_s=600))
            (later,) = await add(store, a_job(run_at=clock() + 3_000_000))
            await trio.sleep(1)
        assert 7 <= trio.current_time() < 8
        job = await store.job("acme", number)
        assert job is not None
        assert (job.state, job.attempt, job.errors) == (JobState.WAITING, 0, ())
        # Nothing was claimed any more while the grace lasted.
        assert await state(store, later) is JobState.DELAYED


async def test_at_rest_nothing_is_claimed_until_they_resume(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        return completed(claimed)

    async with job_store() as store:
        team = workers(store, do)
        async with working(store, team):
            await trio.sleep(0.1)  # the first look is over
            team.rest()
            (number,) = await add(store, a_job())
            await trio.sleep(5)
            assert await state(store, number) is JobState.WAITING
            team.resume()
            await trio.sleep(0.1)
            assert await state(store, number) is JobState.COMPLETED


async def test_the_grace_counts_from_when_they_were_put_to_rest(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(60)
        return completed(claimed)

    async with job_store() as store:
        team = workers(store, do)
        async with working(store, team):
            await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
            team.rest()
            await trio.sleep(5)
            began = trio.current_time()
        assert 1 <= trio.current_time() - began < 1.5


async def test_workers_that_were_stopped_can_be_started_again(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        return completed(claimed)

    async with job_store() as store:
        team = workers(store, do)
        for _ in range(2):
            async with working(store, team):
                (number,) = await add(store, a_job())
                await trio.sleep(1)
            assert await state(store, number) is JobState.COMPLETED


class Flaky:
    """A store that is away while `is_away`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_away = False
        self.settled = 0

    def _look(self) -> None:
        if self.is_away:
            raise StoreUnavailable("away")

    async def claim(self, node: str, wanted: Mapping[Queue, int], lease_s: float, shares: Shares) -> list[Claimed]:
        self._look()
        return await self.store.claim(node, wanted, lease_s, shares)

    async def renew(self, node: str, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
        self._look()
        return await self.store.renew(node, leases, lease_s)

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        self._look()
        self.settled += 1
        return await self.store.settle(settlements)

    async def sweep(self, limit: int) -> Any:
        self._look()
        return await self.store.sweep(limit)

    async def next_due(self) -> int | None:
        self._look()
        return await self.store.next_due()


async def test_a_store_that_is_away_for_a_moment_costs_no_attempt_and_no_result(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(1)
        return completed(claimed)

    async with job_store() as store:
        flaky = Flaky(store)
        async with working(store, workers(flaky, do)):
            numbers = await add(store, *(a_job() for _ in range(3)))
            await trio.sleep(0.5)
            flaky.is_away = True
            await trio.sleep(15)
            flaky.is_away = False
            await trio.sleep(3)
            jobs = [await store.job("acme", number) for number in numbers]
            assert [(job.state, job.attempt) for job in jobs if job] == [(JobState.COMPLETED, 1)] * 3


async def test_a_node_that_cannot_renew_stops_its_jobs_before_another_may_have_them(autojump_clock: MockClock) -> None:
    stopped: list[float] = []

    async def do(claimed: Claimed) -> Settlement:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())
        raise AssertionError

    async with job_store() as store:
        flaky, observed = Flaky(store), Observed()
        async with working(store, workers(flaky, do, observed)):
            await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
            flaky.is_away = True
            await trio.sleep(29)
            assert observed.losses == {Queue.ALERT: 1}
            assert stopped[0] <= 30
            flaky.is_away = False


async def test_jobs_that_end_within_a_moment_are_settled_in_one_transaction(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(claimed.lease.job / 10_000)
        return completed(claimed)

    async with job_store() as store:
        flaky = Flaky(store)
        async with working(store, workers(flaky, do, slots={Queue.ALERT: 40})):
            await add(store, *(a_job() for _ in range(40)))
            await trio.sleep(2)
            assert flaky.settled <= 3


async def test_two_nodes_share_the_work_and_do_nothing_twice(autojump_clock: MockClock) -> None:
    done: list[tuple[str, int]] = []

    def of(node: str) -> Any:
        async def do(claimed: Claimed) -> Settlement:
            await trio.sleep(0.1)
            done.append((node, claimed.lease.job))
            return completed(claimed)

        return do

    async with job_store() as store, working(store, *(workers(store, of(node), node=node) for node in ("n1", "n2"))):
        numbers = await add(store, *(a_job() for _ in range(60)))
        await trio.sleep(5)
    assert sorted(number for _, number in done) == numbers
    assert {node for node, _ in done} == {"n1", "n2"}


async def test_a_bell_for_queues_without_slots_wakes_nobody(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        raise AssertionError

    async with job_store() as store, working(store, workers(store, do, slots={Queue.ALERT: 1})):
        (number,) = await add(store, a_job(queue=Queue.PREDICTION))
        await trio.sleep(3)
        assert await state(store, number) is JobState.WAITING


async def test_others_are_told_of_a_queue_that_has_more_than_a_node_has_slots_for(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep(1)
        return completed(claimed)

    async with job_store() as store:
        team, told = workers(store, do, slots={Queue.ALERT: 2, Queue.ANALYTICS: 2}), list[frozenset[Queue]]()
        team.on_more = told.append
        async with working(store, team):
            await add(store, a_job(), a_job(queue=Queue.ANALYTICS))
            await trio.sleep(0.5)
            assert told == []
            assert team.has_room(Queue.ALERT)
            await add(store, a_job(), a_job())
            await trio.sleep(0.1)
            assert told == [frozenset([Queue.ALERT])]
            assert [queue for queue in Queue if team.has_room(queue)] == [Queue.ANALYTICS]
            team.rest()
            assert not team.has_room(Queue.ANALYTICS)


async def test_a_queue_that_gave_less_than_it_was_asked_for_is_not_asked_again(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        await trio.sleep_forever()
        raise AssertionError

    async with job_store() as store:
        board = Board(store)
        async with working(store, workers(board, do, poll_s=10.0)):
            await trio.sleep(1)
            looked = Counter(board.calls)
            await add(store, a_job(), a_job())
            await trio.sleep(1)
            assert board.calls["claim"] - looked["claim"] == 1


async def test_who_was_rung_while_claiming_claims_again_before_asking_what_is_due(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        raise AssertionError

    async with job_store() as store:
        board = Board(store)
        team = workers(board, do, poll_s=10.0)

        async def rung_again() -> None:
            del board.breaks["claim"]
            team.ring(frozenset(Queue))

        async with working(store, team):
            await trio.sleep(1)
            looked = Counter(board.calls)
            board.breaks["claim"] = rung_again
            team.ring(frozenset(Queue))
            await trio.sleep(1)
            assert board.calls["claim"] - looked["claim"] == 2
            assert board.calls["next_due"] - looked["next_due"] == 1
