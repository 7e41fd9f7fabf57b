"""Engines for tests: in memory, on free ports, with a wall clock that goes as trio's does.

Time. A test's clock stands still until the test says `pass_time`, which goes from deadline to deadline, so that timers
fire in their order and everything in the loop has its turn in between; the wall clock, and with it windows, ids
and the ends of tokens, follow. The store is in memory and written on the loop itself, so no commit is under way in a
thread while time passes. Sockets, and so clients, HTTP and all doors, work as always, because time waits for them.

Decided against: `MockClock(autojump_threshold=0)`. An engine always has a next deadline (its ticker's, each second), so
the clock would run off at full speed whenever a test waits for anything outside its loop: an HTTP client, a thread, a
browser. A transport in memory would mend that for one kind of client, and be another thing than what is in use.

Because time may stand, waiting for an alert is bounded in real time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import trio
import trio.testing

from engine import app
from engine.configuration.config import Config
from engine.configuration.fields import Secret
from engine.ids import IdSource, now_us
from engine.sections.doors import Gateway
from engine.world import World
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.messages import AlertMessage
from protocol.model import Principal, Severity
from protocol.times import SECOND_US
from tocsin import aio
from tocsin.client import Client

# What is told is told within milliseconds; this is for a machine that is very busy, or a test that waits in vain.
PATIENCE_S = 10.0
ANY_PORT = "127.0.0.1:0"

_SILENCE = "nothing came within {:g} s of real time"

R = TypeVar("R")


class Within(Protocol):
    """Waits for something, at most so many real seconds; then it is an AssertionError."""

    async def __call__(self, seconds: float, wait: Callable[[], Awaitable[R]]) -> R:
        """What was waited for."""


def a_config(**settings: Any) -> Config:
    """In memory, on free ports, without this machine's vitals and its own figures; any field of Config can be given.

    Heartbeats are rare: a client outside the test's loop (a browser, another process) does not live in its time, and
    must not be taken for dead after it has passed an hour.
    """
    defaults: dict[str, Any] = {
        "data": Path("unused"),
        "store": "memory:",
        "secret": Secret("the secret of an engine in memory"),
        "ws": ANY_PORT,
        "http": ANY_PORT,
        "watch_host": False,
        "watch_self": False,
        "gateway": Gateway(heartbeat_s=3_600, timeout_s=7_200, drain_s=1.0, close_s=0.5),
    }
    return Config(**(defaults | settings))


class Followed:
    """What a client hears of a channel."""

    def __init__(self, client: Client | aio.Client, within: Within) -> None:
        self.client = client
        self._within = within

    async def next(self, within_s: float = PATIENCE_S) -> AlertMessage:
        """The next message. Raises AssertionError if none comes in so many real seconds."""
        return await self._within(within_s, lambda: anext(self.client.alerts()))

    async def so_far(self) -> list[AlertMessage]:
        """All that was told up to now and not taken yet, without waiting for more."""
        # The answer comes behind whatever was told before.
        await self._within(PATIENCE_S, self.client.ping)
        counts = self.client.statistics()
        waiting = counts["buffered"] + counts.get("taken", 0)
        return [await anext(self.client.alerts()) for _ in range(waiting)]


class EngineUnderTest:
    """An engine with what tests need beside it. `engine` is the `tocsin.Engine` or `tocsin.aio.Engine` itself."""

    def __init__(self, engine: Any, clock: trio.abc.Clock) -> None:
        self.engine = engine
        self._clock = clock
        self._is_aio = isinstance(engine, aio.Engine)

    @property
    def ws_url(self) -> str:
        """Where WebSocket clients connect."""
        return str(self.engine.ws_url)

    @property
    def http_url(self) -> str:
        """Where the API is served."""
        return str(self.engine.http_url)

    def principal(self, user: str = "test", role: str = "admin") -> Principal:
        """Somebody, for the verbs of `engine.service`."""
        who: Principal = self.engine.principal(user, role)
        return who

    async def token(self, user: str = "test", role: str = "admin", ttl_s: int = 86_400) -> str:
        """A token for clients and HTTP; it ends as the test's time goes."""
        token = self.engine.issue_token(self.engine.config.workspace, user, role, ttl_s)
        return str(await token if self._is_aio else token)

    async def ring(self, framework_id: str = "web", title: str = "a bell", **fields: Any) -> ItemResult:
        """Rings, and says what came of it; the fields are those of TriggerInput."""
        bell = TriggerInput(framework_id=framework_id, title=title, **fields)
        (result,) = await self.engine.service.trigger(self.principal(), [bell])
        return result  # type: ignore[no-any-return]

    async def reading(self, framework_id: str, metric: str, value: float, **fields: Any) -> ItemResult:
        """Holds a reading against the rules; the fields are those of ReadingInput."""
        one = ReadingInput(framework_id=framework_id, metric=metric, value=value, **fields)
        (result,) = await self.engine.service.read(self.principal(), [one])
        return result  # type: ignore[no-any-return]

    @asynccontextmanager
    async def follow(
        self, channel: str = "workspace", min_severity: Severity | str = Severity.INFO
    ) -> AsyncIterator[Followed]:
        """A client that hears what happens from now on, over a real socket."""
        make: Any = aio.Client if self._is_aio else Client
        async with make(self.ws_url, await self.token()) as client:
            await client.subscribe(channel, min_severity)
            yield Followed(client, _within_asyncio if self._is_aio else _within_trio)

    async def pass_time(self, seconds: float) -> None:
        """Lets so much time pass: windows end, tokens expire, timers fire. Raises RuntimeError under a real clock."""
        clock = self._clock
        if not isinstance(clock, trio.testing.MockClock):
            raise RuntimeError(
                "this test runs in real time: make `tocsin_clock` an argument of the test itself (a fixture that asks "
                "for it is not enough), or run it with trio.run(..., clock=trio.testing.MockClock())"
            )
        if self._is_aio:
            await self.engine.call(lambda _: _pass(clock, seconds))
        else:
            await _pass(clock, seconds)


