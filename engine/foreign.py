"""The one thread where asyncio lives, for drivers that know nothing else (asyncpg, redis), and the way over and back.

Owns: the thread, its event loop (uvloop where there is one), the coroutines that run there, and the count of those that
nobody waits for any more. Who talks to us: the Postgres store, the cache's second level, the bus; they run on the trio
loop and `call` a coroutine: one hop over, one back, so a whole transaction is one coroutine. What happens over there by
itself (news on a stream) is waited for by such a call. `call` waits for its coroutine alone; cancelled, it cancels the
coroutine and waits `CANCEL_MAX_S` for its end: closing what was half done is the coroutine's affair, and one that hangs
is left behind and counted. If the thread dies, everybody who waits is told `ForeignEnded`, and `run` ends with what it
died of: our supervisor restarts us and those who are built on us.

Decided against: trio-asyncio (half as fast, and it needs another trio than new Pythons do), a thread for each
connection (the interpreter's lock is asked for as often as there are threads), guest mode (both loops would wait for
each other).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

import structlog
import trio

from actors.supervisor import Started
from engine.give_way import GiveWay

T = TypeVar("T")
log = structlog.get_logger()

# What was cancelled has this long to close what it used. Longer would hold up whoever cancelled, often a person.
CANCEL_MAX_S = 2.0
# The same for all that still runs at the end, together; the thread is a daemon and is left behind after it.
CLOSE_MAX_S = 2.0


class ForeignEnded(Exception):
    """The foreign loop does not run (yet, or any more). Ours, not the caller's; trying again helps after a restart."""


class _Call(Generic[T]):
    """A coroutine over there, and the task here that waits for it."""

    def __init__(self, make: Callable[[], Coroutine[Any, Any, T]], tell: Callable[[_Call[T]], None]) -> None:
        self.done = trio.Event()
        self._make = make
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._value: tuple[T] | None = None
        self._fault: BaseException | None = None

    def begin(self) -> None:
        """Over there: starts."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        # Not at the end of the coroutine: one that is cancelled before its first step has no end.
        self._task.add_done_callback(lambda _: self._tell(self))

    def cancel(self) -> None:
        """Over there: asks it to end."""
        if self._task is not None:
            self._task.cancel()

    def answer(self) -> T:
        """Here, when it is done: its result, or raises what it raised. Raises ForeignEnded if it has neither."""
        if self._value is not None:
            return self._value[0]
        raise self._fault or ForeignEnded("the foreign loop ended before it answered; what was asked may have happened")

    async def _run(self) -> None:
        try:
            self._value = (await self._make(),)
        except asyncio.CancelledError as fault:  # by us, or by the driver or the end of the loop: to trio a stranger
            self._fault = ForeignEnded("it was ended over there before it answered; what was asked may have happened")
            self._fault.__cause__ = fault
        except Exception as fault:
            self._fault = fault


class ForeignLoop:
    """An asyncio loop in a thread of its own. Made anywhere, used on the trio loop while `run` runs there."""

    def __init__(self) -> None:
        self.abandoned = 0
        self._calls: set[_Call[Any]] = set()
        self._thread: _Thread | None = None
        self._give_way = GiveWay()

    @property
    def is_running(self) -> bool:
        """Whether something can be called."""
        return self._thread is not None

    def statistics(self) -> dict[str, int]:
        """`calls`: coroutines that are waited for; `abandoned`: those that did not end when they were cancelled."""
        return {"calls": len(self._calls), "abandoned": self.abandoned}

    async def run(self, task_status: Started) -> None:
        """Runs the thread until cancelled. Raises what it died of."""
        thread = _Thread()
        await thread.begin()
        self._thread = thread
        try:
            with self._give_way.watching():
                task_status.started()
                await thread.over.wait()
        finally:
            self._thread = None
            for call in self._calls:
                call.done.set()
            with trio.CancelScope(shield=True):
                await thread.close()
        raise ForeignEnded("the foreign loop died; whatever is built on it is started again") from thread.death

    async def call(self, make: Callable[[], Coroutine[Any, Any, T]], *, is_long: bool = False) -> T:
        """Runs `make()` over there and gives its result or exception. Raises ForeignEnded.

        `is_long`: it lives for long without news (a tail of a stream), so a busy loop need not make room for it.
        """
        thread = self._thread
        if thread is None:
            await trio.lowlevel.checkpoint()
            raise ForeignEnded("the foreign loop does not run; try again in a moment")
        call = _Call(make, thread.deliver)
        self._calls.add(call)
        self._give_way.under_way += not is_long
        try:
            thread.tell(call.begin)
            await self._wait_for(call)
        finally:
            self._calls.discard(call)
            self._give_way.under_way -= not is_long
        answer: T = call.answer()
        return answer

    async def _wait_for(self, call: _Call[Any]) -> None:
        try:
            await call.done.wait()
        except trio.Cancelled:
            if (thread := self._thread) is not None:
                thread.tell(call.cancel)
                with trio.move_on_after(CANCEL_MAX_S, shield=True):
                    await call.done.wait()
                if not call.done.is_set():
                    self.abandoned += 1
                    log.warning("foreign_call_abandoned", after_s=CANCEL_MAX_S)
            raise


class _Thread:
    """The thread and its loop. `over` is set when it ended; `death` is why, if nobody asked for it."""

    def __init__(self) -> None:
        self.loop = _new_loop()
        self.loop.set_exception_handler(_log_unhandled)
        self.over = trio.Event()
        self.death: BaseException | None = None
        self._token = trio.lowlevel.current_trio_token()
        # A daemon: a driver that blocks for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="foreign-loop", daemon=True)

    async def begin(self) -> None:
        """Starts it and waits until it runs, so that nothing is called into a loop that is not there."""
        runs = trio.Event()
        self.loop.call_soon(self._token.run_sync_soon, runs.set)
        self._thread.start()
        with trio.CancelScope(shield=True):
            await runs.wait()

    async def close(self) -> None:
        """Cancels all that runs there, waits for it `CLOSE_MAX_S`, ends the loop and the thread."""
        if not self.over.is_set():
            self.tell(self.loop.stop)
            with trio.move_on_after(2 * CLOSE_MAX_S):
                await self.over.wait()
        if self.over.is_set():
            self._thread.join()
        else:
            log.error("foreign_loop_hangs", after_s=2 * CLOSE_MAX_S)

    def tell(self, callback: Callable[[], object]) -> None:
        """Calls this over there."""
        with suppress(RuntimeError):  # it is closed already: `over` is on its way here, and ends who waits
            self.loop.call_soon_threadsafe(callback)

    def deliver(self, call: _Call[Any]) -> None:
        """From over there: wakes up whoever waits."""
        self._soon(call.done.set)

    def _work(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException as fault:  # the thread's boundary: `run` raises it where somebody sees it
            self.death = fault
        try:
            self.loop.run_until_complete(_cancelled(asyncio.all_tasks(self.loop)))
            self.loop.close()
        finally:
            self._soon(self.over.set)

    def _soon(self, callback: Callable[[], object]) -> None:
        with suppress(trio.RunFinishedError):  # it hung for longer than the program ran: nobody is there to be told
            self._token.run_sync_soon(callback)


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CLOSE_MAX_S)


def _log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("foreign_loop_unhandled", message=context.get("message"), cause=repr(context.get("exception")))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # it is an extra, and there is none for some platforms
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
