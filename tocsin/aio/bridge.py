"""Carries calls from an asyncio program to something that lives under trio, and their outcomes back.

A bridge owns one resident, any async context manager of trio's (an engine, a client), from `enter` to `leave`. A call
is one hop each way: a callback into the trio loop that starts a task beside the resident, and a callback into the
asyncio loop with the outcome. So results, and errors with their tracebacks, are those of trio's side.

- **Cancelled here, cancelled there.** Whoever cancels the awaiting asyncio task cancels the call, and waits (bounded)
  until it has ended: nothing goes on behind a caller's back. What it had done by then is done, as with every commit.
- **Ended there, ended here.** If the resident dies, every waiting caller gets NotRunning with the cause, and the task
  of the block is cancelled, as trio's nurseries do; leaving the block then raises what the resident died of.
- **Bounded.** So many calls may be under way; the next is `Busy` at once. Context variables go along with a call, so
  that log lines of it name the request; they do not come back.

What is kept here belongs to the asyncio loop, except where it says trio. Decided against: `trio.from_thread` and
executors (a worker thread for each call in flight), one queue and one task that serves it (calls would wait for each
other), and running the resident in the host's own loop (docs/decisions/0004-embedding-in-asyncio.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from concurrent import futures
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import trio
from outcome import Error, Outcome, Value

from protocol.errors import Busy
from tocsin.aio.thread import TrioThread
from tocsin.errors import NoAnswer, NotRunning

# A call costs a task of about 10 kB; as many as fill several commits, and 10 MB.
CALLS_MAX = 1_000
# What is cancelled ends at its next checkpoint; only a read of the store that is under way is waited for, 5 s at most.
CANCEL_MAX_S = 10.0
# An engine ends within 10 s (`STOP_MAX_S`), and a busy machine gets some more.
LEAVE_MAX_S = 12.0

T = TypeVar("T")
R = TypeVar("R")


class _Flight(Generic[R]):
    """One call under way."""

    __slots__ = ("context", "landed", "scope", "work")

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[Any], Awaitable[R]]) -> None:
        self.work = work
        self.landed: asyncio.Future[Outcome[R]] = loop.create_future()
        self.scope = trio.CancelScope()
        self.context = contextvars.copy_context()


@dataclass
class _Block:
    """The asyncio block in which the resident is used, and what has become of them."""

    loop: asyncio.AbstractEventLoop
    thread: TrioThread
    task: asyncio.Task[Any] | None
    # How often somebody else had cancelled the task when the block began.
    cancelled_before: int
    is_up: asyncio.Future[None]
    is_over: asyncio.Future[None]
    is_leaving: bool = False
    # We have cancelled the task, because the resident died.
    has_cancelled: bool = False
    fault: BaseException | None = None


class Bridge(Generic[T]):
    """The way to one resident. `name` is what errors call it: "engine", "client"."""

    def __init__(
        self, make: Callable[[], AbstractAsyncContextManager[T]], name: str, calls_max: int = CALLS_MAX
    ) -> None:
        self._make = make
        self._name = name
        self._calls_max = calls_max
        self._flights: set[_Flight[Any]] = set()
        self._calls = self._refused = 0
        self._entered: _Block | None = None
        # Of the trio side.
        self._leaving = trio.Event()
        self._life = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._value: T | None = None

    def statistics(self) -> dict[str, int]:
        """Calls since the start, those under way, and those that were refused because too many were."""
        return {"calls": self._calls, "calls_in_flight": len(self._flights), "calls_refused": self._refused}

    async def enter(self, thread: TrioThread) -> None:
        """Lets the resident live on this thread. Raises what it cannot start for."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        cancelled_before = task.cancelling() if task else 0
        block = _Block(loop, thread, task, cancelled_before, loop.create_future(), loop.create_future())
        self._entered = block
        thread.adopt(self)
        try:
            await asyncio.wait([block.is_up])
        except asyncio.CancelledError:
            block.is_leaving = True
            thread.soon(self._life.cancel)
            await _settled(block.is_over, LEAVE_MAX_S)
            raise
        if block.is_over.done():
            raise block.fault or self._ended(block)

    async def leave(self, crash: type[BaseException] | None) -> None:
        """Ends the resident, whatever cancellations come meanwhile. Raises what it died of, if it did."""
        block = self._block
        block.is_leaving = True
        block.thread.soon(self._leaving.set)
        if crash is GeneratorExit:
            return  # the loop is gone, or lets go of the block's task: nobody may wait any more
        await _settled(block.is_over, LEAVE_MAX_S)
        if not block.is_over.done():
            raise RuntimeError(f"the {self._name} has not ended {LEAVE_MAX_S:g} s after its block; see the log for why")
        is_ours = False
        if block.has_cancelled and block.task is not None:
            is_ours = block.task.uncancel() <= block.cancelled_before
        if block.fault is not None and (is_ours or crash is not asyncio.CancelledError):
            raise block.fault

    async def call(self, work: Callable[[T], Awaitable[R]]) -> R:
        """What `work(resident)` comes to, awaited under trio. Raises Busy, NotRunning, or what it raised."""
        block = self._block
        flight = self._launch(block, work)
        try:
            await asyncio.wait([flight.landed])
        except asyncio.CancelledError:
            block.thread.soon(flight.scope.cancel)
            await _settled(flight.landed, CANCEL_MAX_S)
            raise
        return flight.landed.result().unwrap()

    @property
    def _block(self) -> _Block:
        if self._entered is None:
            raise RuntimeError(f"this {self._name} is not running yet: use it inside `async with`")
        return self._entered

    def _launch(self, block: _Block, work: Callable[[T], Awaitable[R]]) -> _Flight[R]:
        if asyncio.get_running_loop() is not block.loop:
            raise RuntimeError(
                f"this {self._name} belongs to the asyncio loop that entered it, and this is another one: call it "
                "there, from other threads with asyncio.run_coroutine_threadsafe(…, that_loop)"
            )
        if block.is_leaving or block.is_over.done():
            raise self._ended(block)
        if not block.is_up.done():
            raise NotRunning(f"this {self._name} is starting: call it when its `async with` block has begun")
        if len(self._flights) >= self._calls_max:
            self._refused += 1
            raise Busy(f"{len(self._flights)} calls to this {self._name} are under way, limit {self._calls_max}")
        flight = _Flight(block.loop, work)
        self._flights.add(flight)
        self._calls += 1
        block.thread.soon(self._take_off, flight)
        return flight

    def _land(self, flight: _Flight[R], result: Outcome[R]) -> None:
        self._flights.discard(flight)
        if not flight.landed.done():
            flight.landed.set_result(result)

    def _is_up(self) -> None:
        if not self._block.is_up.done():
            self._block.is_up.set_result(None)

    def _is_over(self, fault: BaseException | None) -> None:
        """The resident has ended: whoever waits is told, first of all the block."""
        block = self._block
        if block.is_over.done():
            return
        block.fault = fault
        block.is_over.set_result(None)
        was_up = block.is_up.done()
        self._is_up()
        for flight in list(self._flights):
            self._land(flight, Error(self._ended(block)))
        if was_up and not block.is_leaving and block.task is not None:
            block.has_cancelled = block.task.cancel(f"the {self._name} has ended")

    def _ended(self, block: _Block) -> NotRunning:
        ended = NotRunning(f"this {self._name} has ended" + (f": {block.fault}" if block.fault else ""))
        ended.__cause__ = block.fault
        return ended

    # From here on: called in trio.

    def tell(self, call: Callable[..., Any], *arguments: Any) -> None:
        """From trio: calls it in the asyncio loop, in the order of telling."""
        try:
            self._block.loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:
            # The loop was closed without leaving the block: there is nobody left to work for.
            self._leaving.set()

    async def ask(self, function: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """From trio: what a coroutine function of the program comes to, awaited in the asyncio loop."""
        done, block = trio.Event(), self._block
        if block.loop.is_closed():
            raise NoAnswer("the program's asyncio loop is closed")
        asked = asyncio.run_coroutine_threadsafe(function(), block.loop)
        asked.add_done_callback(lambda _: block.thread.soon(done.set))
        try:
            await done.wait()
            return asked.result()
        except futures.CancelledError as fault:
            raise NoAnswer("the program cancelled it") from fault
        finally:
            asked.cancel()

    async def live(self) -> None:
        """The resident's life."""
        fault: BaseException | None = None
        try:
            with self._life:
                await self._reside()
        except Exception as crash:  # carried over to whoever awaits the resident
            fault = crash
        # Not if the thread itself is ending or broken: that comes by `abandoned`, which knows why.
        self._block.thread.forget(self)
        self.tell(self._is_over, fault)

    def abandoned(self, fault: BaseException | None) -> None:
        """The thread is over."""
        # Closed without leaving the block, maybe just now: there is nobody to tell, and others wait for their turn.
        with contextlib.suppress(RuntimeError):
            self._block.loop.call_soon_threadsafe(self._is_over, fault)

    async def _reside(self) -> None:
        async with self._make() as self._value, trio.open_nursery() as nursery:
            self._nursery = nursery
            self.tell(self._is_up)
            try:
                await self._leaving.wait()
            finally:
                # What is under way does not land; `_is_over` tells its callers, when it is known why.
                self._nursery = None
                nursery.cancel_scope.cancel()

    def _take_off(self, flight: _Flight[Any]) -> None:
        if self._nursery is not None:
            flight.context.run(self._nursery.start_soon, self._fly, flight)

    async def _fly(self, flight: _Flight[Any]) -> None:
        result: Outcome[Any] = Error(NotRunning("this call was cancelled"))
        with flight.scope:
            try:
                result = Value(await flight.work(self._value))
            except Exception as fault:  # carried over to the caller
                result = Error(fault)
        self.tell(self._land, flight, result)


async def _settled(future: asyncio.Future[Any], within_s: float) -> None:
    """Waits for a future, at most so long, and through all cancellations; the last one is raised at the end."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    cancelled: asyncio.CancelledError | None = None
    while not future.done() and (left_s := until - loop.time()) > 0:
        try:
            await asyncio.wait([future], timeout=left_s)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
