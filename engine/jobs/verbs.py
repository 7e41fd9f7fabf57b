"""What people ask and do about jobs and queues. Every door and embedding programs call this.

An administrator sees and ends the jobs of his own workspace; one of the workspace `system`, the engine's operator,
those of all, and the queues, which all workspaces share. Who handed something over (`engine.jobs.handed`) sees that
job, and nobody else's. What belongs to another workspace is answered exactly as what does not exist. Owns nothing; each
act is on record before it is done.
"""

from __future__ import annotations

import msgspec

from engine.access.audit import AuditTrail
from engine.access.roles import SYSTEM_WORKSPACE, check, check_administrator, may, workspace_meant
from engine.jobs.counts import JobCounts, QueueTally
from engine.jobs.handed import asker_of
from engine.jobs.kinds import Kinds
from engine.pages import PAGE_MAX, Count, Cursors
from engine.stores.jobs import JobQuery, JobStore, QueueCounts
from protocol.errors import BadRequest, Conflict, PermissionDenied, UnknownChannel
from protocol.jobs import Job, JobState, Queue
from protocol.model import Principal

# Of a page: the number of its last job.
CURSORS = Cursors("jobs", tuple[Count])
# A request of so many ends soon, in pieces that others do not feel; who has more asks again.
REDRIVEN_AT_ONCE = 1_000
# The reference's threshold: more failed jobs than this are somebody's business.
FAILED_HEALTHY = 10
# A job that could have run a minute ago has met no free hand, or nobody who claims.
OLDEST_HEALTHY_S = 60.0
# Less than what a store can compare: ten billion jobs a second for three years.
NUMBER_MAX = 10**18
NO_JOB = "there is no such job"
_MAY_END = (JobState.WAITING, JobState.DELAYED, JobState.ACTIVE)


class JobsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs somebody asks for; all that is given must hold."""

    workspace: str | None = None
    queue: Queue | None = None
    kind: str | None = None
    state: JobState | None = None
    cursor: str | None = None
    limit: int = PAGE_MAX


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, newest first, without what they were given and what came of them; and where the next page starts."""

    items: list[Job]
    next_cursor: str | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Upper bounds of what half, and 99 of 100, took (seconds; null: nothing was seen yet, or more than 10 minutes)."""

    p50_s: float | None
    p99_s: float | None


class QueueShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a queue stands: what the store has (`completed` and `failed` as long as they are kept), and since this
    process started: shares of attempts that were to be made again and of jobs that were done in the end, leases lost,
    from due to claimed (`claim`) and from claimed to settled (`finish`). `limit`: at most so many at a time, on all
    nodes together (null: as many as nodes have slots)."""

    queue: str
    waiting: int
    active: int
    delayed: int
    completed: int
    failed: int
    paused: bool
    limit: int | None
    oldest_s: float
    retry_rate: float | None
    success_rate: float | None
    lost_leases: int
    claim: Latency
    finish: Latency


class QueueHealth(msgspec.Struct, frozen=True, kw_only=True):
    """All queues. Healthy: at most 10 failed jobs are kept, and nothing in a queue that is not paused has waited for
    more than a minute."""

    healthy: bool
    failed_jobs: int
    delayed_jobs: int
    queues: dict[str, QueueShown]


