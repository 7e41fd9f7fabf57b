"""Group commit: one thread that writes, and everybody on the loop who waits for it.

Owns: the queue of what waits (bounded by places), the thread with its `Committer`, the order in which commits are
told. Who talks to us: the store, on the trio loop. The thread takes all that waits as one group (of different
channels, within bounds), commits it, and crosses to the loop once for the group: there the feed is told first, then
the waiting tasks are woken. A task that was cancelled meanwhile is not there to be woken; its commit happened all the
same. If the thread meets a bug it ends: whoever waits is answered `Unavailable`, and the store's context ends with
the bug. Decided against: trio's worker threads (a hop and a group for each commit), SQLite on the loop (an fsync
stops everything). `InlineWriter` does just that, for databases in memory: no thread, no fsync, and the same order in
virtual time.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection
from typing import Any, TypeVar, cast

import structlog
import trio

from engine.stores import CommittedEvents, Feed, OnCommit
from engine.stores.give_way import GiveWay
from engine.stores.jobs import Doorbell
from engine.stores.sqlite_commit import Committer
from engine.stores.sqlite_rows import Prepared
from protocol.effects import CommitOutcome, Committed, Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable
from protocol.jobs import NewJob, Queue

T = TypeVar("T")
Job = Callable[[Connection], Any]
log = structlog.get_logger()

# A group ends here so that its first commit is not told late: about 100 ms of writing.
GROUP_MAX_COMMITS = 64
GROUP_MAX_ROWS = 8_000
# Encoded commits that wait for the writer; whoever comes later waits in `commit` before it encodes.
PLACES = 1_024
# What still waits at the end is written; a disk that hangs is not waited for any longer.
CLOSE_MAX_S = 5.0


class _Waiting:
    """Something to write, and the task that waits for its outcome."""

    __slots__ = ("done", "outcome", "work")

    def __init__(self, work: Prepared | Job) -> None:
        self.work = work
        self.outcome: Any = None
        self.done = trio.Event()


class _ToldJob:
    """A job whose result somebody is told of, whoever waits for it."""

    __slots__ = ("_job", "tell")

    def __init__(self, job: Job, tell: Callable[[Any], None]) -> None:
        self._job = job
        self.tell = tell

    def __call__(self, connection: Connection) -> Any:
        return self._job(connection)


class Writer(ABC):
    """What the loop sees of a writer: commits, other jobs, counters."""

    def __init__(self, committer: Committer, on_commit: OnCommit | None, on_death: Callable[[BaseException], None]):
        self.feed: Feed | None = None
        self.doorbell: Doorbell | None = None
        self.is_available = True
        self._committer = committer
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

    async def run(self, job: Callable[[Connection], T], tell: Callable[[T], None] | None = None) -> T:
        """Has another job done in a transaction of its own. Raises StoreUnavailable, and CommitInvalid if the job does.

        `tell` is called with the result on the loop, in the order of the commits, also if nobody waits for it any more.
        """
        outcome = await self._outcome(job if tell is None else _ToldJob(job, tell))
        if isinstance(outcome, Unavailable):
            raise StoreUnavailable(f"the store does not answer: {outcome.cause}")
        if isinstance(outcome, StoreUnavailable | CommitInvalid):
            raise outcome
        return cast(T, outcome)

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

    def _write(self, works: Sequence[Prepared | Job]) -> list[Any]:
        """In the writer's thread: one job, or a group of commits."""
        job = works[0]
        if isinstance(job, Prepared):
            return list(self._committer.commit(cast("Sequence[Prepared]", works)))
        try:
            return [self._committer.run(job)]
        except (StoreUnavailable, CommitInvalid) as fault:
            return [fault]

    def _tell(self, works: Sequence[Prepared | Job], outcomes: Sequence[Any], seconds: float) -> None:
        """On the loop, in commit order: counts, and tells the feed."""
        if not isinstance(works[0], Prepared):
            self._tell_of_job(works[0], outcomes[0])
            return
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
        is_refused = isinstance(outcome, Unavailable | StoreUnavailable | CommitInvalid)
        self._counters["unavailable"] += is_refused
        self._counters["jobs"] += not is_refused
        if isinstance(job, _ToldJob) and not is_refused:
            try:
                job.tell(outcome)
            except Exception as fault:  # as for the feed
                self._on_death(fault)


