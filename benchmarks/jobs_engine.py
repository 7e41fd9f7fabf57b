"""The engine with no-op jobs of its own: `python -m benchmarks.jobs_engine --store URL --ws … --http …`.

It begins without any. A `Pace` on its control pipe asks for so many jobs a second in each queue: chains, where the end
of each job enqueues the next in its transaction, due one period later. The answer is what was done since the last one,
so that a rate which was not kept is seen. With 0 the chains end, and it is the same process without them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from actors.ports import Clock
from benchmarks.control import CONTROL_FD, CommandReader, raise_open_files, say
from benchmarks.measure import percentile
from engine.app import Engine
from engine.configuration.config import Config
from engine.configuration.settings import load
from engine.ids import now_us
from engine.jobs.kinds import Done, Kind, Result
from engine.stores import Store, open_store
from engine.telemetry.collector import collect_when_idle
from engine.telemetry.logs import logging_to_stderr
from engine.world import World
from protocol.jobs import Claimed, NewJob, Queue
from protocol.times import SECOND_US

# Of each queue: as many as there are slots, or fewer.
CHAINS = 25
# As `tocsin serve` has it.
_SWITCH_INTERVAL_S = 0.001
_US_PER_MS = 1_000


class Pace(msgspec.Struct, frozen=True):
    """So many jobs a second in each queue, from now on."""

    rate: int


class Paced(msgspec.Struct, frozen=True):
    """What was done at the pace before: how many jobs, in how long, and p99 from due to begun."""

    jobs: int = 0
    seconds: float = 0.0
    start_p99_ms: float = 0.0


class Due(msgspec.Struct, frozen=True):
    """When a job was due (microseconds)."""

    at: int


class Chains:
    """No-op kinds, one a queue, whose jobs keep a rate by themselves."""

    def __init__(self, clock: Clock = now_us) -> None:
        self._clock = clock
        self.kinds = {queue: Kind(name=f"noop_{queue.value}", queue=queue, args=Due, run=self._run) for queue in Queue}
        self._period_us = 0
        self._alive = 0
        self._began = 0.0
        self._late_ms: list[float] = []
        self._all_ended = trio.Event()
        self._store: Store | None = None

    @asynccontextmanager
    async def open_store(self, url: str, **more: Any) -> AsyncIterator[Store]:
        """The engine's store, which nobody else may open: the chains begin in it."""
        async with open_store(url, **more) as self._store:
            yield self._store

    async def keep(self, pace: Pace) -> Paced:
        """Ends the chains there are, and begins others. What was done meanwhile."""
        self._period_us, seconds = 0, trio.current_time() - self._began
        while self._alive:
            self._all_ended = trio.Event()
            await self._all_ended.wait()
        late_ms, self._late_ms, self._began = self._late_ms, [], trio.current_time()
        if pace.rate and self._store:
            self._period_us = CHAINS * SECOND_US // pace.rate
            self._alive = CHAINS * len(Queue)
            await self._store.enqueue(self._first())
        return Paced(len(late_ms), seconds, percentile(late_ms, 99) if late_ms else 0.0)

    def _first(self) -> list[NewJob]:
        """The beginning of each chain, spread over a period."""
        now = self._clock()
        starts = [now + number * self._period_us // CHAINS for number in range(CHAINS)]
        return [self._job(queue, at) for queue in Queue for at in starts]

    def _job(self, queue: Queue, at: int) -> NewJob:
        return self.kinds[queue].job(Due(at), run_at=at)

    async def _run(self, claimed: Claimed, args: Due) -> Result:
        self._late_ms.append((self._clock() - args.at) / _US_PER_MS)
        if self._period_us:
            return Done(follow=(self._job(claimed.queue, args.at + self._period_us),))
        self._alive -= 1
        if not self._alive:
            self._all_ended.set()
        return Done()


async def serve(config: Config) -> None:
    """Serves until the end of the commands."""
    chains, commands = Chains(), CommandReader(CONTROL_FD)
    world = World(kinds=tuple(chains.kinds.values()), open_store=chains.open_store)
    async with Engine(config, world) as engine, trio.open_nursery() as beside:
        await beside.start(collect_when_idle, engine)
        ready = {"ready": True, "ws": engine.ws_url, "http": engine.http_url, "pid": os.getpid()}
        print(json.dumps(ready), flush=True)
        while True:
            await trio.lowlevel.wait_readable(commands.fd)
            line = commands.next_line()
            if line is None:
                break
            say(await chains.keep(msgspec.json.decode(line, type=Pace)))
        beside.cancel_scope.cancel()


def main(argv: list[str]) -> None:
    """The process."""
    raise_open_files()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    given = iter(word for word in argv if word != "serve")
    settings: dict[str, object] = {name.removeprefix("--"): value for name, value in zip(given, given, strict=True)}
    config = load(settings | {f"jobs.{queue.value}_slots": CHAINS for queue in Queue})
    with logging_to_stderr(config.log_level):
        trio.run(serve, config)


if __name__ == "__main__":
    main(sys.argv[1:])
