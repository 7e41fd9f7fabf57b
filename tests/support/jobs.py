"""Stores whose clock is trio's, desks made of functions, and workers on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.hands import WorkerLimits
from actors.workers import Workers
from engine.core.retry import after_failure
from engine.stores import Store, open_store
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, JobError, JobState, NewJob, Queue, Settlement, Swept, Verdict
from protocol.times import SECOND_US
from tests.support.stores import NOW

Doing = Callable[[Claimed], Awaitable[Settlement]]


def clock() -> int:
    """The time of the day that belongs to trio's."""
    return NOW + int(trio.current_time() * SECOND_US)


@asynccontextmanager
async def job_store(clock: Callable[[], int] = clock, url: str = "memory:") -> AsyncIterator[Store]:
    async with open_store(url, clock=clock) as store:
        yield store


class Wall:
    """A clock of the day that can be set; trio's cannot."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> int:
        return clock() + int(self.ahead_s * SECOND_US)


@asynccontextmanager
async def working(store: Store, *teams: Workers) -> AsyncIterator[trio.CancelScope]:
    """Workers that run; cancelled at the end, or by the scope."""

    def ring(queues: frozenset[Queue]) -> None:
        for team in teams:
            team.ring(queues)

    store.set_doorbell(ring)
    async with trio.open_nursery() as nursery:
        for team in teams:
            await nursery.start(lambda task_status, team=team: team.run(task_status))
        yield nursery.cancel_scope
        nursery.cancel_scope.cancel()


async def state(store: Store, number: int) -> JobState:
    job = await store.job(None, number)
    assert job is not None
    return job.state


async def add(store: Store, *jobs: NewJob) -> list[int]:
    return [made.id for made in await store.enqueue(jobs)]


def a_job(kind: str = "noop", **changes: Any) -> NewJob:
    changes.setdefault("queue", Queue.ALERT)
    changes.setdefault("workspace", "acme")
    return NewJob(kind=kind, **changes)


def completed(claimed: Claimed, **changes: Any) -> Settlement:
    return Settlement(lease=claimed.lease, verdict=changes.pop("verdict", Verdict.COMPLETED), **changes)


class Desk:
    """A desk with one function for all jobs."""

    def __init__(self, doing: Doing) -> None:
        self.doing = doing

    async def do(self, claimed: Claimed) -> Settlement:
        return await self.doing(claimed)

    def failed(self, claimed: Claimed, cause: str, traceback: str | None = None) -> Settlement:
        now = clock()
        then = after_failure(claimed.lease.job, claimed.attempt, claimed.attempts_max, now)
        error = JobError(at=now, attempt=claimed.attempt, cause=cause, traceback=traceback)
        return Settlement(lease=claimed.lease, verdict=then.verdict, run_at=then.run_at, error=error)


class Observed:
    """What workers reported."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.verdicts: Counter[Verdict] = Counter()
        self.losses: Counter[Queue] = Counter()
        self.sweeps: list[Swept] = []

    def started(self, queue: Queue, waited_s: float) -> None:
        self.waited.append(waited_s)

    def ended(self, claimed: Claimed, verdict: Verdict, seconds: float) -> None:
        self.verdicts[verdict] += 1

    def lost(self, queue: Queue) -> None:
        self.losses[queue] += 1

    def swept(self, swept: Swept) -> None:
        self.sweeps.append(swept)


def workers(store: Any, doing: Doing, observed: Observed | None = None, node: str = "n1", **limits: Any) -> Workers:
    limits.setdefault("slots", dict.fromkeys(Queue, 4))
    return Workers(store, Desk(doing), observed or Observed(), clock, node, WorkerLimits(**limits))


class Board:
    """A store that a test watches, and that is away (or worse) where it says so: `breaks` has an action by verb."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.breaks: dict[str, Callable[[], Awaitable[None]]] = {}
        self.calls: Counter[str] = Counter()

    def __getattr__(self, verb: str) -> Any:
        async def call(*args: Any) -> Any:
            self.calls[verb] += 1
            if verb in self.breaks:
                await self.breaks[verb]()
            return await getattr(self._store, verb)(*args)

        return call


async def away() -> None:
    raise StoreUnavailable("away")
