"""The foreign loop: coroutines of asyncio run in their own thread, and everything comes back.

Time is real here: asyncio's clock knows nothing of trio's. No test waits for longer than a bound it is about.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from engine import foreign
from engine.foreign import ForeignEnded, ForeignLoop


@pytest.fixture
async def loop() -> AsyncIterator[ForeignLoop]:
    loop = ForeignLoop()
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        yield loop
        nursery.cancel_scope.cancel()


class Hanging:
    """A coroutine over there that says when it began, and how it ended."""

    def __init__(self) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.began = trio.Event()
        self.ends: list[str] = []

    async def __call__(self) -> None:
        self.token.run_sync_soon(self.began.set)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise


def foreign_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "foreign-loop"]


async def test_a_coroutine_runs_in_the_foreign_thread_and_its_result_comes_back(loop: ForeignLoop) -> None:
    async def where() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await loop.call(where) == "foreign-loop"
    assert loop.statistics() == {"calls": 0, "abandoned": 0}


async def test_many_calls_run_side_by_side(loop: ForeignLoop) -> None:
    arrived: list[int] = []
    met = asyncio.Event()
    results: list[int] = []

    async def meet(number: int) -> int:
        arrived.append(number)
        if len(arrived) == 20:
            met.set()
        await met.wait()
        return number

    async def one(number: int) -> None:
        results.append(await loop.call(lambda: meet(number)))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(one, number)
    assert sorted(results) == list(range(20))


async def test_an_exception_carries_over(loop: ForeignLoop) -> None:
    async def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await loop.call(fail)


async def test_a_cancellation_by_a_driver_is_an_error_here_not_a_cancellation(loop: ForeignLoop) -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    with pytest.raises(ForeignEnded, match="ended over there"):
        await loop.call(give_up)


async def test_cancellation_reaches_the_coroutine_before_the_caller_goes_on(loop: ForeignLoop) -> None:
    hanging = Hanging()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.call, hanging)
            await hanging.began.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert hanging.ends == ["cancelled"]
    assert loop.statistics() == {"calls": 0, "abandoned": 0}


async def test_a_call_that_is_cancelled_before_it_began_over_there_holds_nobody_up(loop: ForeignLoop) -> None:
    gate = threading.Event()

    async def hold() -> None:
        gate.wait()

    async def cancelled() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await loop.call(Hanging())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.call, hold)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(cancelled)
        await trio.testing.wait_all_tasks_blocked()
        gate.set()

    assert loop.statistics() == {"calls": 0, "abandoned": 0}


async def test_a_coroutine_that_ignores_its_cancellation_is_left_behind_and_counted(
    loop: ForeignLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "CANCEL_MAX_S", 0.05)
    let_go, began = asyncio.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()

    async def stubborn() -> None:
        token.run_sync_soon(began.set)
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            await let_go.wait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(loop.call, stubborn)
        await began.wait()
        nursery.cancel_scope.cancel()
    assert loop.statistics() == {"calls": 0, "abandoned": 1}

    async def end() -> None:
        let_go.set()

    await loop.call(end)


async def test_nothing_is_called_before_it_runs_or_after() -> None:
    loop = ForeignLoop()
    with pytest.raises(ForeignEnded, match="does not run"):
        await loop.call(lambda: asyncio.sleep(0))
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        was_running = loop.is_running
        nursery.cancel_scope.cancel()
    assert (was_running, loop.is_running) == (True, False)
    with pytest.raises(ForeignEnded, match="does not run"):
        await loop.call(lambda: asyncio.sleep(0))


async def test_its_end_cancels_what_runs_and_leaves_no_thread() -> None:
    loop = ForeignLoop()
    hanging = Hanging()

    async def wait_for_it() -> None:
        with pytest.raises(ForeignEnded, match="may have happened"):
            await loop.call(hanging)

    async with trio.open_nursery() as callers, trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        callers.start_soon(wait_for_it)
        await hanging.began.wait()
        nursery.cancel_scope.cancel()
    assert hanging.ends == ["cancelled"]
    assert foreign_threads() == []


async def test_the_death_of_the_thread_ends_the_part_and_tells_who_waits() -> None:
    loop = ForeignLoop()
    hanging = Hanging()
    told: list[str] = []

    async def wait_for_it() -> None:
        try:
            await loop.call(hanging)
        except ForeignEnded as fault:
            told.append(str(fault))

    async def die() -> None:
        raise SystemExit("out of memory over there")

    async def kill() -> None:
        with pytest.raises(ForeignEnded):
            await loop.call(die)

    with pytest.RaisesGroup(pytest.RaisesExc(ForeignEnded, match="died")) as caught:
        async with trio.open_nursery() as nursery, trio.open_nursery() as callers:
            await nursery.start(loop.run)
            callers.start_soon(wait_for_it)
            await hanging.began.wait()
            callers.start_soon(kill)
    assert isinstance(caught.value.exceptions[0].__cause__, SystemExit)
    assert len(told) == 1
    assert foreign_threads() == []


async def test_without_uvloop_asyncio_s_own_loop_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    loop = ForeignLoop()

    async def kind() -> str:
        return type(asyncio.get_running_loop()).__module__

    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        assert (await loop.call(kind)).startswith("asyncio")
        nursery.cancel_scope.cancel()