class ThreadedWriter(Writer):
    """The writer of a file: a thread with group commit."""

    def __init__(
        self,
        committer: Committer,
        on_commit: OnCommit | None,
        on_death: Callable[[BaseException], None],
        give_way: GiveWay,
    ):
        super().__init__(committer, on_commit, on_death)
        self._give_way = give_way
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._places = trio.Semaphore(PLACES, max_value=PLACES)
        self._ended = trio.Event()
        self._closing = False
        # The thread's own: what it took from the queue and could not put into the last group; the group under way.
        self._held: list[_Waiting | None] = []
        self._group: list[_Waiting] = []
        self._token = trio.lowlevel.current_trio_token()
        # A daemon: a disk that hangs for ever must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Commits and jobs that are queued or being written."""
        return PLACES - self._places.value

    async def _outcome(self, work: Prepared | Job) -> Any:
        try:
            self._places.acquire_nowait()
        except trio.WouldBlock:
            await self._places.acquire()
        if self._closing or self._ended.is_set():
            self._places.release()
            await trio.lowlevel.checkpoint()
            return Unavailable("the store is closed")
        waiting = _Waiting(work)
        self._give_way.under_way += 1
        self._queue.put(waiting)
        await waiting.done.wait()
        return waiting.outcome

    async def aclose(self) -> bool:
        """Waits until what is queued was written, at most `CLOSE_MAX_S`; whether it was."""
        self._closing = True
        self._queue.put(None)
        with trio.move_on_after(CLOSE_MAX_S, shield=True):
            await self._ended.wait()
            self._thread.join()
        if not self._ended.is_set():
            log.error("store_writer_hangs", after_s=CLOSE_MAX_S, pending=self.pending)
        return self._ended.is_set()

    def _work(self) -> None:
        death: BaseException | None = None
        try:
            while self._take():
                works = [waiting.work for waiting in self._group]
                started = time.perf_counter()
                outcomes = self._write(works)
                self._token.run_sync_soon(self._deliver, self._group, outcomes, time.perf_counter() - started)
                self._group = []
            self._committer.close()
        except BaseException as fault:  # the thread's boundary: the loop raises it where somebody sees it
            death = fault
        self._token.run_sync_soon(self._end, death)

    def _take(self) -> bool:
        """Fills the group with what waits: one job, or commits of different channels. False: we are to end."""
        keys, rows = set(), 0
        while len(self._group) < GROUP_MAX_COMMITS and rows < GROUP_MAX_ROWS:
            try:
                waiting = self._held.pop() if self._held else self._queue.get(block=not self._group)
            except queue.Empty:
                break
            work = waiting and waiting.work
            is_commit = isinstance(work, Prepared)
            if self._group and (not is_commit or cast(Prepared, work).key in keys):
                self._held.append(waiting)
                break
            if waiting is None:
                return False
            self._group.append(waiting)
            if not isinstance(work, Prepared):
                break
            keys.add(work.key)
            rows += work.rows
        return True

    def _deliver(self, group: Sequence[_Waiting], outcomes: Sequence[Any], seconds: float) -> None:
        """On the loop: the feed first, then whoever waits."""
        self._tell([waiting.work for waiting in group], outcomes, seconds)
        for waiting, outcome in zip(group, outcomes, strict=True):
            self._answer(waiting, outcome)

    def _answer(self, waiting: _Waiting, outcome: Any) -> None:
        waiting.outcome = outcome
        waiting.done.set()
        self._give_way.under_way -= 1
        self._places.release()

    def _end(self, death: BaseException | None) -> None:
        """On the loop, when the thread has ended: nobody is left waiting."""
        self._ended.set()
        left = [*self._group, *self._held]
        while not self._queue.empty():
            left.append(self._queue.get_nowait())
        for waiting in left:
            if waiting is not None:
                self._answer(waiting, Unavailable("the store's writer ended" if death else "the store is closed"))
        if death is not None:
            self.is_available = False
            log.critical("store_writer_died", cause=repr(death))
            self._on_death(death)


class InlineWriter(Writer):
    """The writer of a database in memory: writes on the loop, at once, so virtual time and order stay exact."""

    pending = 0

    async def _outcome(self, work: Prepared | Job) -> Any:
        await trio.lowlevel.checkpoint()
        started = time.perf_counter()
        try:
            outcomes = self._write([work])
        except Exception as fault:  # as if a thread had died: the store's context ends with it
            self.is_available = False
            self._on_death(fault)
            return Unavailable("the store's writer ended")
        self._tell([work], outcomes, time.perf_counter() - started)
        return outcomes[0]

    async def aclose(self) -> bool:
        """Closes the connection: the database is gone."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._committer.close()
        return True
