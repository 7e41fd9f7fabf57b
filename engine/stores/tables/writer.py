"""What a writer is: something is written, who waits for it gets its outcome, and all others are told, in that order.

Owns the counters, and the order in which commits are told: the feed first, then the tasks that wait. `sqlite/thread`
has the writer of a file, `sqlite/inline` that of a database in memory (no thread, no fsync, and the same order in
virtual time), `postgres/writer` that of a server. If a writer meets a bug, the store's context ends with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import structlog

from engine.stores import CommittedEvents, Feed, OnCommit
from engine.stores.jobs import Doorbell
from engine.stores.tables.connection import Connection
from engine.stores.tables.rows import Prepared
from protocol.effects import CommitOutcome, Committed, Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable
from protocol.jobs import NewJob, Queue

T = TypeVar("T")
Job = Callable[[Connection], Any]
log = structlog.get_logger()


class TheJob:
    """A job, whom to tell of its result (whoever waits for it), and which workspace it is about (None: all)."""

    __slots__ = ("_job", "tell", "workspace")

    def __init__(self, job: Job, tell: Callable[[Any], object], workspace: str | None) -> None:
        self._job = job
        self.tell = tell
        self.workspace = workspace

    def __call__(self, connection: Connection) -> Any:
        """Does it, in the writer's transaction."""
        return self._job(connection)


def tell_nobody(_: object) -> None:
    """For jobs that only who waits for them wants to hear of."""


class JoinedJob(TheJob):
    """A job that shares its transaction with others of its like. It may be called twice, and moves no streams."""

    __slots__ = ()


class Writer(ABC):
    """What the loop sees of a writer: commits, other jobs, counters."""

    # Whether all is told in the order in which it was written. With two lanes commits are so among themselves, and
    # other jobs are so among themselves.
    is_in_order = True
    # Whether something may have been written although its answer is that it was not: the answer came over a wire.
    may_lose_answers = False

    def __init__(self, on_commit: OnCommit | None, on_death: Callable[[BaseException], None]) -> None:
        self.feed: Feed | None = None
        self.doorbell: Doorbell | None = None
        self.is_available = True
        # Grows with everything written whose outcome was told: who remembers the number knows whether it still holds.
        self.changes = 0
        # Groups of commits among them.
        self.groups_told = 0
        self._on_commit = on_commit
        self._on_death = on_death
        self._counters: dict[str, int | float] = dict.fromkeys(
            ("commits", "batches", "rows", "unavailable", "jobs", "group_size_last"), 0
        )

    @abstractmethod
    async def _outcome(self, work: Prepared | Job) -> Any:
        """Has something written and says what came of it."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """How much waits to be written."""

    @abstractmethod
    async def aclose(self) -> bool:
        """Writes what waits, then closes the connection. False: it hangs, and may still write."""

    async def commit(self, prepared: Prepared) -> CommitOutcome:
        """Keeps a commit. Raises CommitInvalid. Cancelled: it may still happen."""
        outcome = await self._outcome(prepared)
        if isinstance(outcome, CommitInvalid):
            raise outcome
        return cast(CommitOutcome, outcome)

    async def run(
        self, job: Callable[[Connection], T], tell: Callable[[T], object] = tell_nobody, workspace: str | None = None
    ) -> T:
        """Has another job done in a transaction of its own. Raises StoreUnavailable, and CommitInvalid if the job does.

        `workspace`: the only one whose rows it sees, where the database can see to that; None: all. `tell` is called
        with the result on the loop, in the order of the commits, also if nobody waits for it any more.
        """
        return cast(T, self._answered(await self._outcome(TheJob(job, tell, workspace))))

    async def run_apart(self, job: Callable[[Connection], T]) -> T:
        """Has a job done that touches nobody else's rows, and that must not wait for whoever does. About no workspace.

        Raises StoreUnavailable. Where there is one writer it waits like any other; so it is never long there.
        """
        return await self.run(job)

    def _answered(self, outcome: Any) -> Any:
        if isinstance(outcome, Unavailable):
            raise StoreUnavailable(f"the store does not answer: {outcome.cause}")
        if isinstance(outcome, StoreUnavailable | CommitInvalid):
            raise outcome
        return outcome

    async def join(
        self, job: Callable[[Connection], T], tell: Callable[[T], object] = tell_nobody, workspace: str | None = None
    ) -> T:
        """As `run`, for what comes often and is small: all that waits shares a transaction, and its fsync."""
        return cast(T, self._answered(await self._outcome(JoinedJob(job, tell, workspace))))

    def statistics(self) -> dict[str, int | float]:
        """Counters since opening, and gauges."""
        return {**self._counters, "pending": self.pending}

    def ring(self, made: Iterable[Sequence[NewJob]]) -> None:
        """On the loop, after the commit: tells of new jobs. Once too often does no harm."""
        self.ring_of(job.queue for jobs in made for job in jobs)

    def ring_of(self, queues: Iterable[Queue]) -> None:
        """The same, by their queues."""
        found = frozenset(queues)
        if found and self.doorbell:
            self.doorbell(found)

    def _tell(self, works: Sequence[Prepared | Job], outcomes: Sequence[Any], seconds: float) -> None:
        """On the loop, in commit order: counts, and tells the feed."""
        if not isinstance(works[0], Prepared):
            for work, outcome in zip(works, outcomes, strict=True):
                self._tell_of_job(cast(Job, work), outcome)
            return
        self.changes += 1
        self.groups_told += 1
        told, rows, unavailable = [], 0, 0
        for work, outcome in zip(cast("Sequence[Prepared]", works), outcomes, strict=True):
            if isinstance(outcome, Committed):
                is_fresh = outcome.results is work.commit.decision.results
                rows += work.rows if is_fresh else 0
                if outcome.events:
                    told.append(CommittedEvents(work.key.workspace, outcome.events))
            unavailable += isinstance(outcome, Unavailable)
        self.is_available = not unavailable
        self._counters["unavailable"] += unavailable
        if unavailable < len(works):
            self._counters["commits"] += 1
            self._counters["batches"] += len(works) - unavailable
            self._counters["rows"] += rows
            self._counters["group_size_last"] = len(works)
            try:
                if told and self.feed:
                    self.feed(told)
                self.ring(work.commit.decision.jobs for work in cast("Sequence[Prepared]", works))
                if self._on_commit:
                    self._on_commit(seconds, len(works))
            except Exception as fault:  # in a trio callback it would end the whole program without a reason
                self._on_death(fault)

    def _tell_of_job(self, job: Job, outcome: Any) -> None:
        self.changes += 1
        is_refused = isinstance(outcome, Unavailable | StoreUnavailable | CommitInvalid)
        self._counters["unavailable"] += is_refused
        self._counters["jobs"] += not is_refused
        if isinstance(job, TheJob) and not is_refused:
            try:
                job.tell(outcome)
            except Exception as fault:  # as for the feed
                self._on_death(fault)


def only_one(workspaces: Iterable[str]) -> str | None:
    """The workspace that something is about; None if that is more than one, or none.

    The engine's own (a job of upkeep, a schedule) has no name: a transaction that sees no workspace may not write it.
    """
    names = set(workspaces)
    return names.pop() or None if len(names) == 1 else None
