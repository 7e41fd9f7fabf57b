"""Waking many channels: each looks, none is forgotten, and others have their turns in between."""

from __future__ import annotations

import itertools

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.registry import Registry
from actors.waker import WOKEN_AT_ONCE
from protocol.model import ChannelKey
from tests.support.actors import FakeStore, Machines, Recorder, a_kit, start

COUNT = 3 * WOKEN_AT_ONCE + 5


async def test_all_channels_of_a_workspace_look_a_few_in_each_turn_of_the_loop(autojump_clock: MockClock) -> None:
    machines = Machines()
    registry = Registry(a_kit(FakeStore(), machines, Recorder()))
    async with trio.open_nursery() as nursery:
        await start(nursery, registry.run)
        for number in range(COUNT):
            registry.cell(ChannelKey("acme", f"f{number}"))
        registry.cell(ChannelKey("umbrella", "f"))
        await wait_all_tasks_blocked()
        machines.decided.clear()
        registry.wake("acme")
        registry.wake("acme", "f1")
        looked = [0]
        while looked[-1] < COUNT:
            await trio.lowlevel.checkpoint()
            looked.append(len(machines.decided))
        assert max(after - before for before, after in itertools.pairwise(looked)) <= WOKEN_AT_ONCE
        await wait_all_tasks_blocked()
        assert len(machines.decided) == COUNT, "once each, and nobody else's"
        nursery.cancel_scope.cancel()


async def test_a_channel_that_is_still_to_be_woken_is_not_retired(autojump_clock: MockClock) -> None:
    machines = Machines()
    registry = Registry(a_kit(FakeStore(), machines, Recorder(), idle_s=60.0))
    async with trio.open_nursery() as nursery:
        await start(nursery, registry.run)
        cell = registry.cell(ChannelKey("acme", "f"))
        await wait_all_tasks_blocked()
        machines.decided.clear()
        cell.mailbox.oblige()
        await trio.sleep(61)
        assert (len(machines.decided), registry.cells()) == (1, [cell])
        nursery.cancel_scope.cancel()