class JobVerbs:
    """The verbs. All raise PermissionDenied, StoreUnavailable."""

    def __init__(self, store: JobStore, kinds: Kinds, counts: JobCounts, trail: AuditTrail) -> None:
        self._store = store
        self._kinds = kinds
        self._counts = counts
        self._trail = trail

    async def jobs(self, who: Principal, wanted: JobsWanted) -> JobPage:
        """A page of jobs. Raises BadRequest for an unknown kind, UnknownChannel for another's workspace."""
        workspace, limit = workspace_meant(who, wanted.workspace), min(wanted.limit, PAGE_MAX)
        if wanted.kind is not None and wanted.kind not in self._kinds.names():
            known = ", ".join(self._kinds.names())
            raise BadRequest(f"kind: no job of the kind {wanted.kind[:100]!r} is known here; known: {known}")
        (before,) = (None,) if wanted.cursor is None else CURSORS.place(wanted.cursor)
        query = JobQuery(
            workspace=workspace,
            queue=wanted.queue,
            kind=wanted.kind,
            state=wanted.state,
            before=before,
            limit=limit + 1,
            is_brief=True,
        )
        found = await self._store.jobs(query)
        return JobPage(items=found[:limit], next_cursor=CURSORS.following(found, limit, lambda job: (job.id,)))

    async def job(self, who: Principal, job_id: int) -> Job:
        """One job, whole; without arguments and tracebacks for who is no administrator. Raises UnknownChannel."""
        check(who, "read")
        if may(who, "administer") and who.channels is None:
            return await self._known(workspace_meant(who, None), job_id)
        job = await self._known(who.workspace, job_id)
        if asker_of(job) != who.user:
            raise UnknownChannel(NO_JOB)
        errors = tuple(msgspec.structs.replace(error, traceback=None) for error in job.errors)
        return msgspec.structs.replace(job, args="{}", errors=errors)

    async def cancel(self, who: Principal, job_id: int, address: str = "") -> Job:
        """Ends a job that has not ended; the handler of one that runs is stopped. Idempotent. Raises Conflict."""
        scope = workspace_meant(who, None)
        if (job := await self._known(scope, job_id)).state in _MAY_END:
            # On record before it is done: of one that ends between the two there is a line that says it was asked for.
            await self._trail.record(who, "cancel_job", str(job.id), address)
            cancelled = await self._store.cancel(scope, job.id)
            if cancelled is None:
                raise UnknownChannel(NO_JOB)
            job = cancelled
        if job.state is not JobState.CANCELLED:
            raise Conflict(f"the job has ended ({job.state.value}): there is nothing to cancel")
        return job

    async def retry(self, who: Principal, job_id: int, address: str = "") -> Job:
        """Has a job that failed or was cancelled done once more, with all its attempts. Raises Conflict."""
        scope = workspace_meant(who, None)
        if (before := await self._known(scope, job_id)).state not in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict(f"the job is {before.state.value}: only one that failed or was cancelled is done once more")
        await self._trail.record(who, "retry_job", str(before.id), address)
        job = await self._store.redrive(scope, before.id)
        if job is None:
            raise UnknownChannel(NO_JOB)
        if job.state in (JobState.FAILED, JobState.CANCELLED):
            raise Conflict("a newer job with the same key is to be done already: cancel that one first")
        return job

    async def queues(self, who: Principal) -> list[QueueShown]:
        """How each queue stands."""
        operates(who)
        return await self._shown()

    async def health(self) -> QueueHealth:
        """The same in short; who may see it is the door's question."""
        queues = await self._shown()
        failed = sum(queue.failed for queue in queues)
        waits = any(queue.oldest_s > OLDEST_HEALTHY_S and not queue.paused for queue in queues)
        return QueueHealth(
            healthy=failed <= FAILED_HEALTHY and not waits,
            failed_jobs=failed,
            delayed_jobs=sum(queue.delayed for queue in queues),
            queues={queue.queue: queue for queue in queues},
        )

    async def pause(self, who: Principal, queue: str, is_paused: bool, address: str = "") -> QueueShown:
        """Whether jobs of a queue are claimed. What runs goes on. Idempotent."""
        operates(who)
        known = queue_of(queue)
        await self._trail.record(who, "pause_queue" if is_paused else "resume_queue", known.value, address)
        await self._store.pause(known, is_paused)
        return next(shown for shown in await self._shown() if shown.queue == known.value)

    async def limit(self, who: Principal, queue: str, most: int | None, address: str = "") -> QueueShown:
        """At most so many jobs of a queue at a time, on all nodes together; None: as many as have slots. Idempotent."""
        operates(who)
        known = queue_of(queue)
        await self._trail.record(who, "limit_queue", f"{known.value}:{'none' if most is None else most}", address)
        await self._store.limit(known, most)
        return next(shown for shown in await self._shown() if shown.queue == known.value)

    async def redrive(self, who: Principal, queue: str, address: str = "") -> int:
        """Has the failed jobs of a queue done once more, the oldest first, at most 1,000 of them; how many."""
        operates(who)
        known = queue_of(queue)
        await self._trail.record(who, "redrive_queue", known.value, address)
        return await self._store.redrive_failed(known, REDRIVEN_AT_ONCE)

    async def _known(self, workspace: str | None, job_id: int) -> Job:
        if not 0 < job_id < NUMBER_MAX or (job := await self._store.job(workspace, job_id)) is None:
            raise UnknownChannel(NO_JOB)
        return job

    async def _shown(self) -> list[QueueShown]:
        counts = await self._store.queue_counts()
        return [_queue_shown(queue, counts[queue], self._counts.queues[queue]) for queue in Queue]


def queue_of(name: str) -> Queue:
    """A queue by its name in an address. Raises UnknownChannel."""
    try:
        return Queue(name)
    except ValueError:
        known = ", ".join(queue.value for queue in Queue)
        raise UnknownChannel(f"there is no queue {name[:100]!r}; there are: {known}") from None


def operates(who: Principal) -> None:
    """Raises PermissionDenied for anybody but an administrator of `system`: what all workspaces share is his."""
    check_administrator(who)
    if who.workspace != SYSTEM_WORKSPACE:
        raise PermissionDenied(f"queues are for administrators of the workspace {SYSTEM_WORKSPACE!r}")


def _queue_shown(queue: Queue, counts: QueueCounts, tally: QueueTally) -> QueueShown:
    return QueueShown(
        queue=queue.value,
        waiting=counts.waiting,
        active=counts.active,
        delayed=counts.delayed,
        completed=counts.completed,
        failed=counts.failed,
        paused=counts.is_paused,
        limit=counts.limit,
        oldest_s=round(counts.oldest_s, 3),
        retry_rate=tally.retry_rate,
        success_rate=tally.success_rate,
        lost_leases=tally.lost,
        claim=Latency(p50_s=tally.waited.quantile(0.5), p99_s=tally.waited.quantile(0.99)),
        finish=Latency(p50_s=tally.took.quantile(0.5), p99_s=tally.took.quantile(0.99)),
    )
