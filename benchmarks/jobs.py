"""`jobs`: how many no-op jobs a second the queue does, and how long after its commit a job begins.

`jobs_alone` measures the queue, durable, on SQLite and on Postgres (one of the benchmark's own, or the database that
`--store` names). The cost of a commit is taken from the same file or server, at the same rate. In turn with ours, where
they are, other queues do the same: BullMQ on Redis, and Procrastinate on the same Postgres (`peers.queues`). Last, what
such jobs do to the fan-out beside them (`jobs_beside`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import trio

from benchmarks import jobs_alone, jobs_beside
from benchmarks.jobs_alone import AT_ONCE, SLOTS
from benchmarks.machine import machine_card
from benchmarks.measure import NS_PER_MS, percentile, percentiles
from benchmarks.options import Options
from benchmarks.peers import postgres, queues, redis
from benchmarks.report import Figures, Goal, Report, make_report
from protocol.jobs import Queue

BACKLOG, SHORT_BACKLOG = 20_000, 4_000
# A second for each queue, and for how long.
RATE = jobs_beside.RATE
SECONDS, SHORT_SECONDS = 10.0, 2.0
# Of four rows, before and after: a disk that has become slower meanwhile is no fault of the jobs.
_COMMITS = 100
CHECKS = [
    Goal("jobs_per_s", "no-op jobs/s over four queues", 2_000.0, at_least=True),
    Goal("start_over_two_commits_ms", "p50 from enqueue to start, beyond two commits (ms)", 1.0),
    Goal("start_p99_ms", "p99 from enqueue to start (ms), 500 jobs/s a queue", 50.0),
    Goal("postgres_jobs_per_s", "Postgres: no-op jobs/s over four queues", 2_000.0, at_least=True),
    Goal("postgres_start_over_two_commits_ms", "Postgres: p50 to start, beyond two commits (ms)", 1.0),
    jobs_beside.BESIDE,
]
_PLOTTED = [
    ("start_p50_ms", "to start, p50 (ms)"),
    ("start_p99_ms", "to start, p99 (ms)"),
    ("commit_p50_ms", "commit"),
    ("postgres_start_p50_ms", "on Postgres: to start, p50"),
    ("postgres_start_p99_ms", "to start, p99"),
    ("postgres_commit_p50_ms", "commit"),
]


class Side(NamedTuple):
    """A store that is measured: what its figures begin with, a database for a run, and what commits cost there (if
    that can be known)."""

    prefix: str
    database: Callable[[], AbstractContextManager[str]]
    commits: Callable[[], list[float]] | None


class Other(NamedTuple):
    """Another queue: what its figures begin with, and how it is asked for one run."""

    prefix: str
    done: Callable[[], queues.Done]


def run(options: Options) -> Report:
    """Measures. Raises BenchmarkError if a job was not done, or twice."""
    figures = Figures()
    backlog, seconds = (SHORT_BACKLOG, SHORT_SECONDS) if options.short else (BACKLOG, SECONDS)
    work = queues.Work("", [queue.value for queue in Queue], SLOTS, backlog, AT_ONCE, RATE, seconds)
    # The server before what is measured on it, so that it ends after that.
    with (
        postgres.place(options, figures) as place,
        tempfile.TemporaryDirectory(dir=options.folder) as name,
    ):
        sides = [_on_sqlite(Path(name)), *([_on_postgres(place)] if place is not None else [])]
        server = place.server if place is not None else None
        others = [*_bullmq(Path(name), work, figures), *_procrastinate(Path(name), work, server, figures)]
        for _ in range(options.runs):
            for side in sides:
                _measure(side, work, figures)
            for other in others:
                for figure, value in msgspec.structs.asdict(other.done()).items():
                    figures.add(f"{other.prefix}_{figure}", value)
    jobs_beside.run(options, figures)
    conditions = {
        "clients": options.clients,
        "messages": options.messages,
        "backlog": backlog,
        "rate_per_s_and_queue": RATE,
        "seconds": seconds,
        "slots_per_queue": SLOTS,
        "runs": options.runs,
        "store": "SQLite" if place is None else f"SQLite; {place.what}",
        "other_queues": ", ".join(other.prefix for other in others) or "none",
        "machine": machine_card(options.folder or Path(tempfile.gettempdir())),
    }
    return make_report("jobs", conditions, figures, CHECKS, _PLOTTED)


def _measure(side: Side, work: queues.Work, figures: Figures) -> None:
    """One run: the backlog, then the rate, each in a database of its own."""
    with side.database() as url:
        figures.add(f"{side.prefix}jobs_per_s", trio.run(jobs_alone.backlog, url, work.backlog))
    commits_ms = side.commits() if side.commits else []
    with side.database() as url:
        p50, p99 = percentiles(trio.run(jobs_alone.paced, url, work.rate, work.seconds), [50, 99])
    figures.add(f"{side.prefix}start_p50_ms", p50)
    figures.add(f"{side.prefix}start_p99_ms", p99)
    if side.commits:
        commit_ms = percentile([*commits_ms, *side.commits()], 50)
        figures.add(f"{side.prefix}commit_p50_ms", commit_ms)
        figures.add(f"{side.prefix}start_over_two_commits_ms", p50 - 2 * commit_ms)


def _on_sqlite(folder: Path) -> Side:
    @contextlib.contextmanager
    def fresh() -> Iterator[str]:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            yield f"sqlite:///{place}/jobs.db"

    return Side("", fresh, partial(_sqlite_commits, folder / "commits.db"))


def _on_postgres(place: postgres.Place) -> Side:
    server = place.server
    commits = None if server is None else partial(server.commits, _COMMITS, RATE, len(Queue))
    return Side("postgres_", place.database, commits)


def _sqlite_commits(path: Path) -> list[float]:
    """The times (ms) of durable commits of four rows, at the rate of the jobs."""
    times: list[float] = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.execute("PRAGMA synchronous=FULL")
        base.execute("CREATE TABLE IF NOT EXISTS cost (body BLOB)")
        for _ in range(_COMMITS):
            time.sleep(1 / RATE)
            began = time.monotonic_ns()
            base.execute("INSERT INTO cost VALUES (?), (?), (?), (?)", [bytes(200)] * len(Queue))
            times.append((time.monotonic_ns() - began) / NS_PER_MS)
    return times


def _bullmq(folder: Path, work: queues.Work, figures: Figures) -> list[Other]:
    """BullMQ, durable as ours and as people run it."""
    program, why_none = redis.bullmq()
    if why_none:
        figures.warn("bullmq", 0, f"bullmq is left out: {why_none}")
        return []

    def asked(fsync: str) -> queues.Done:
        with tempfile.TemporaryDirectory(dir=folder) as data, redis.redis(Path(data), fsync) as socket:
            return queues.done("bullmq", program, Path(data), msgspec.structs.replace(work, where=socket))

    return [Other(f"bullmq_{fsync}", partial(asked, fsync)) for fsync in redis.FSYNCS]


def _procrastinate(folder: Path, work: queues.Work, server: postgres.Server | None, figures: Figures) -> list[Other]:
    """Procrastinate on the server that our own row on Postgres has."""
    program, why_none = postgres.procrastinate()
    if server is None:
        why_none = "there is no Postgres of our own"
    if server is None or why_none:
        figures.warn("procrastinate", 0, f"procrastinate is left out: {why_none}")
        return []

    def asked() -> queues.Done:
        with server.empty() as url:
            return queues.done("procrastinate", program, folder, msgspec.structs.replace(work, where=url))

    return [Other("procrastinate", asked)]
