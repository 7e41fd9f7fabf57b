"""`jobs`: how many no-op jobs a second the queue does, and how long after its commit a job begins.

In this process, on the embedded store in a file with durable commits, with the engine's own workers and desk. First a
backlog over all four queues is worked off while more comes; then 500 jobs a second come to each queue (four a
transaction, one of each queue), and each says when it began. The cost of a commit is taken in the same folder at the
same rate. Every job must be done exactly once. In turn with ours, if it is there, BullMQ does the same (`peers.redis`).
Last, what such jobs do to the fan-out beside them (`jobs_beside`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio

from actors.hands import WorkerLimits
from actors.workers import Workers
from benchmarks import jobs_beside
from benchmarks.control import BenchmarkError
from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_MS, percentile, percentiles
from benchmarks.options import Options
from benchmarks.peers import queues, redis
from benchmarks.report import Figures, Goal, Report, make_report
from engine.ids import now_us
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.kinds import Done, Kind, Kinds, Result
from engine.stores import Store, open_store
from protocol.jobs import Claimed, NewJob, Queue, Verdict

BACKLOG, SHORT_BACKLOG = 20_000, 4_000
# A second for each queue, and for how long.
RATE = jobs_beside.RATE
SECONDS, SHORT_SECONDS = 10.0, 2.0
# Of each queue at once. The engine's own two of `analytics` are for what computes.
SLOTS = 32
# Jobs of one transaction while the backlog is made.
_AT_ONCE = 500
_COMMITS = 100
# Nothing here takes so long: what is not done by then will never be.
DEADLINE_S = 120.0
CHECKS = [
    Goal("jobs_per_s", "no-op jobs/s over four queues", 2_000.0, at_least=True),
    Goal("start_over_two_commits_ms", "p50 from enqueue to start, beyond two commits (ms)", 1.0),
    Goal("start_p99_ms", "p99 from enqueue to start (ms), 500 jobs/s a queue", 50.0),
    jobs_beside.BESIDE,
]


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
async def working(path: Path, bench: Bench) -> AsyncIterator[Store]:
    """A store with workers."""
    limits = WorkerLimits(slots=dict.fromkeys(Queue, SLOTS))
    async with open_store(f"sqlite:///{path}", clock=now_us) as store, trio.open_nursery() as nursery:
        workers = Workers(store, Desk(Kinds(bench.kinds), now_us), bench.counts, now_us, "bench", limits)
        store.set_doorbell(workers.ring)
        await nursery.start(_run, workers)
        yield store
        nursery.cancel_scope.cancel()


async def _run(workers: Workers, task_status: trio.TaskStatus[None]) -> None:
    await workers.run(task_status)  # type: ignore[arg-type]  # trio's status takes None only, so do we


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if a job was not done, or twice."""
    figures = Figures()
    backlog, seconds = (SHORT_BACKLOG, SHORT_SECONDS) if options.short else (BACKLOG, SECONDS)
    peer, why_none = redis.bullmq()
    if why_none:
        figures.warn("bullmq", 0, f"bullmq is left out: {why_none}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for number in range(options.runs):
            trio.run(_backlog, Path(folder) / f"backlog-{number}.db", backlog, figures)
            trio.run(_paced, Path(folder) / f"paced-{number}.db", seconds, figures)
            if peer:
                _peer(peer, Path(folder), backlog, seconds, figures)
    jobs_beside.run(options, figures)
    conditions = {
        "clients": options.clients,
        "messages": options.messages,
        "backlog": backlog,
        "rate_per_s_and_queue": RATE,
        "seconds": seconds,
        "slots_per_queue": SLOTS,
        "runs": options.runs,
        "bullmq": "on Redis, appendonly yes, appendfsync as named" if peer else "none",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    plotted = [
        ("start_p50_ms", "to start, p50 (ms)"),
        ("start_p99_ms", "to start, p99 (ms)"),
        ("commit_p50_ms", "commit"),
    ]
    return make_report("jobs", conditions, figures, CHECKS, plotted)


async def _backlog(path: Path, count: int, figures: Figures) -> None:
    """Half of the jobs wait when the workers start; the others come meanwhile, from the same process."""
    bench = Bench(count)
    async with open_store(f"sqlite:///{path}", clock=now_us) as store:
        await _enqueue(store, bench, count // 2)
    began = time.perf_counter()
    async with working(path, bench) as store:
        await _enqueue(store, bench, count - count // 2)
        await bench.counts.settled_within(DEADLINE_S)
        figures.add("jobs_per_s", count / (time.perf_counter() - began))
        verdict = await _verdict(store, bench)
    _expect(verdict)


async def _enqueue(store: Store, bench: Bench, count: int) -> None:
    for first in range(0, count, _AT_ONCE):
        wanted = min(_AT_ONCE, count - first)
        await store.enqueue([job for _ in range(-(-wanted // len(Queue))) for job in bench.one_of_each()][:wanted])


async def _paced(path: Path, seconds: float, figures: Figures) -> None:
    """Open loop: each transaction at its time, whether the one before is answered or not."""
    ticks = int(seconds * RATE)
    bench = Bench(ticks * len(Queue))
    commits_ms = _commits(path.with_suffix(".before"))
    async with working(path, bench) as store:
        async with trio.open_nursery() as nursery:
            begin = trio.current_time()
            for tick in range(ticks):
                await trio.sleep_until(begin + tick / RATE)
                nursery.start_soon(store.enqueue, bench.one_of_each())
        await bench.counts.settled_within(DEADLINE_S)
        verdict = await _verdict(store, bench)
    _expect(verdict)
    # Before and after: a disk that has become slower meanwhile is no fault of the jobs.
    commit_ms = percentile([*commits_ms, *_commits(path.with_suffix(".after"))], 50)
    p50, p99 = percentiles(bench.started_ms, [50, 99])
    figures.add("start_p50_ms", p50)
    figures.add("start_p99_ms", p99)
    figures.add("commit_p50_ms", commit_ms)
    figures.add("start_over_two_commits_ms", p50 - 2 * commit_ms)


async def _verdict(store: Store, bench: Bench) -> str | None:
    """What is wrong when all should be settled: whoever did the jobs, counted them and keeps them must say the same."""
    counts = bench.counts
    kept = sum(of.completed for of in (await store.queue_counts()).values())
    if counts.wanted == counts.settled == kept == bench.done.total():
        return None
    said = f"{bench.done.total()} were done, {counts.settled} settled, {kept} are kept as completed"
    return f"of {counts.wanted} jobs {said}"


def _expect(verdict: str | None) -> None:
    """Raises BenchmarkError: outside of the workers' nursery, which would wrap it."""
    if verdict is not None:
        raise BenchmarkError(verdict)


def _commits(path: Path) -> list[float]:
    """The times (ms) of durable commits of four rows, at the rate of the jobs."""
    times: list[float] = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE cost (body BLOB)")
        for _ in range(_COMMITS):
            time.sleep(1 / RATE)
            began = time.monotonic_ns()
            base.execute("INSERT INTO cost VALUES (?), (?), (?), (?)", [bytes(200)] * 4)
            times.append((time.monotonic_ns() - began) / NS_PER_MS)
    return times


def _peer(program: list[str], folder: Path, backlog: int, seconds: float, figures: Figures) -> None:
    """BullMQ's figures, durable as ours and as people run it."""
    names = [queue.value for queue in Queue]
    for fsync in redis.FSYNCS:
        with tempfile.TemporaryDirectory(dir=folder) as data, redis.redis(Path(data), fsync) as socket:
            work = queues.Work(socket, names, SLOTS, backlog, _AT_ONCE, RATE, seconds)
            done = queues.done("bullmq", program, Path(data), work)
        for name, value in msgspec.structs.asdict(done).items():
            figures.add(f"bullmq_{fsync}_{name}", value)
