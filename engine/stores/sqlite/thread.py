"""Group commit: one thread that writes, and everybody on the loop who waits for it.

Owns: the queue of what waits (bounded by places), the thread with its `Committer`, the order in which commits are told.
Who talks to us: the store, on the trio loop. The thread takes all that waits as one group (commits of different
channels, or the queue's small jobs, within bounds), commits it, and crosses to the loop once for the group: there the
feed is told first, then the waiting tasks are woken. A task that was cancelled meanwhile is not there to be woken; its
commit happened all the same. If the thread meets a bug it ends: whoever waits is answered `Unavailable`, and the
store's context ends with the bug. Decided against: trio's worker threads (a hop and a group for each commit), SQLite on
the loop (an fsync stops everything).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
import trio

from engine.give_way import GiveWay
from engine.stores import OnCommit
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.inline import LocalWriter
from engine.stores.tables.rows import Prepared
from engine.stores.tables.writer import Job, JoinedJob
from protocol.effects import Unavailable
from protocol.model import ChannelKey

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


class ThreadedWriter(LocalWriter):
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
        """Fills the group with what waits: commits of different channels, jobs that join, or one that does not.

        False: we are to end.
        """
        keys: set[ChannelKey] = set()
        rows = 0
        while len(self._group) < GROUP_MAX_COMMITS and rows < GROUP_MAX_ROWS:
            try:
                waiting = self._held.pop() if self._held else self._queue.get(block=not self._group)
            except queue.Empty:
                break
            work = None if waiting is None else waiting.work
            if self._group and not _joins(self._group[0].work, work, keys):
                self._held.append(waiting)
                break
            if waiting is None:
                return False
            self._group.append(waiting)
            if isinstance(work, Prepared):
                keys.add(work.key)
                rows += work.rows
            elif not isinstance(work, JoinedJob):
                break
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


def _joins(first: Prepared | Job, work: Prepared | Job | None, keys: set[ChannelKey]) -> bool:
    """Whether it may be in one transaction with what begins with `first`, of these channels."""
    if isinstance(first, Prepared):
        return isinstance(work, Prepared) and work.key not in keys
    return isinstance(first, JoinedJob) and isinstance(work, JoinedJob)
