"""The part of a store's contract that is about jobs: queues, leases, what has ended, and schedules.

The store's own clock decides what is due and whose lease has ended. A lease is a number that grows at each claim:
whoever settles or renews with an older one changes nothing and is told so. A job that was put off behind another one
(`Settlement.behind`) is due in the transaction in which that one ends: done, failed, lost, cancelled. Nobody looks for
it before, but once a day. `tests/unit/test_store_job*.py` are what every adapter must do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from actors.ports import JobBoard
from protocol.jobs import Job, JobState, NewJob, Queue

PAGE_DEFAULT = 100
# They are found, moved and their lines of the ledger revived by five statements: so many took 7 ms of the writer, in
# which nobody else has it. (One by one they were up to 150 ms.)
REDRIVEN_TOGETHER = 1_000

# Which queues have something new that is due: called on the loop, after the commit.
Doorbell = Callable[[frozenset[Queue]], None]


class Enqueued(NamedTuple):
    """A job's number; `is_new` is False if one with the same key was there already."""

    id: int
    is_new: bool


class QueueCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How a queue stands. `oldest_s`: how long the job that has waited longest could have run (0: none waits).

    `limit`: at most so many of it are in hand at a time, on all nodes together (None: as many as have slots).
    """

    waiting: int = 0
    delayed: int = 0
    active: int = 0
    completed: int = 0
    failed: int = 0
    oldest_s: float = 0.0
    is_paused: bool = False
    limit: int | None = None


class KeptJobs(msgspec.Struct, frozen=True, kw_only=True):
    """How long ended jobs of a queue are kept: those that were done, and those that failed or were cancelled."""

    done_s: float
    failed_s: float


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs, newest first. `workspace` None: those of all, and of the installation itself.

    `is_brief`: without arguments and results, and of errors only the last one's cause; a page of them is small.
    """

    workspace: str | None = None
    queue: Queue | None = None
    kind: str | None = None
    state: JobState | None = None
    before: int | None = None
    limit: int = PAGE_DEFAULT
    is_brief: bool = False


class LastRun(msgspec.Struct, frozen=True, kw_only=True):
    """The last finished run of a schedule."""

    verdict: str
    started_at: int
    finished_at: int


class ScheduleState(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a schedule: up to when it has fired, whether it is paused, and how its runs went.

    `covered`: the end of the last run's window; before `last_fire` if runs were left out since, because it went on.
    """

    name: str
    last_fire: int
    covered: int | None = None
    paused_at: int | None = None
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    last: LastRun | None = None


class JobStore(JobBoard, Protocol):
    """What the engine needs of a store for jobs. Everything raises StoreUnavailable."""

    def set_doorbell(self, ring: Doorbell) -> None:
        """Whom to tell that there are new jobs; `ring` must not raise."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Puts jobs into their queues, in one transaction."""

    async def hand_over(self, job: NewJob, prefix: str, most: int) -> Enqueued | None:
        """Puts a job into its queue, unless there is one of its key, to be done or ended and still kept: then that one.

        None, and nothing is done: `most` jobs whose keys begin with `prefix` are to be done. The key begins so, too,
        and all of them with `handed:`; `prefix` ends with a colon.
        """

    async def job(self, workspace: str | None, number: int) -> Job | None:
        """One job; None if this workspace has no such job. `workspace` None: whose it is does not matter."""

    async def jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs."""

    async def cancel(self, workspace: str | None, number: int) -> Job | None:
        """Ends a job that has not ended; one that runs loses its lease. The job as it is then; None: no such job.

        What it was to deliver has failed, in the same transaction.
        """

    async def redrive(self, workspace: str | None, number: int) -> Job | None:
        """Has a job that failed, or was cancelled, done once more, with all its attempts. As `cancel`.

        What it was to deliver, and has not, waits again.
        """

    async def redrive_failed(self, queue: Queue, limit: int) -> int:
        """Has at most so many failed jobs of a queue done once more, each once; how many there were.

        In transactions of at most `REDRIVEN_TOGETHER`. Raised halfway: those before stay redriven.
        """

    async def pause(self, queue: Queue, is_paused: bool) -> None:
        """Whether jobs of this queue are claimed. What runs goes on."""

    async def limit(self, queue: Queue, most: int | None) -> None:
        """At most so many jobs of this queue are in hand at a time, on all nodes together; what runs goes on."""

    async def queue_counts(self) -> dict[Queue, QueueCounts]:
        """How each queue stands."""

    async def prune(self, kept: Mapping[Queue, KeptJobs], limit: int) -> int:
        """Deletes at most so many ended jobs that are kept no longer; how many. Never one that has not ended."""

    async def schedules(self, names: Sequence[str] | None = None) -> dict[str, ScheduleState]:
        """What is known of these schedules (None: of all), by name; those that are not known are left out."""

    async def add_schedule(self, name: str, since: int) -> ScheduleState:
        """Makes it known: it has fired up to `since`. As it is, if it is known already."""

    async def forget_schedule(self, name: str) -> None:
        """There is no such schedule any more; jobs of it stay."""

    async def fire(self, name: str, last_fire: int, fire: int, jobs: Sequence[NewJob], skipped: int = 0) -> int | None:
        """Moves a schedule from `last_fire` to `fire` and enqueues its jobs, in one transaction; how many it were.

        None: somebody else has moved it, and nothing was done. 0: an earlier run is still going, these are left out.
        `skipped`: runs that were left out, to be counted.
        """

    async def pause_schedule(self, name: str, is_paused: bool) -> bool:
        """Whether it fires by itself. False: there is none of this name."""
