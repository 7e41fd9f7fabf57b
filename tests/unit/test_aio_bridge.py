"""Calls from asyncio to something under trio: outcomes, cancellation and deaths cross both ways, within bounds."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from protocol.errors import BadRequest, Busy
from tocsin.aio import bridge as bridges
from tocsin.aio.bridge import Bridge
from tocsin.aio.thread import SharedThread, TrioThread
from tocsin.errors import NotRunning

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")
PATIENCE_S = 120.0


class Resident:
    """Lives until its block ends, or until it is told to die."""

    def __init__(self) -> None:
        self.dies = trio.Event()
        self.has_left = threading.Event()
        self.cancelled = threading.Event()
        self.begun = threading.Event()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[Resident]:
        """Under trio."""

        async def mortal() -> None:
            await self.dies.wait()
            raise BadRequest("the resident died")

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mortal)
                yield self
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self.has_left.set()

    async def sleep(self) -> None:
        """Until somebody cancels it."""
        self.begun.set()
        try:
            await trio.sleep_forever()
        finally:
            self.cancelled.set()

    async def die(self) -> None:
        """Its nursery crashes."""
        self.dies.set()
        await trio.sleep_forever()


@asynccontextmanager
async def a_bridge(resident: Resident, calls_max: int = 10) -> AsyncIterator[Bridge[Resident]]:
    """Entered and left as the engine and the client do it."""
    bridge = Bridge(resident.living, "engine", calls_max)
    thread = TrioThread("tocsin-test")
    thread.start()
    try:
        await bridge.enter(thread)
        crash: type[BaseException] | None = None
        try:
            yield bridge
        except BaseException as fault:
            crash = type(fault)
            raise
        finally:
            await bridge.leave(crash)
    finally:
        thread.end()
        assert not thread.is_alive


def run(program: Callable[[], Awaitable[None]]) -> None:
    """As `asyncio.run`, in bounded time."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await program()

    asyncio.run(bounded())


async def until(event: threading.Event) -> None:
    """Waits in a thread for an event of the other loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE_S)


def test_a_call_runs_in_trio_and_gives_its_result() -> None:
    async def where(_: Resident) -> tuple[str, float]:
        await trio.lowlevel.checkpoint()
        return threading.current_thread().name, trio.current_time()

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            assert (await bridge.call(where))[0] == "tocsin-test"

    run(program)


def test_an_error_comes_across_as_it_is_with_its_traceback() -> None:
    async def refuse(_: Resident) -> None:
        raise BadRequest("nonsense")

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            with pytest.raises(BadRequest, match="nonsense") as caught:
                await bridge.call(refuse)
            assert "refuse" in [frame.name for frame in traceback.extract_tb(caught.tb)]

    run(program)


def test_a_call_sees_the_context_variables_of_its_caller_and_changes_none() -> None:
    async def change(_: Resident) -> str:
        before = WORD.get()
        WORD.set("changed")
        return before

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            WORD.set("request 7")
            assert await bridge.call(change) == "request 7"
            assert WORD.get() == "request 7"

    run(program)


def test_whoever_cancels_the_caller_cancels_the_call_and_returns_when_it_has_ended() -> None:
    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident) as bridge:
            caller = asyncio.create_task(bridge.call(Resident.sleep))
            await until(resident.begun)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert resident.cancelled.is_set()
            assert bridge.statistics()["calls_in_flight"] == 0

    run(program)


def test_a_call_that_will_not_end_holds_up_its_cancelled_caller_for_so_long_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bridges, "CANCEL_MAX_S", 0.05)
    goes_on = threading.Event()

    async def stubborn(resident: Resident) -> None:
        resident.begun.set()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(goes_on.wait)

    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident) as bridge:
            caller = asyncio.create_task(bridge.call(stubborn))
            await until(resident.begun)
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
            assert bridge.statistics()["calls_in_flight"] == 1
            goes_on.set()

    run(program)


def test_the_call_past_the_bound_is_busy_and_counted() -> None:
    async def program() -> None:
        resident = Resident()
        async with a_bridge(resident, calls_max=2) as bridge:
            callers = [asyncio.create_task(bridge.call(Resident.sleep)) for _ in range(2)]
            await until(resident.begun)
            with pytest.raises(Busy, match="2 calls to this engine are under way, limit 2"):
                await bridge.call(Resident.sleep)
            assert bridge.statistics() == {"calls": 2, "calls_in_flight": 2, "calls_refused": 1}
            for caller in callers:
                caller.cancel()

    run(program)


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


def test_use_before_the_block_and_from_another_loop_is_refused_in_words() -> None:
    async def program() -> None:
        with pytest.raises(RuntimeError, match="this engine is not running yet: use it inside `async with`"):
            await Bridge(Resident().living, "engine").call(Resident.sleep)
        async with a_bridge(Resident()) as bridge:

            async def elsewhere() -> None:
                await bridge.call(Resident.sleep)

            with pytest.raises(RuntimeError, match="belongs to the asyncio loop that entered it"):
                await asyncio.to_thread(asyncio.run, elsewhere())

    run(program)


def test_trio_can_ask_the_program_and_gets_its_errors() -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        return f"token of {threading.current_thread().name}"

    async def broken() -> str:
        raise OSError("no token today")

    async def cancelled() -> str:
        raise asyncio.CancelledError

    async def program() -> None:
        async with a_bridge(Resident()) as bridge:
            assert await bridge.call(lambda _: bridge.ask(token)) == "token of MainThread"
            with pytest.raises(OSError, match="no token today"):
                await bridge.call(lambda _: bridge.ask(broken))
            with pytest.raises(bridges.NoAnswer, match="cancelled"):
                await bridge.call(lambda _: bridge.ask(cancelled))

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
