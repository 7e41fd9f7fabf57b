"""That one target that hangs does not keep others from being reached, in virtual time on a real store."""

from __future__ import annotations

from collections import Counter

import trio
from trio.testing import MockClock

from engine.stores.tables.job_claims import FRONT
from protocol.jobs import Claimed, NewJob, Queue, Settlement
from tests.support.jobs import a_job, add, completed, job_store, workers, working

SLOTS = 32


def to(target: str | None, workspace: str = "acme") -> NewJob:
    return a_job(queue=Queue.NOTIFICATION, target=target, workspace=workspace, deadline_s=60)


class Targets:
    """What is begun at targets and what is done; those whose name says so hang."""

    def __init__(self) -> None:
        self.begun: Counter[str | None] = Counter()
        self.done: Counter[str | None] = Counter()

    async def do(self, claimed: Claimed) -> Settlement:
        self.begun[claimed.target] += 1
        if claimed.target is not None and "hangs" in claimed.target:
            await trio.sleep_forever()
        self.done[claimed.target] += 1
        return completed(claimed)


async def test_a_target_that_hangs_does_not_keep_messages_from_others(autojump_clock: MockClock) -> None:
    targets = Targets()
    async with job_store() as store, working(store, workers(store, targets.do, slots={Queue.NOTIFICATION: SLOTS})):
        await add(store, *(to("acme/webhook/hangs") for _ in range(200)))
        await trio.sleep(1)
        began = trio.current_time()
        await add(store, *(to("acme/webhook/well") for _ in range(20)))
        await trio.sleep(0.1)
        assert (targets.done["acme/webhook/well"], trio.current_time() - began < 0.2) == (20, True)
        assert targets.begun["acme/webhook/hangs"] == 4


async def test_however_many_wait_for_it_those_behind_are_found(autojump_clock: MockClock) -> None:
    targets = Targets()
    async with job_store() as store, working(store, workers(store, targets.do, slots={Queue.NOTIFICATION: SLOTS})):
        await add(store, *(to("acme/a/hangs") for _ in range(2 * FRONT)), *(to("acme/b/hangs") for _ in range(FRONT)))
        await add(store, *(to("acme/c/well") for _ in range(10)), *(to("other/well", "other") for _ in range(10)))
        await trio.sleep(1)
        assert targets.done == {"acme/c/well": 10, "other/well": 10}
        assert targets.begun["acme/a/hangs"] == targets.begun["acme/b/hangs"] == 4


async def test_a_workspace_whose_targets_all_hang_leaves_half_of_the_slots_to_others(
    autojump_clock: MockClock,
) -> None:
    targets = Targets()
    async with job_store() as store, working(store, workers(store, targets.do, slots={Queue.NOTIFICATION: SLOTS})):
        await add(store, *(to(f"acme/hangs-{number}") for number in range(100)))
        await add(store, to("other/well", "other"))
        await trio.sleep(1)
        assert (sum(targets.begun.values()) - 1, targets.done) == (SLOTS // 2, {"other/well": 1})


async def test_what_waits_for_nobody_has_slots_when_all_targets_hang(autojump_clock: MockClock) -> None:
    targets = Targets()
    async with job_store() as store, working(store, workers(store, targets.do, slots={Queue.NOTIFICATION: SLOTS})):
        await add(store, *(to(f"w{number}/hangs", f"w{number}") for number in range(100)))
        await trio.sleep(1)
        assert sum(targets.begun.values()) == SLOTS - SLOTS // 8
        await add(store, *(to(None) for _ in range(50)))
        await trio.sleep(0.1)
        assert targets.done[None] == 50


async def test_a_target_is_sent_more_as_soon_as_it_has_answered(autojump_clock: MockClock) -> None:
    running = most = 0

    async def do(claimed: Claimed) -> Settlement:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1
        return completed(claimed)

    async with job_store() as store, working(store, workers(store, do, slots={Queue.NOTIFICATION: SLOTS})):
        await add(store, *(to("acme/slow") for _ in range(12)))
        await trio.sleep(3.5)
        assert (most, (await store.queue_counts())[Queue.NOTIFICATION].completed) == (4, 12)
