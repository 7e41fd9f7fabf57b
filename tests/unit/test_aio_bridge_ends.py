"""The bridge from asyncio to trio begins and ends: starts that fail, deaths, loops that close at the wrong moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from protocol.errors import BadRequest
from tests.support.residents import PATIENCE_S, Resident, a_bridge, run, until
from tocsin.aio import bridge as bridges
from tocsin.aio.bridge import Bridge
from tocsin.aio.thread import SharedThread, TrioThread
from tocsin.errors import NotRunning


def test_a_death_reaches_whoever_waits_and_ends_the_block() -> None:
    waiting: list[asyncio.Task[None]] = []

    async def program() -> None:
        resident = Resident()
        with pytest.raises(BadRequest, match="the resident died"):
            async with a_bridge(resident) as bridge:
                waiting.append(asyncio.create_task(bridge.call(Resident.sleep)))
                await until(resident.begun)
                await bridge.call(Resident.die)
        assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
        with pytest.raises(NotRunning, match="this engine has ended: the resident died") as caught:
            await waiting[0]
        assert isinstance(caught.value.__cause__, BadRequest)

    run(program)


def test_a_cancellation_from_outside_is_not_taken_for_the_death_that_came_with_it() -> None:
    async def program() -> None:
        resident, entered = Resident(), asyncio.Event()
        deaths: list[asyncio.Task[None]] = []

        async def block() -> None:
            async with a_bridge(resident) as bridge:
                deaths.append(asyncio.create_task(bridge.call(Resident.die)))
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(block())
        await entered.wait()
        await asyncio.sleep(0)
        # Without giving way to the loop: the death is told after this, to a task that is cancelled already.
        assert resident.has_left.wait(PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(NotRunning):
            await deaths[0]

    run(program)


def test_the_end_of_the_block_cancels_what_is_under_way() -> None:
    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident) as bridge:
            caller = asyncio.create_task(bridge.call(Resident.sleep))
            await until(resident.begun)
        assert resident.cancelled.is_set()
        with pytest.raises(NotRunning, match="has ended"):
            await caller
        with pytest.raises(NotRunning, match="has ended"):
            await bridge.call(Resident.sleep)

    run(program)


def test_the_blocks_own_error_comes_out_as_it_is() -> None:
    async def program() -> None:
        with pytest.raises(ValueError, match="mine"):
            async with a_bridge(Resident()):
                raise ValueError("mine")

    run(program)


def test_a_resident_that_cannot_start_says_why() -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[Resident]:
        raise BadRequest("no room")
        yield Resident()

    async def program() -> None:
        resident = Resident()
        resident.living = broken  # type: ignore[method-assign]
        with pytest.raises(BadRequest, match="no room"):
            async with a_bridge(resident):
                raise AssertionError("entered")

    run(program)


def test_entering_can_be_cancelled() -> None:
    begun, left = threading.Event(), threading.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Resident]:
        begun.set()
        try:
            await trio.sleep_forever()
        finally:
            left.set()
        yield Resident()

    async def enter(thread: TrioThread) -> None:
        await Bridge(slow, "engine").enter(thread)

    async def program() -> None:
        thread = TrioThread("tocsin-test")
        thread.start()
        task = asyncio.create_task(enter(thread))
        await until(begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left.is_set()
        thread.end()

    run(program)


def test_a_call_while_the_resident_is_starting_is_refused_at_once_and_keeps_no_slot() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[Resident]:
        begun.set()
        await trio.to_thread.run_sync(goes_on.wait)
        yield Resident()

    async def program() -> None:
        thread = TrioThread("tocsin-test")
        thread.start()
        bridge = Bridge(slow, "engine")
        entering = asyncio.create_task(bridge.enter(thread))
        await until(begun)
        with pytest.raises(NotRunning, match="this engine is starting: call it when its `async with` block has begun"):
            await asyncio.wait_for(bridge.call(Resident.die), PATIENCE_S / 2)
        assert bridge.statistics() == {"calls": 0, "calls_in_flight": 0, "calls_refused": 0}
        goes_on.set()
        await entering
        await bridge.leave(None)
        thread.end()

    run(program)


def test_entering_on_a_thread_that_has_ended_says_so() -> None:
    async def program() -> None:
        thread = TrioThread("tocsin-test")
        thread.start()
        thread.end()
        with pytest.raises(NotRunning, match="this engine has ended"):
            await Bridge(Resident().living, "engine").enter(thread)

    run(program)


class ClosingLoop(asyncio.SelectorEventLoop):
    """Is closed by the time of the call that follows a look at it."""

    looks_open = False

    def is_closed(self) -> bool:
        return super().is_closed() and not self.looks_open


def test_a_loop_that_closes_at_the_wrong_moment_keeps_nobody_else_from_hearing_of_the_end() -> None:
    told: list[BaseException | None] = []

    class Other:
        async def live(self) -> None:
            await trio.sleep_forever()

        def abandoned(self, fault: BaseException | None) -> None:
            told.append(fault)

    thread, loop = TrioThread("tocsin-test"), ClosingLoop()
    bridge = Bridge(Resident().living, "engine")
    thread.start()
    loop.run_until_complete(bridge.enter(thread))
    loop.close()
    loop.looks_open = True
    bridge.abandoned(None)
    thread.adopt(Other())
    thread.end()
    loop.looks_open = False
    assert told == [None]


def test_a_cancellation_while_the_block_ends_is_kept_until_the_resident_has_left() -> None:
    closing = threading.Event()

    @asynccontextmanager
    async def thorough() -> AsyncIterator[Resident]:
        yield resident
        closing.set()
        await trio.to_thread.run_sync(resident.has_left.wait)

    resident = Resident()
    resident.living = thorough  # type: ignore[method-assign]

    async def block() -> None:
        async with a_bridge(resident):
            pass

    async def program() -> None:
        task = asyncio.create_task(block())
        await until(closing)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        resident.has_left.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(program)


def test_a_resident_that_does_not_leave_is_reported_and_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridges, "LEAVE_MAX_S", 0.05)
    resident = Resident()

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[Resident]:
        yield resident
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(resident.has_left.wait)

    async def program() -> None:
        thread = TrioThread("tocsin-test")
        thread.start()
        bridge = Bridge(stubborn, "engine")
        await bridge.enter(thread)
        with pytest.raises(RuntimeError, match=r"the engine has not ended 0.05 s after its block"):
            await bridge.leave(None)
        resident.has_left.set()
        thread.end()

    run(program)


def test_a_crash_of_trio_itself_is_told_to_whoever_waits() -> None:
    async def crash(_: Resident) -> None:
        def callback() -> None:
            raise ZeroDivisionError

        trio.lowlevel.current_trio_token().run_sync_soon(callback)
        await trio.sleep_forever()

    async def program() -> None:
        with pytest.raises(trio.TrioInternalError):
            async with a_bridge(Resident()) as bridge:
                await bridge.call(crash)

    run(program)


def test_clients_share_a_thread_while_there_is_one_of_them() -> None:
    shared = SharedThread("tocsin-test")
    first = shared.borrow()
    assert shared.borrow() is first
    shared.give_back(first)
    assert first.is_alive
    shared.give_back(first)
    assert not first.is_alive
    second = shared.borrow()
    assert second is not first
    shared.give_back(second)


def test_a_thread_that_broke_is_replaced_for_the_next_client() -> None:
    shared = SharedThread("tocsin-test")
    broken = shared.borrow()
    broken.end()
    fresh = shared.borrow()
    assert fresh is not broken
    shared.give_back(broken)
    assert fresh.is_alive
    shared.give_back(fresh)
    assert not fresh.is_alive


def test_a_loop_that_was_just_closed_ends_the_resident_as_soon_as_it_has_something_to_say() -> None:
    resident, goes_on = Resident(), trio.Event()
    bridge, thread = Bridge(resident.living, "engine"), TrioThread("tocsin-test")
    thread.start()

    async def wait(_: Resident) -> None:
        resident.begun.set()
        await goes_on.wait()

    async def program() -> asyncio.Task[None]:
        await bridge.enter(thread)
        task = asyncio.create_task(bridge.call(wait))
        await until(resident.begun)
        await asyncio.get_running_loop().shutdown_default_executor()
        return task

    loop = asyncio.new_event_loop()
    task = loop.run_until_complete(program())
    loop.close()
    thread.soon(goes_on.set)
    assert resident.has_left.wait(PATIENCE_S)
    thread.end()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own complaint about such programs
    task.get_coro().close()  # type: ignore[union-attr]
