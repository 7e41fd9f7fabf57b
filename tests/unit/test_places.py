"""Threads that cannot be ended are counted until they end, and no workspace has them all."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
import trio.testing

from engine.notify.places import Crowded, Places


@dataclass
class Crowd:
    """Calls that end when they are let go, and what became of them."""

    places: Places
    nursery: trio.Nursery
    gate: threading.Event = field(default_factory=threading.Event)
    ended: list[str] = field(default_factory=list)
    has_ended: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    async def call(self, workspace: str) -> None:
        """One call."""
        try:
            await self.places.run(workspace, self.gate.wait)
            self.ended.append(workspace)
        except Crowded:
            self.ended.append(f"{workspace}: crowded")
        self.has_ended.unpark_all()

    async def until_ended(self, count: int) -> None:
        """Waits until so many calls are over, and their threads with them."""
        while len(self.ended) < count:
            await self.has_ended.park()

    async def begin(self, workspace: str, count: int = 1) -> None:
        """So many calls; returns when each has a thread or waits for one."""
        for _ in range(count):
            self.nursery.start_soon(self.call, workspace)
        await trio.testing.wait_all_tasks_blocked(0.01)


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(Places("calls", 3, 2, wait_s=0.05), nursery)
        yield crowd
        crowd.gate.set()


async def test_a_workspace_has_its_own_threads_and_leaves_the_rest_to_others(crowd: Crowd) -> None:
    await crowd.begin("main", 2)
    with pytest.raises(Crowded, match="no thread is free for calls"):
        await crowd.places.run("main", int)
    assert await crowd.places.run("other", int) == 0
    assert crowd.places.statistics() == {"held": 2, "crowded": 1}


async def test_when_all_are_taken_nobody_has_one(crowd: Crowd) -> None:
    await crowd.begin("main", 2)
    await crowd.begin("other")
    with pytest.raises(Crowded):
        await crowd.places.run("third", int)
    crowd.gate.set()
    await crowd.until_ended(3)
    assert await crowd.places.run("third", int) == 0


async def test_who_waits_gets_one_that_becomes_free(crowd: Crowd) -> None:
    crowd.places = Places("calls", 3, 2, wait_s=60)
    await crowd.begin("main", 3)
    assert crowd.ended == []
    crowd.gate.set()
    await crowd.until_ended(3)
    assert crowd.ended == ["main"] * 3


async def test_a_thread_that_nobody_waits_for_any_more_holds_its_place_until_it_ends(crowd: Crowd) -> None:
    for _ in range(2):
        with trio.move_on_after(0):
            await crowd.places.run("main", crowd.gate.wait)
    assert crowd.places.statistics()["held"] == 0, "nothing was begun"
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(partial(crowd.places.run, "main", crowd.gate.wait))
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    with pytest.raises(Crowded):
        await crowd.places.run("main", int)
    assert crowd.places.statistics() == {"held": 2, "crowded": 1}


async def test_who_goes_while_he_waits_leaves_nothing_behind(crowd: Crowd) -> None:
    crowd.places = Places("calls", 1, 1, wait_s=60)
    await crowd.begin("main")
    async with trio.open_nursery() as nursery:
        for workspace in ("main", "other"):
            nursery.start_soon(crowd.places.run, workspace, int)
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    crowd.gate.set()
    await crowd.until_ended(1)
    assert await crowd.places.run("other", int) == 0
    assert (crowd.places.statistics(), crowd.places._own) == ({"held": 0, "crowded": 0}, {})
