"""Group commit with Postgres: whatever waits is committed together, and told in the order of the commits.

Owns two lanes, each a task with a queue (bounded by places) and one session: commits of channels, and all else that
writes (jobs' claims and ends, objects, upkeep); beside them goes what must wait for neither (the beats of nodes). Who
talks to us: the store, on the trio loop, where the feed is told before the tasks that wait are woken. The lanes do not
wait for each other; where both move streams of a workspace its row's lock puts them in order, and the later one needs
more answers from the server than the earlier one's last. If a lane meets a bug of ours it ends: whoever waits is
answered `Unavailable`, and the store's context ends with the bug.
Decided against: more sessions for commits (workspaces would be told out of order, or need a place to wait for it).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, cast

import structlog
import trio

from engine.foreign import ForeignEnded, ForeignLoop
from engine.stores import OnCommit
from engine.stores.postgres.commit import PostgresCommitter
from engine.stores.tables.connection import Connection
from engine.stores.tables.rows import Prepared
from engine.stores.tables.writer import Job, JoinedJob, TheJob, Writer
from protocol.effects import Unavailable
from protocol.model import ChannelKey

T = TypeVar("T")
W = TypeVar("W", bound="Prepared | TheJob")
log = structlog.get_logger()

# A group ends here so that its first commit is not told late: about 100 ms of writing.
GROUP_MAX_COMMITS = 64
GROUP_MAX_ROWS = 8_000
# What waits in each lane; whoever comes later waits in `commit` before it encodes.
PLACES = 1_024
# What still waits at the end is written; a server that does not answer is not waited for any longer.
CLOSE_MAX_S = 5.0


class _Waiting(Generic[W]):
    """Something to write, and the task that waits for its outcome."""

    __slots__ = ("done", "outcome", "work")

    def __init__(self, work: W) -> None:
        self.work = work
        self.outcome: Any = None
        self.done = trio.Event()


class _Lane(Generic[W]):
    """A queue whose head is written, group by group."""

    def __init__(
        self,
        joins: Callable[[Sequence[W], W], bool],
        write: Callable[[Sequence[W]], Awaitable[Sequence[Any]]],
        tell: Callable[[Sequence[W], Sequence[Any], float], None],
    ) -> None:
        self._joins, self._write, self._tell = joins, write, tell
        self._places = trio.Semaphore(PLACES, max_value=PLACES)
        self._queue: deque[_Waiting[W]] = deque()
        self._news = trio.Event()
        self._ended: str | None = None
        self.idle = trio.Event()

    @property
    def pending(self) -> int:
        return PLACES - self._places.value

    async def outcome(self, work: W) -> Any:
        await self._places.acquire()
        if self._ended is not None:
            self._places.release()
            return Unavailable(self._ended)
        waiting = _Waiting(work)
        self._queue.append(waiting)
        self._news.set()
        await waiting.done.wait()
        return waiting.outcome

    async def run(self) -> None:
        """Writes until `close` and everything is written, or cancelled."""
        group: list[_Waiting[W]] = []
        try:
            while self._queue or self._ended is None:
                if not self._queue:
                    self._news = trio.Event()
                    await self._news.wait()
                    continue
                group = self._take()
                works = [waiting.work for waiting in group]
                started = time.perf_counter()
                outcomes = await self._write(works)
                self._tell(works, outcomes, time.perf_counter() - started)
                for waiting, outcome in zip(group, outcomes, strict=True):
                    self._answer(waiting, outcome)
                group = []
        finally:
            self._ended = self._ended or "the store's writer ended"
            for waiting in (*group, *self._queue):
                self._answer(waiting, Unavailable(self._ended))
            self._queue.clear()
            self.idle.set()

    def close(self) -> None:
        """Takes nothing more."""
        self._ended = "the store is closed"
        self._news.set()

    def _take(self) -> list[_Waiting[W]]:
        group = [self._queue.popleft()]
        works = [group[0].work]
        while self._queue and self._joins(works, self._queue[0].work):
            group.append(self._queue.popleft())
            works.append(group[-1].work)
        return group

    def _answer(self, waiting: _Waiting[W], outcome: Any) -> None:
        waiting.outcome = outcome
        waiting.done.set()
        self._places.release()


class PostgresWriter(Writer):
    """The writer of a shared store. Made on the loop; `work` is a task of whoever opens the store."""

    is_in_order = False
    may_lose_answers = True

    def __init__(
        self,
        foreign: ForeignLoop,
        committer: PostgresCommitter,
        on_commit: OnCommit | None,
        on_death: Callable[[BaseException], None],
    ) -> None:
        super().__init__(on_commit, on_death)
        self._foreign = foreign
        self._committer = committer
        self._commits: _Lane[Prepared] = _Lane(_commits_join, self._commit, self._tell)
        self._jobs: _Lane[TheJob] = _Lane(_jobs_join, self._run_jobs, self._tell)

    @property
    def pending(self) -> int:
        """Commits and jobs that are queued or being written."""
        return self._commits.pending + self._jobs.pending

    async def work(self) -> None:
        """Writes, until the store is closed. A bug ends the store, with it as the cause."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._commits.run)
                nursery.start_soon(self._jobs.run)
        except Exception as fault:
            self.is_available = False
            log.critical("store_writer_died", cause=repr(fault))
            self._on_death(fault)

    async def aclose(self) -> bool:
        """Waits until what is queued was written, at most `CLOSE_MAX_S`; whether it was."""
        self._commits.close()
        self._jobs.close()
        with trio.move_on_after(CLOSE_MAX_S, shield=True) as scope:
            await self._commits.idle.wait()
            await self._jobs.idle.wait()
            if self._foreign.is_running:
                await self._foreign.call(self._committer.aclose)
        if scope.cancelled_caught:
            log.error("store_writer_hangs", after_s=CLOSE_MAX_S, pending=self.pending)
        return not scope.cancelled_caught

    async def run_apart(self, job: Callable[[Connection], T]) -> T:
        """Has a job done beside both lanes. Raises StoreUnavailable."""
        try:
            outcome = await self._foreign.call(lambda: self._committer.run_apart(job))
        except ForeignEnded as fault:
            outcome = Unavailable(str(fault))
        return cast(T, self._answered(outcome))

    async def _outcome(self, work: Prepared | Job) -> Any:
        if isinstance(work, Prepared):
            return await self._commits.outcome(work)
        return await self._jobs.outcome(cast(TheJob, work))

    async def _commit(self, group: Sequence[Prepared]) -> Sequence[Any]:
        try:
            return await self._foreign.call(lambda: self._committer.commit(group))
        except ForeignEnded as fault:
            return [Unavailable(str(fault))] * len(group)

    async def _run_jobs(self, jobs: Sequence[TheJob]) -> Sequence[Any]:
        try:
            return await self._foreign.call(lambda: self._committer.run_together(jobs))
        except ForeignEnded as fault:
            return [Unavailable(str(fault))] * len(jobs)


def _commits_join(group: Sequence[Prepared], work: Prepared) -> bool:
    keys: set[ChannelKey] = {each.key for each in group}
    rows = sum(each.rows for each in group)
    return len(group) < GROUP_MAX_COMMITS and rows < GROUP_MAX_ROWS and work.key not in keys


def _jobs_join(group: Sequence[TheJob], work: TheJob) -> bool:
    return len(group) < GROUP_MAX_COMMITS and isinstance(group[0], JoinedJob) and isinstance(work, JoinedJob)
