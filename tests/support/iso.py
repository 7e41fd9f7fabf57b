"""ISO: whatever one peer or one part does, the others do not feel it.

`Isolation` watches a real engine process while a fault is done to it: a canary connection that was opened before gets
all its messages in order and soon, the process stays the same, memory, descriptors and tasks come back to where they
were, what happened is counted, and the log is not flooded. A fault is done twice: once to warm up (caches, allocator,
imports), then measured.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import psutil
import trio

from engine.access.auth import Authenticator
from protocol.messages import AlertMessage
from tests.support.engines import SECRET, EngineProcess, an_engine_process
from tests.support.sockets import Peer, client_frame

CANARY = "canary"
# The promise (P5): nobody costs another more than this.
P99_MAX_S = 0.25
# On a machine that is slow by itself: so many times what it took a moment before the fault, and not beyond this, or
# twice as long as without a fault.
SLOWER_MAX = 3.0
CEILING_S = 1.0
# What a fault costs it costs each time; what a shared machine does just then it does once, or for a while: before each
# further time it is asked again how slow it is by itself.
ROUNDS_MAX = 5
CALM_MESSAGES = 100
# Enough for a p99 of which the machine's own worst moments are not all there is.
MESSAGES_MIN = 200
MESSAGES_DURING = 50
# No more than a breath: how sharp a p99 is is a matter of how many messages it is of.
INTERVAL_S = 0.002
RSS_MAX_BYTES = 5_000_000
# They are back at once, or when a deadline is over that cuts whoever hangs; a slow machine gets its time.
BACK_WITHIN_S = 120.0
ALIVE_EVERY_S = 0.5
# Of one event a second, with the first one of each of our two waves.
LOG_LINES_SPARE = 3

_runs = itertools.count(1)

Fault = Callable[[], Awaitable[None]]


class Isolation:
    """A canary, its producer, and what is measured of the engine's process."""

    def __init__(
        self, engine: EngineProcess, folder: Path, watcher: Peer, producer: Peer, http: httpx.AsyncClient
    ) -> None:
        self._http = http
        self.engine = engine
        self._folder = folder
        self._watcher = watcher
        self._producer = producer
        self._process = psutil.Process(engine.pid)
        self._sent: dict[int, float] = {}
        self._delays: list[float] = []
        self._heard: list[int] = []
        self._acked = 0
        # Engines are shared by tests: every canary rings alerts of its own.
        self._run = next(_runs)
        self._is_listening = False
        self._heard_one = trio.Event()
        self.back_within_s, self.rounds_max = BACK_WITHIN_S, ROUNDS_MAX

    async def check(
        self, fault: Fault, *, counted: str | None = None, store_stays: bool = True, warm_ups: int = 1
    ) -> None:
        """Does the fault twice and holds the engine to ISO; `counted` is a metric that the fault must move.

        `store_stays` False: the fault takes the store away, so the canary only has to stay connected meanwhile.
        """
        for _ in range(warm_ups):
            await fault()
        await self._settle(None)
        calm = await self._calm()
        before, level, counter = await self._figures(), self._process.memory_info().rss, await self.metric(counted)
        began, log_from = trio.current_time(), (self._folder / "stderr").stat().st_size
        await self._round(fault, store_stays)
        if store_stays:
            rounds = [self._p99()]
            while rounds[-1] > waits_at_most(calm) and len(rounds) < self.rounds_max:
                calm = max(calm, await self._calm())
                await self._round(fault, store_stays)
                rounds.append(self._p99())
            said = ", ".join(f"{p99 * 1e3:.0f} ms" for p99 in rounds)
            told = f"the canary waited {said} (p99 of each time; {calm * 1e3:.0f} ms without the fault)"
            assert rounds[-1] <= waits_at_most(calm), told
        await self._settle(before)
        if self._process.memory_info().rss - level > RSS_MAX_BYTES:
            # The allocator takes what it needs in leaps: once more, and a leak is there again.
            level = self._process.memory_info().rss
            await fault()
            await self._settle(before)
        grown = self._process.memory_info().rss - level
        assert grown <= RSS_MAX_BYTES, f"memory has grown by {grown} bytes"
        if counted is not None:
            assert await self.metric(counted) > counter, f"{counted} has not moved from {counter}"
        self._check_log(log_from, trio.current_time() - began)

    async def _round(self, fault: Fault, store_stays: bool) -> None:
        """The fault, while the canary is served."""
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()
            nursery.start_soon(self._listen, scope)
            if store_stays:
                nursery.start_soon(self._produce, over := trio.Event())
                await fault()
                over.set()
            else:
                await fault()
                scope.cancel()
        assert self._process.status() != psutil.STATUS_ZOMBIE, "the engine ended"

    async def metric(self, name: str | None) -> float:
        """A figure of /metrics; labels are part of the name; 0 if it is not there yet."""
        if name is None:
            return 0.0
        # One connection for all questions, open from before the fault: another one each time would be counted with it.
        text = (await self._http.get(f"{self.engine.http}/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    async def some_messages(self, messages: int = MESSAGES_DURING) -> None:
        """Waits until the canary has heard some more: the fault has lasted through them."""
        until = len(self._heard) + messages
        while self._is_listening and len(self._heard) < until:
            await self._heard_one.wait()

    async def alive(self, messages: int = 1) -> None:
        """The canary is still served: so many more triggers reach it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, trio.CancelScope())
            over = trio.Event()
            over.set()
            await self._produce(over, at_least=messages)

    async def _produce(self, over: trio.Event, at_least: int = MESSAGES_MIN) -> None:
        until = self._acked + at_least
        while not over.is_set() or self._acked < until:
            number = self._acked + 1
            self._sent[number] = trio.current_time()
            name = f"{self._run}-{number}"
            alert = {"framework_id": CANARY, "dedup_key": name, "title": name, "severity": "error"}
            await self._producer.say({"type": "trigger", "id": number, "alert": alert})
            answer = await self._producer.hear()
            assert getattr(answer, "results", None), f"the canary's trigger was answered {answer}"
            assert answer.results[0].status.value == "fired", answer  # type: ignore[union-attr]
            self._acked = number
            await trio.sleep(INTERVAL_S)
        self._last = self._acked
        self._check_level()

    async def _listen(self, scope: trio.CancelScope) -> None:
        self._scope, self._last = scope, -1
        self._is_listening = True
        with scope:
            while True:
                message = await self._watcher.hear()
                if isinstance(message, AlertMessage) and message.data.title.startswith(f"{self._run}-"):
                    number = int(message.data.title.partition("-")[2])
                    self._heard.append(number)
                    self._delays.append(trio.current_time() - self._sent[number])
                    self._heard_one.set()
                    self._heard_one = trio.Event()
                    self._check_level()
        self._is_listening = False
        self._heard_one.set()

    def _check_level(self) -> None:
        if self._heard and self._heard[-1] == self._last:
            self._scope.cancel()

    async def _calm(self) -> float:
        """The p99 without a fault, on this machine a moment before it."""
        self._delays = []
        await self.alive(CALM_MESSAGES)
        return self._p99()

    def _p99(self) -> float:
        """Of what was heard since the last time, in seconds; everything must have come, and in order."""
        assert self._heard == list(range(1, self._acked + 1)), "the canary missed something, or heard it out of order"
        delays, self._delays = sorted(self._delays), []
        return delays[int(len(delays) * 0.99)]

    async def _figures(self) -> tuple[int, int]:
        """Descriptors and tasks; the question itself costs as many each time."""
        tasks = await self.metric("tocsin_tasks")
        return self._process.num_fds(), int(tasks)

    async def _settle(self, before: tuple[int, int] | None) -> None:
        """Waits until descriptors and tasks are back (or have stopped falling)."""
        now = last = (10**9, 10**9)
        with trio.move_on_after(self.back_within_s):
            while True:
                now = await self._figures()
                if now == last if before is None else (now[0] <= before[0] and now[1] <= before[1]):
                    return
                last = now
                await trio.sleep(0.25)
        if before is not None:
            raise AssertionError(f"descriptors, tasks: {before} before, {now} {self.back_within_s} s after")

    def _check_log(self, start: int, seconds: float) -> None:
        with (self._folder / "stderr").open("rb") as log:
            log.seek(start)
            lines = log.read().splitlines()
        events = Counter(json.loads(line).get("event") for line in lines if line.startswith(b"{"))
        many = {event: n for event, n in events.items() if n > seconds + LOG_LINES_SPARE}
        assert not many, f"the log is flooded: {many} lines in {seconds:.1f} s"


def waits_at_most(calm_s: float) -> float:
    """The p99 that a fault may cost, where it is so much without one: a slow machine is not the fault's doing."""
    return max(P99_MAX_S, min(SLOWER_MAX * calm_s, max(CEILING_S, 2 * calm_s)))


def token_for(user: str, role: str = "admin", workspace: str = "main", ttl_s: int = 86_400) -> str:
    """A token of the engines under test."""
    return Authenticator(SECRET.encode()).issue(workspace, user, role, ttl_s)


async def dial(engine: EngineProcess, receive_bytes: int | None = None) -> Peer:
    """A socket to the engine's WebSocket port, with a small buffer if asked; nothing was said yet."""
    found = re.fullmatch(r"ws://(.+):(\d+)", engine.ws)
    assert found
    sock = trio.socket.socket()
    if receive_bytes is not None:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_bytes)
    await sock.connect((found[1], int(found[2])))
    return Peer(sock)


async def authenticated(
    engine: EngineProcess, user: str, role: str = "admin", receive_bytes: int | None = None
) -> Peer:
    """A connection that has said who it is."""
    peer = await dial(engine, receive_bytes)
    await peer.upgrade()
    await peer.say({"type": "auth", "token": token_for(user, role)})
    assert (await peer.hear()).__class__.__name__ == "AuthSuccess"
    return peer


@asynccontextmanager
async def an_isolation(folder: Path, *arguments: str, **settings: str) -> AsyncIterator[Isolation]:
    """An engine in a process of its own, with a canary on it."""
    async with an_engine_process(folder, *arguments, **settings) as engine, isolating(engine, folder) as isolation:
        yield isolation


@asynccontextmanager
async def isolating(engine: EngineProcess, folder: Path) -> AsyncIterator[Isolation]:
    """A canary on an engine that runs already; its log is in the folder."""
    async with AsyncExitStack() as stack:
        watcher, producer = await authenticated(engine, "canary"), await authenticated(engine, "producer", "producer")
        stack.callback(watcher.close)
        stack.callback(producer.close)
        await watcher.say({"type": "subscribe", "frameworkId": CANARY})
        assert (await watcher.hear()).__class__.__name__ == "Subscribed"
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=170))
        isolation = Isolation(engine, folder, watcher, producer, http)
        async with trio.open_nursery() as nursery:
            for peer in (watcher, producer):
                nursery.start_soon(stay_alive, peer)
            await isolation.alive()  # the first message builds the channel
            yield isolation
            await isolation.alive()
            nursery.cancel_scope.cancel()


async def stay_alive(peer: Peer) -> None:
    """Pongs that nobody asked for, so that a peer that is not reading just now counts as heard."""
    while True:
        await trio.sleep(ALIVE_EVERY_S)
        await peer.send(client_frame(10))
