"""`python -m tests.support.working_engine`: an engine, embedded as a library, with kinds of jobs of its own.

A job says on standard output what it did, and is followed by the next of its chain; beside that a schedule has a run
each second, which says its window. The folder is `TOCSIN_DATA`; the parent puts the first jobs into the store, and
kills us.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import msgspec
import structlog
import trio

from engine.app import Engine
from engine.ids import now_us
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs
from engine.sections.jobs import Jobs, ScheduleSetting
from engine.world import World
from protocol.jobs import PRIO_HIGH, Claimed, NewJob, Queue
from tests.support.engines import a_config

TICKS = "ticks"


class Step(msgspec.Struct, frozen=True):
    """Where a chain is."""

    chain: int
    step: int


class Chains:
    """Chains of so many steps, spread over the queues."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        # The parent reads the ready line first.
        self.is_told = trio.Event()
        self.kinds = tuple(
            # Of the attempts, all but one may be lost with their process.
            Kind(name=f"step_{queue.value}", queue=queue, args=Step, run=self._run, attempts_max=100)
            for queue in Queue
        )

    @property
    def tick(self) -> Kind[RunArgs]:
        """What the schedule does."""
        return Kind(
            name="tick",
            queue=Queue.ANALYTICS,
            args=RunArgs,
            run=self._tick,
            attempts_max=100,
            # Before the chains: a run that waits for them for a second would keep the next one out.
            prio=PRIO_HIGH,
            is_schedulable=True,
        )

    async def _tick(self, claimed: Claimed, args: RunArgs) -> Result:
        await self.is_told.wait()
        os.write(1, b"tick %d %d\n" % (args.since, args.until))
        return Done()

    def job(self, at: Step) -> NewJob:
        """The job of a step."""
        return self.kinds[at.chain % len(self.kinds)].job(at, workspace="main")

    async def _run(self, claimed: Claimed, args: Step) -> Result:
        await self.is_told.wait()
        os.write(1, b"did %d %d\n" % (args.chain, args.step))
        await trio.sleep(0.001 * (args.chain % 5))
        last = args.step + 1 == self._steps
        return Done(follow=() if last else (self.job(Step(args.chain, args.step + 1)),))


class WallClock:
    """The time of day, which a parent sets: so many microseconds are added to it as stand in a file, eight bytes."""

    def __init__(self, file: str) -> None:
        self._file = os.open(file, os.O_RDONLY)

    def __call__(self) -> int:
        return now_us() + int.from_bytes(os.pread(self._file, 8, 0), signed=True)


async def main() -> None:
    """Runs until it is killed, or told to stop."""
    # Standard output is the parent's.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    chains = Chains(int(os.environ["STEPS"]))
    jobs = Jobs(sweep_s=1.0, lease_s=float(os.environ.get("LEASE_S", "30")))
    schedule = ScheduleSetting(name=TICKS, cron="* * * * * *", kind=chains.tick.name)
    store = {"store": os.environ["STORE"]} if "STORE" in os.environ else {}
    config = a_config(Path(os.environ["TOCSIN_DATA"]), jobs=jobs, schedules=(schedule,), **store)
    clock = WallClock(os.environ["CLOCK"]) if "CLOCK" in os.environ else now_us
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with Engine(config, World(kinds=(*chains.kinds, chains.tick), clock=clock)) as engine:
            ready = {"ready": True, "ws": engine.ws_url, "http": engine.http_url, "pid": os.getpid()}
            os.write(1, json.dumps(ready).encode() + b"\n")
            chains.is_told.set()
            await anext(signals)


if __name__ == "__main__":
    trio.run(main)
