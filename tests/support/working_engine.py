"""`python -m tests.support.working_engine`: an engine, embedded as a library, with a kind of job of its own.

A job says on standard output what it did, and is followed by the next of its chain. The folder is `TOCSIN_DATA`; the
parent puts the first jobs into the store, and kills us.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import msgspec
import trio

from engine.app import Engine
from engine.jobs.kinds import Done, Kind, Result
from engine.sections.jobs import Jobs
from engine.world import World
from protocol.jobs import Claimed, NewJob, Queue
from tests.support.engines import a_config


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

    def job(self, at: Step) -> NewJob:
        """The job of a step."""
        return self.kinds[at.chain % len(self.kinds)].job(at, workspace="main")

    async def _run(self, claimed: Claimed, args: Step) -> Result:
        await self.is_told.wait()
        os.write(1, b"did %d %d\n" % (args.chain, args.step))
        await trio.sleep(0.001 * (args.chain % 5))
        last = args.step + 1 == self._steps
        return Done(follow=() if last else (self.job(Step(args.chain, args.step + 1)),))


async def main() -> None:
    """Runs until it is killed, or told to stop."""
    chains = Chains(int(os.environ["STEPS"]))
    jobs = Jobs(sweep_s=1.0, lease_s=float(os.environ.get("LEASE_S", "30")))
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with Engine(a_config(Path(os.environ["TOCSIN_DATA"]), jobs=jobs), World(kinds=chains.kinds)) as engine:
            ready = {"ready": True, "ws": engine.ws_url, "http": engine.http_url, "pid": os.getpid()}
            os.write(1, json.dumps(ready).encode() + b"\n")
            chains.is_told.set()
            await anext(signals)


if __name__ == "__main__":
    trio.run(main)
