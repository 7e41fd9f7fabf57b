"""Procrastinate's queues with the no-op jobs of benchmarks/jobs.py, once: run as a program of its own.

Reads one line (`queues.Work`) and answers with one (`queues.Done`). The same queues, slots, rates and calls as ours, in
one process as well: a worker for each queue with as many jobs at a time as we have slots, rung by LISTEN; jobs are
deferred many in one call, where its manager offers that. A job counts when its end is stored.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import Any

import msgspec
from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from benchmarks.control import CONTROL_FD, CommandReader, say
from benchmarks.measure import NS_PER_MS, percentiles
from benchmarks.peers.queues import Done, Work

TASK = "noop"
# Each worker fetches one by one, and as many ends are stored at a time; more of them made it slower.
_SESSIONS = 20


class Counting(JobManager):
    """Its manager, and somebody waits for so many ends."""

    ended = 0
    wanted = 0
    all_ended: asyncio.Event

    async def finish_job(self, *args: Any, **more: Any) -> None:
        """Stores an end."""
        await super().finish_job(*args, **more)
        self.ended += 1
        if self.ended == self.wanted:
            self.all_ended.set()

    def expect(self, more: int) -> None:
        """So many more are coming."""
        self.wanted, self.all_ended = self.ended + more, asyncio.Event()


class Bench:
    """The application, and when its jobs began."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.started_ms: list[float] = []
        self.app = App(connector=PsycopgConnector(conninfo=work.where, min_size=_SESSIONS, max_size=_SESSIONS))
        self.ends = Counting(self.app.connector)
        self.app.job_manager = self.ends
        self.app.task(name=TASK)(self._noop)

    async def _noop(self, at: int) -> None:
        self.started_ms.append((time.monotonic_ns() - at) / NS_PER_MS)

    def one_of_each(self) -> list[Job]:
        """A job for each queue, asked for now."""
        now = time.monotonic_ns()
        return [self._job(queue, now) for queue in self.work.queues]

    def _job(self, queue: str, at: int) -> Job:
        return Job(
            id=None, queue=queue, lock=None, queueing_lock=None, task_name=TASK, task_kwargs={"at": at}, priority=0
        )

    def workers(self) -> list[asyncio.Task[None]]:
        """One for each queue, until they are cancelled."""
        return [
            asyncio.create_task(
                self.app.run_worker_async(
                    queues=[queue], concurrency=self.work.slots, install_signal_handlers=False, name=queue
                )
            )
            for queue in self.work.queues
        ]

    async def fill(self, count: int) -> None:
        """Defers so many, over all queues."""
        for first in range(0, count, self.work.at_once):
            wanted = min(self.work.at_once, count - first)
            jobs = [job for _ in range(-(-wanted // len(self.work.queues))) for job in self.one_of_each()]
            await self.ends.batch_defer_jobs_async(jobs[:wanted])

    async def backlog(self) -> float:
        """Jobs a second."""
        half = self.work.backlog // 2
        self.ends.expect(self.work.backlog)
        await self.fill(half)
        began = time.perf_counter()
        self.running = self.workers()
        await self.fill(self.work.backlog - half)
        await self.ends.all_ended.wait()
        return self.work.backlog / (time.perf_counter() - began)

    async def paced(self) -> list[float]:
        """p50 and p99 (ms) from deferred to begun: open loop, one of each queue in a call."""
        self.started_ms.clear()
        ticks = int(self.work.rate * self.work.seconds)
        self.ends.expect(ticks * len(self.work.queues))
        begin = time.monotonic()
        async with asyncio.TaskGroup() as calls:
            for tick in range(ticks):
                await asyncio.sleep(begin + tick / self.work.rate - time.monotonic())
                calls.create_task(self.ends.batch_defer_jobs_async(self.one_of_each()))
        await self.ends.all_ended.wait()
        return percentiles(self.started_ms, [50, 99])


async def run(work: Work) -> Done:
    """Once, in a database without its tables."""
    bench = Bench(work)
    async with bench.app.open_async():
        await bench.app.schema_manager.apply_schema_async()
        jobs_per_s = await bench.backlog()
        p50, p99 = await bench.paced()
        for worker in bench.running:
            worker.cancel()
        await asyncio.gather(*bench.running, return_exceptions=True)
    return Done(jobs_per_s, p50, p99)


def main() -> None:
    """The process."""
    # It says each job on standard error otherwise.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    line = CommandReader(CONTROL_FD).next_line()
    if line is not None:
        say(asyncio.run(run(msgspec.json.decode(line, type=Work))))


if __name__ == "__main__":
    main()
