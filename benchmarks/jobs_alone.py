"""`jobs`, first part: the queue alone, in this process, on the store that a URL names.

With the engine's own workers and desk. First a backlog over all four queues is worked off while more comes; then so
many jobs a second come to each queue (four a transaction, one of each queue), and each says when it began. Whoever did
the jobs, counted them and keeps them must agree that each was done exactly once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import trio

from actors.hands import WorkerLimits
from actors.workers import Workers
from benchmarks.control import BenchmarkError
from benchmarks.measure import NS_PER_MS
from engine.ids import now_us
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.kinds import Done, Kind, Kinds, Result
from engine.stores import Store, open_store
from protocol.jobs import Claimed, NewJob, Queue, Verdict

# Of each queue at once. The engine's own two of `analytics` are for what computes.
SLOTS = 32
# Jobs of one transaction while the backlog is made.
AT_ONCE = 500
# Nothing here takes so long: what is not done by then will never be.
DEADLINE_S = 120.0


class Asked(msgspec.Struct, frozen=True):
    """When a job was enqueued: nanoseconds of the clock that cannot be set."""

    at: int = 0


class Counts(JobCounts):
    """The engine's own counts, and somebody waits for the last one."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.settled = 0
        self.wanted = wanted
        self._all_settled = trio.Event()

    def ended(self, claimed: Claimed, verdict: Verdict, seconds: float) -> None:
        """A job was settled."""
        super().ended(claimed, verdict, seconds)
        self.settled += verdict is Verdict.COMPLETED
        if self.settled == self.wanted:
            self._all_settled.set()

    async def settled_within(self, seconds: float) -> None:
        """Waits for the last one, no longer than this."""
        with trio.move_on_after(seconds):
            await self._all_settled.wait()


class Bench:
    """No-op kinds, one a queue, and what became of so many jobs of them."""

    def __init__(self, wanted: int) -> None:
        self.started_ms: list[float] = []
        self.done: Counter[str] = Counter()
        self.counts = Counts(wanted)
        self.kinds = [Kind(name=f"noop_{queue.value}", queue=queue, args=Asked, run=self._run) for queue in Queue]

    async def _run(self, claimed: Claimed, args: Asked) -> Result:
        self.started_ms.append((time.monotonic_ns() - args.at) / NS_PER_MS)
        self.done[claimed.kind] += 1
        return Done()

    def one_of_each(self) -> list[NewJob]:
        """A job for each queue, asked for now."""
        now = time.monotonic_ns()
        return [kind.job(Asked(now)) for kind in self.kinds]


@asynccontextmanager
async def working(url: str, bench: Bench) -> AsyncIterator[Store]:
    """A store with workers."""
    limits = WorkerLimits(slots=dict.fromkeys(Queue, SLOTS))
    async with open_store(url, clock=now_us) as store, trio.open_nursery() as nursery:
        workers = Workers(store, Desk(Kinds(bench.kinds), now_us), bench.counts, now_us, "bench", limits)
        store.set_doorbell(workers.ring)
        await nursery.start(_run, workers)
        yield store
        nursery.cancel_scope.cancel()


async def _run(workers: Workers, task_status: trio.TaskStatus[None]) -> None:
    await workers.run(task_status)  # type: ignore[arg-type]  # trio's status takes None only, so do we


async def backlog(url: str, count: int) -> float:
    """Jobs a second: half of them wait when the workers start; the others come meanwhile, from the same process."""
    bench = Bench(count)
    async with open_store(url, clock=now_us) as store:
        before = await _kept(store)
        await _enqueue(store, bench, count // 2)
    began = time.perf_counter()
    async with working(url, bench) as store:
        await _enqueue(store, bench, count - count // 2)
        await bench.counts.settled_within(DEADLINE_S)
        elapsed_s = time.perf_counter() - began
        kept = await _kept(store) - before
    _expect(bench, kept)
    return count / elapsed_s


async def paced(url: str, rate: int, seconds: float) -> list[float]:
    """How long (ms) after it was asked for each job began. Open loop: each transaction at its time, whether the one
    before is answered or not."""
    ticks = int(seconds * rate)
    bench = Bench(ticks * len(Queue))
    async with working(url, bench) as store:
        before = await _kept(store)
        async with trio.open_nursery() as nursery:
            begin = trio.current_time()
            for tick in range(ticks):
                await trio.sleep_until(begin + tick / rate)
                nursery.start_soon(store.enqueue, bench.one_of_each())
        await bench.counts.settled_within(DEADLINE_S)
        kept = await _kept(store) - before
    _expect(bench, kept)
    return bench.started_ms


async def _enqueue(store: Store, bench: Bench, count: int) -> None:
    for first in range(0, count, AT_ONCE):
        wanted = min(AT_ONCE, count - first)
        await store.enqueue([job for _ in range(-(-wanted // len(Queue))) for job in bench.one_of_each()][:wanted])


async def _kept(store: Store) -> int:
    """How many the store keeps as completed: a database that was brought has those of the run before."""
    return sum(of.completed for of in (await store.queue_counts()).values())


def _expect(bench: Bench, kept: int) -> None:
    """Raises BenchmarkError if they do not agree: outside of the workers' nursery, which would wrap it."""
    counts = bench.counts
    if counts.wanted == counts.settled == kept == bench.done.total():
        return
    said = f"{bench.done.total()} were done, {counts.settled} settled, {kept} are kept as completed"
    raise BenchmarkError(f"of {counts.wanted} jobs {said}")