@asynccontextmanager
async def an_engine(config: Config | None = None) -> AsyncIterator[EngineUnderTest]:
    """An engine in this trio loop; in virtual time if the loop has a MockClock."""
    clock = trio.lowlevel.current_clock()
    world = _world(clock) if isinstance(clock, trio.testing.MockClock) else World()
    async with app.Engine(config or a_config(), world) as engine:
        with _moving_at_the_end(clock):
            yield EngineUnderTest(engine, clock)


@asynccontextmanager
async def an_aio_engine(config: Config | None = None) -> AsyncIterator[EngineUnderTest]:
    """An engine for this asyncio loop, in virtual time."""
    clock = trio.testing.MockClock()
    async with aio.Engine(config or a_config(), _world(clock), clock=clock) as engine:
        with _moving_at_the_end(clock):
            yield EngineUnderTest(engine, clock)


def _world(clock: trio.abc.Clock) -> World:
    """The world as it is, but its wall clock starts now and goes as trio's."""
    start_us = now_us() - int(clock.current_time() * SECOND_US)

    def virtual_us() -> int:
        return start_us + round(clock.current_time() * SECOND_US)

    return World(clock=virtual_us, new_id=IdSource(virtual_us))


@contextmanager
def _moving_at_the_end(clock: trio.abc.Clock) -> Iterator[None]:
    """An engine's end is bounded by timers (a peer that does not answer): for that time must go on."""
    try:
        yield
    finally:
        if isinstance(clock, trio.testing.MockClock):
            clock.rate = 1.0


async def _pass(clock: trio.testing.MockClock, seconds: float) -> None:
    """In trio: from deadline to deadline, and everybody has had a turn in between."""
    until = trio.current_time() + seconds
    while True:
        await trio.testing.wait_all_tasks_blocked()
        left = until - trio.current_time()
        if left <= 0:
            return
        nearest = trio.lowlevel.current_statistics().seconds_to_next_deadline
        clock.jump(max(0.0, min(left, nearest)))


async def _within_trio(seconds: float, wait: Callable[[], Awaitable[R]]) -> R:
    """In real seconds, whatever the loop's clock does."""
    scope, token = trio.CancelScope(), trio.lowlevel.current_trio_token()
    timer = threading.Timer(seconds, token.run_sync_soon, [scope.cancel])
    timer.start()
    try:
        with scope:
            return await wait()
    finally:
        timer.cancel()
    raise AssertionError(_SILENCE.format(seconds))


async def _within_asyncio(seconds: float, wait: Callable[[], Awaitable[R]]) -> R:
    try:
        async with asyncio.timeout(seconds):
            return await wait()
    except TimeoutError as fault:
        raise AssertionError(_SILENCE.format(seconds)) from fault
