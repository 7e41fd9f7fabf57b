"""Jobs: what is to be done later, by whoever has a free hand. Values only.

A job is enqueued in the transaction of what it is about (an alert, a finished job), claimed by one worker at a time
under a lease with a number, and settled by whoever still holds that number. Times are microseconds, lengths seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from protocol.model import Severity
from protocol.notify import Delivery
from protocol.times import SECOND_US

# Lower runs first. A job that has waited a minute longer counts as one step lower, so nothing starves.
PRIO_HIGH = 1
PRIO_MEDIUM = 5
PRIO_LOW = 10
PRIO_MAX = 100
AGEING_US = 60 * SECOND_US


class Queue(Enum):
    """Where a job waits. Each has its own workers, limits and retention."""

    ALERT = "alert"
    ANALYTICS = "analytics"
    PREDICTION = "prediction"
    NOTIFICATION = "notification"


class JobState(Enum):
    """Where a job is: waiting or delayed, active under a lease, or ended in one of four ways."""

    WAITING = "waiting"
    DELAYED = "delayed"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DISCARDED = "discarded"


class NewJob(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is put into a queue. `args` is a JSON text that the kind's handler decodes.

    `run_at` 0: at once. `key`: while a job with the same key waits or runs, no second one is made. `schedule`: the one
    that this job is a run of. `workspace` "": the installation's own. `target`: whom it waits for while it is done; of
    one target only a few are done at a time (it begins with the workspace, unless workspaces share it). `trace`: the
    `traceparent` of what it comes from, if that is traced (`protocol.tracing`).
    """

    queue: Queue
    kind: str
    args: str = "{}"
    workspace: str = ""
    framework: str | None = None
    prio: int = PRIO_MEDIUM
    run_at: int = 0
    attempts_max: int = 3
    deadline_s: int = 30
    key: str | None = None
    schedule: str | None = None
    target: str | None = None
    trace: str | None = None


class Attempts(NamedTuple):
    """How often a job is tried, and how long each time may take, in seconds."""

    most: int
    deadline_s: int


# What holds for the jobs of a queue unless their kind says otherwise.
ATTEMPTS: Mapping[Queue, Attempts] = MappingProxyType(
    {
        Queue.ALERT: Attempts(3, 30),
        Queue.ANALYTICS: Attempts(3, 600),
        Queue.PREDICTION: Attempts(2, 600),
        Queue.NOTIFICATION: Attempts(5, 60),
    }
)
# How urgent a job about an alert is.
PRIO_OF: Mapping[Severity, int] = MappingProxyType(
    {
        Severity.CRITICAL: PRIO_HIGH,
        Severity.ERROR: PRIO_MEDIUM - 2,
        Severity.WARNING: PRIO_MEDIUM,
        Severity.INFO: PRIO_LOW,
    }
)


def new_job(queue: Queue, kind: str, args: msgspec.Struct, **more: Any) -> NewJob:
    """A job as its queue has it; `more` are other fields of `NewJob`."""
    attempts = ATTEMPTS[queue]
    more = {"attempts_max": attempts.most, "deadline_s": attempts.deadline_s} | more
    return NewJob(queue=queue, kind=kind, args=msgspec.json.encode(args).decode(), **more)


class Lease(NamedTuple):
    """The right to settle a job: `number` grows at each claim and is never used again for it."""

    job: int
    number: int


class Claimed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A job in a worker's hand. `attempt` counts from 1; `waiting_since` is when it could first have run."""

    lease: Lease
    queue: Queue
    kind: str
    workspace: str
    framework: str | None
    args: str
    attempt: int
    attempts_max: int
    deadline_s: int
    created_at: int
    waiting_since: int
    schedule: str | None = None
    target: str | None = None
    trace: str | None = None


class Held(NamedTuple):
    """In whose way a job in hand is: those of its workspace and of its target in the same queue."""

    queue: Queue
    workspace: str
    target: str


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a claim jobs with a target may take, beside what is in hand already.

    `each`: of one target. `of_workspace`, `of_all`: of a queue's slots, one workspace's and all together; a queue that
    is not named has no such bound. What has no target waits for nobody outside and is not bounded.
    """

    each: int = 4
    of_workspace: Mapping[Queue, int] = {}
    of_all: Mapping[Queue, int] = {}
    in_hand: Mapping[Held, int] = {}


# Of one target a few, and no other bound.
A_FEW_EACH = Shares()


class JobError(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Why an attempt failed."""

    at: int
    attempt: int
    cause: str
    traceback: str | None = None


class Verdict(Enum):
    """What came of a claim. `RETRY` and `FAILED` have used up an attempt; `SNOOZED` (also: retry after) and `RELEASED`
    (handed back at a shutdown) have not; `DISCARDED` needs no doing any more."""

    COMPLETED = "completed"
    RETRY = "retry"
    FAILED = "failed"
    SNOOZED = "snoozed"
    RELEASED = "released"
    DISCARDED = "discarded"


FINAL = frozenset({Verdict.COMPLETED, Verdict.FAILED, Verdict.DISCARDED})
GIVES_BACK = frozenset({Verdict.SNOOZED, Verdict.RELEASED})


class Settlement(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a claim ends, and what follows from it in the same transaction.

    `run_at`: when one that goes on is due again. `behind`: the key, or the number, of a job that it waits for; if
    there is one, it is due when that one has ended, however it ends, and `run_at` does not count. `result`: a JSON
    text for whoever asks. `follow`: jobs, and `deliveries`: lines of the ledger, that exist (or are moved on) only if
    this settlement counts.
    """

    lease: Lease
    verdict: Verdict
    run_at: int = 0
    behind: str | int | None = None
    result: str | None = None
    error: JobError | None = None
    follow: tuple[NewJob, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of jobs whose lease had ended, by queue: to be tried again, or failed, with no attempt left.

    `brought_back`: so many had been put off while the clock was ahead; they wait as long as was meant, from now on.
    """

    ended: Mapping[tuple[Queue, Verdict], int] = {}
    brought_back: int = 0

    @property
    def again(self) -> int:
        """How many are tried again."""
        return self._count(Verdict.RETRY)

    @property
    def failed(self) -> int:
        """How many are not."""
        return self._count(Verdict.FAILED)

    def _count(self, verdict: Verdict) -> int:
        return sum(count for (_, of), count in self.ended.items() if of is verdict)


class Job(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A job as it is shown, whether it is still to be done or has ended."""

    id: int
    queue: Queue
    kind: str
    state: JobState
    workspace: str
    framework: str | None
    args: str
    prio: int
    run_at: int
    attempt: int
    attempts_max: int
    created_at: int
    updated_at: int
    started_at: int | None = None
    finished_at: int | None = None
    result: str | None = None
    schedule: str | None = None
    errors: tuple[JobError, ...] = ()


def rank(run_at: int, prio: int) -> int:
    """The order in which due jobs of a queue are claimed: a step of priority is worth a minute of waiting."""
    return run_at + prio * AGEING_US
