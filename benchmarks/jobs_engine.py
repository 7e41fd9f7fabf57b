"""The engine with no-op jobs of its own: `python -m benchmarks.jobs_engine RATE --store URL --ws … --http …`.

So many jobs a second come to each queue, for ever: chains, where the end of each enqueues the next in its transaction,
due one period later. With 0 it is the same program without them, to compare with.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import msgspec
import trio

from benchmarks.control import raise_open_files
from engine.app import Engine
from engine.configuration.config import Config
from engine.configuration.settings import load
from engine.ids import now_us
from engine.jobs.kinds import Done, Kind, Result
from engine.stores import open_store
from engine.telemetry.collector import collect_when_idle
from engine.telemetry.logs import logging_to_stderr
from engine.world import World
from protocol.jobs import Claimed, NewJob, Queue
from protocol.times import SECOND_US

# Of each queue: as many as there are slots, or fewer.
CHAINS = 25
# As `tocsin serve` has it.
_SWITCH_INTERVAL_S = 0.001


class Due(msgspec.Struct, frozen=True):
    """When a job was due (microseconds)."""

    at: int


class Chains:
    """No-op kinds, one a queue, whose jobs keep a rate by themselves."""

    def __init__(self, rate: int) -> None:
        self._period_us = CHAINS * SECOND_US // rate if rate else 0
        self.kinds = {queue: Kind(name=f"noop_{queue.value}", queue=queue, args=Due, run=self._run) for queue in Queue}

    def first(self) -> list[NewJob]:
        """The beginning of each chain, spread over a period."""
        now = now_us()
        starts = [now + number * self._period_us // CHAINS for number in range(CHAINS)] if self._period_us else []
        return [self._job(queue, at) for queue in Queue for at in starts]

    def _job(self, queue: Queue, at: int) -> NewJob:
        return self.kinds[queue].job(Due(at), run_at=at)

    async def _run(self, claimed: Claimed, args: Due) -> Result:
        return Done(follow=(self._job(claimed.queue, args.at + self._period_us),))


async def serve(rate: int, config: Config) -> None:
    """Serves until SIGTERM."""
    chains = Chains(rate)
    async with open_store(config.store_url, clock=now_us) as store:
        await store.enqueue(chains.first())
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with Engine(config, World(kinds=tuple(chains.kinds.values()))) as engine, trio.open_nursery() as beside:
            await beside.start(collect_when_idle, engine)
            ready = {"ready": True, "ws": engine.ws_url, "http": engine.http_url, "pid": os.getpid()}
            print(json.dumps(ready), flush=True)
            await anext(signals)
            beside.cancel_scope.cancel()


def main(argv: list[str]) -> None:
    """The process."""
    raise_open_files()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    rate, *rest = argv
    given = iter(word for word in rest if word != "serve")
    settings: dict[str, object] = {name.removeprefix("--"): value for name, value in zip(given, given, strict=True)}
    config = load(settings | {f"jobs.{queue.value}_slots": CHAINS for queue in Queue})
    with logging_to_stderr(config.log_level):
        trio.run(serve, int(rate), config)


if __name__ == "__main__":
    main(sys.argv[1:])
