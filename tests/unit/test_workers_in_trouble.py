"""Workers beside stores that are away or hang, clocks that are set, and jobs that behave badly; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.hands import WorkerLimits
from actors.workers import Workers
from protocol.jobs import Claimed, JobState, Queue, Settlement, Verdict
from protocol.times import SECOND_US
from tests.support.jobs import (
    Board,
    Desk,
    Observed,
    Wall,
    a_job,
    add,
    away,
    clock,
    completed,
    job_store,
    state,
    workers,
    working,
)

ONE_SLOT = {Queue.ALERT: 1}
# Looks in a minute: one each second, and some for what happens meanwhile.
MINUTE_LOOKS_MAX = 100


async def long(claimed: Claimed) -> Settlement:
    await trio.sleep(300)
    return completed(claimed)


async def at_once(claimed: Claimed) -> Settlement:
    return completed(claimed)


def bounded(board: Board, verb: str) -> None:
    """Fails instead of looking for ever: in virtual time no time passes in a busy loop."""

    async def count() -> None:
        assert board.calls[verb] < 1_000, "a busy loop"

    board.breaks[verb] = count


async def test_workers_with_full_hands_do_not_ask_for_what_is_due(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        board = Board(store)
        bounded(board, "next_due")
        async with working(store, workers(board, long, slots=ONE_SLOT)):
            await add(store, a_job(deadline_s=600), a_job(run_at=clock() + SECOND_US))
            await trio.sleep(60)
            assert board.calls["next_due"] + board.calls["claim"] < MINUTE_LOOKS_MAX


async def test_workers_at_rest_do_not_ask_for_what_is_due(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        board = Board(store)
        bounded(board, "next_due")
        team = workers(board, long, slots=ONE_SLOT)
        async with working(store, team):
            await add(store, a_job(run_at=clock() + SECOND_US))
            team.rest()
            await trio.sleep(60)
            assert board.calls["next_due"] < MINUTE_LOOKS_MAX


async def test_a_store_that_can_be_read_and_not_written_is_asked_once_a_second(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        board = Board(store)
        bounded(board, "next_due")
        async with working(store, workers(board, at_once)):
            (number,) = await add(store, a_job(run_at=clock() + SECOND_US))
            board.breaks["claim"] = away
            await trio.sleep(60)
            assert board.calls["claim"] < MINUTE_LOOKS_MAX
            del board.breaks["claim"]
            await trio.sleep(2)
            assert await state(store, number) is JobState.COMPLETED


async def test_workers_that_are_stopped_claim_nothing_more_however_much_comes(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        board = Board(store)

        async def one_more() -> None:
            await add(store, a_job())
            await trio.sleep(0.1)

        board.breaks["claim"] = one_more
        async with working(store, workers(board, at_once)):
            await trio.sleep(1.05)
            claims = board.calls["claim"]
            assert claims > 5
        assert board.calls["claim"] == claims


async def test_workers_that_crashed_hold_on_to_nothing(autojump_clock: MockClock) -> None:
    async with job_store() as store:
        board = Board(store)

        async def bug() -> None:
            raise KeyError("a bug")

        board.breaks["settle"] = bug
        team = workers(board, at_once, slots=ONE_SLOT)
        (number,) = await add(store, a_job())
        with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
            async with working(store, team):
                await trio.sleep(60)
        assert not team.active
        del board.breaks["settle"]
        async with working(store, team):
            await trio.sleep(60)
            assert await state(store, number) is JobState.COMPLETED


async def test_a_renewal_that_hangs_is_not_waited_for_until_the_lease_is_over(autojump_clock: MockClock) -> None:
    stopped: list[float] = []

    async def do(claimed: Claimed) -> Settlement:
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())
        raise AssertionError

    async with job_store() as store:
        board = Board(store)
        async with working(store, workers(board, do)):
            await trio.sleep(5)
            await add(store, a_job(deadline_s=600))
            board.breaks["renew"] = trio.sleep_forever
            await trio.sleep(40)
            # 20 s after its lease was asked for, which ends at 35.
            assert 25 <= stopped[0] < 25.1
            del board.breaks["renew"]


async def test_what_was_claimed_lately_is_not_given_up_for_an_older_failure(autojump_clock: MockClock) -> None:
    observed = Observed()
    async with job_store() as store:
        board = Board(store)
        board.breaks["renew"] = away
        async with working(store, workers(board, long, observed)):
            await trio.sleep(60)
            (number,) = await add(store, a_job(deadline_s=600))
            await trio.sleep(14)
            assert (observed.losses, await state(store, number)) == ({}, JobState.ACTIVE)
            del board.breaks["renew"]
            await trio.sleep(290)
            assert await state(store, number) is JobState.COMPLETED


async def test_jobs_in_hand_are_not_lost_when_the_clock_is_set_forward(autojump_clock: MockClock) -> None:
    wall, observed = Wall(), Observed()
    async with job_store(wall) as store:
        async with working(store, Workers(store, Desk(long), observed, wall, "n1", WorkerLimits(slots=ONE_SLOT))):
            (number,) = await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
            wall.ahead_s = 3_600
            await trio.sleep(300)
        job = await store.job(None, number)
        assert job is not None
        assert (job.state, job.attempt, observed.losses) == (JobState.COMPLETED, 1, {})


async def test_a_job_that_is_being_given_out_when_the_process_is_stopped_is_done_once(
    autojump_clock: MockClock,
) -> None:
    wall, done = Wall(), list[int]()

    async def do(claimed: Claimed) -> Settlement:
        done.append(claimed.lease.job)
        return completed(claimed)

    class Stopped(Board):
        """Gives a job out; when its answer arrives all leases have ended, and a sweep is due."""

        async def claim(self, *args: Any) -> Sequence[Claimed]:
            claimed: Sequence[Claimed] = await self._store.claim(*args)
            if claimed and not wall.ahead_s:
                wall.ahead_s = 3_600
                await trio.sleep(WorkerLimits.sweep_s + 1)
            return claimed

    async with job_store(wall) as store:
        limits = WorkerLimits(slots=ONE_SLOT)
        async with working(store, Workers(Stopped(store), Desk(do), Observed(), wall, "n1", limits)):
            (number,) = await add(store, a_job())
            await trio.sleep(60)
        assert done == [number]


async def test_a_clock_that_is_set_back_delays_nothing_that_is_in_hand(autojump_clock: MockClock) -> None:
    wall, observed = Wall(), Observed()
    async with job_store(wall) as store:
        async with working(store, Workers(store, Desk(long), observed, wall, "n1", WorkerLimits(slots=ONE_SLOT))):
            (number,) = await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
            wall.ahead_s = -3_600
            await trio.sleep(300)
        assert (await state(store, number), observed.losses) == (JobState.COMPLETED, {})


async def test_a_job_that_cannot_be_stopped_is_done_by_somebody_else_after_its_lease(autojump_clock: MockClock) -> None:
    starts: list[float] = []

    async def do(claimed: Claimed) -> Settlement:
        starts.append(trio.current_time())
        if len(starts) == 1:
            with trio.CancelScope(shield=True):
                await trio.sleep(200)
        return completed(claimed)

    observed = Observed()
    async with job_store() as store, working(store, workers(store, do, observed)):
        (number,) = await add(store, a_job(deadline_s=5))
        await trio.sleep(60)
        assert await state(store, number) is JobState.COMPLETED
        await trio.sleep(200)
        assert (len(starts), observed.verdicts, observed.losses) == (2, {Verdict.COMPLETED: 1}, {Queue.ALERT: 1})


class Mute(Exception):
    """It cannot say what is the matter."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError("over"), "CancelledError: over"),
        (GeneratorExit(), "GeneratorExit: "),
        (BaseExceptionGroup("two", [SystemExit(), OSError()]), "BaseExceptionGroup: two (2 sub-exceptions)"),
        (Mute(), "Mute, which cannot say what it is about"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_whatever_a_job_raises_is_a_failed_attempt_of_it_alone(
    autojump_clock: MockClock, fault: BaseException, cause: str
) -> None:
    async def do(claimed: Claimed) -> Settlement:
        if claimed.kind == "bad":
            raise fault
        await trio.sleep(1)
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do)):
        bad, good = await add(store, a_job("bad", attempts_max=1), a_job())
        await trio.sleep(2)
        job = await store.job(None, bad)
        assert job is not None
        assert (job.state, [error.cause for error in job.errors]) == (JobState.FAILED, [cause])
        assert await state(store, good) is JobState.COMPLETED


async def test_a_job_that_raises_while_it_is_handed_back_has_used_up_no_attempt(autojump_clock: MockClock) -> None:
    async def do(claimed: Claimed) -> Settlement:
        try:
            await trio.sleep_forever()
        finally:
            raise OSError("broken pipe")

    async with job_store() as store:
        async with working(store, workers(store, do)):
            (number,) = await add(store, a_job(deadline_s=600))
            await trio.sleep(1)
        job = await store.job(None, number)
        assert job is not None
        assert (job.state, job.attempt, job.errors) == (JobState.WAITING, 0, ())
