"""Something that lives under trio, and asyncio programs that call it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import trio

from protocol.errors import BadRequest
from tocsin.aio.bridge import Bridge
from tocsin.aio.thread import TrioThread

PATIENCE_S = 600.0


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
