"""Jobs and queues over HTTP: what is to be done, what became of it, and how the queues stand.

`GET /api/metrics/queue` is the reference's and, like `/metrics`, for this machine itself and the engine's operator.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, get, post
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from engine.http.bodies import json_body
from engine.http.guards import Connection, refuse_unknown_parameters, require_operator
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, parse_words
from engine.http.ports import Service
from engine.jobs.verbs import NUMBER_MAX, JobsWanted, JobVerbs, QueueHealth, QueueShown, operates
from engine.pages import PAGE_DEFAULT
from protocol.jobs import Job, JobError, JobState, Queue
from protocol.model import Principal
from protocol.times import rfc3339

Asked = Request[Principal, Any, Any]
QueueName = Annotated[str | None, QueryParameter(name="queue", description=", ".join(each.value for each in Queue))]
StateName = Annotated[str | None, QueryParameter(name="state", description=", ".join(each.value for each in JobState))]


class QueueLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many jobs of a queue at a time; null: as many as nodes have slots."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None


class AttemptShown(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt failed; the traceback is for administrators, and not in lists."""

    at: str
    attempt: int
    cause: str
    traceback: str | None = None


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """A job in a list. `priority`: lower runs first, a minute of waiting is worth one. `cause`: of the last failure,
    unless it was done in the end."""

    id: int
    queue: str
    kind: str
    state: JobState
    workspace: str
    framework_id: str | None
    priority: int
    attempt: int
    attempts_max: int
    run_at: str
    created_at: str
    started_at: str | None
    finished_at: str | None
    schedule: str | None
    cause: str | None


class JobShown(JobLine, frozen=True, kw_only=True):
    """A job whole: what it was given (for administrators), why attempts failed, and what came of it."""

    args: Any
    errors: list[AttemptShown]
    result: Any


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of jobs, newest first; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[JobLine]
    next_cursor: str | None


class QueueList(msgspec.Struct, frozen=True, kw_only=True):
    """All queues; they come in one page."""

    items: list[QueueShown]
    next_cursor: str | None = None


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """How many failed jobs are done once more; if it is 1,000 there may be others: ask again."""

    redriven: int


def job_routes(verbs: JobVerbs, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/jobs` and `/api/v1/queues`."""

    @get("/api/v1/jobs", operation_id="list_jobs", tags=["jobs"])
    async def jobs(
        request: Asked,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        queue: QueueName = None,
        kind: FromQuery[str | None] = None,
        in_state: StateName = None,
        workspace: FromQuery[str | None] = None,
    ) -> JobList:
        """A workspace's jobs, newest first, also those that have ended and are still kept. For administrators; those
        of `system` see all workspaces, or the one they name."""
        wanted = JobsWanted(
            workspace=workspace,
            queue=_word(queue, Queue, "queue"),
            kind=kind,
            state=_word(in_state, JobState, "state"),
            cursor=cursor,
            limit=limit,
        )
        page = await verbs.jobs(request.user, wanted)
        return JobList(items=[job_line(job) for job in page.items], next_cursor=page.next_cursor)

    @get("/api/v1/jobs/{job_id:str}", operation_id="get_job", tags=["jobs"])
    async def job(request: Asked, job_id: FromPath[str]) -> JobShown:
        """One job: its attempts, why they failed, and its result. For administrators, and for who handed it over."""
        return job_shown(await verbs.job(request.user, _number(job_id)))

    @post("/api/v1/jobs/{job_id:str}/cancel", status_code=200, operation_id="cancel_job", tags=["jobs"])
    async def cancel(request: Asked, job_id: FromPath[str]) -> JobShown:
        """Ends a job that has not ended; one that runs is stopped, what it did stays done. Idempotent."""
        return job_shown(await verbs.cancel(request.user, _number(job_id), peer_address(request)))

    @post("/api/v1/jobs/{job_id:str}/retry", status_code=200, operation_id="retry_job", tags=["jobs"])
    async def retry(request: Asked, job_id: FromPath[str]) -> JobShown:
        """Has a job that failed or was cancelled done once more, with all its attempts."""
        return job_shown(await verbs.retry(request.user, _number(job_id), peer_address(request)))

    return [jobs, job, cancel, retry, *_queue_routes(verbs, peer_address)]


def _queue_routes(verbs: JobVerbs, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    @get("/api/v1/queues", operation_id="list_queues", tags=["queues"])
    async def queues(request: Asked) -> QueueList:
        """How the queues stand. All workspaces share them: they are for administrators of `system`."""
        return QueueList(items=await verbs.queues(request.user))

    @post("/api/v1/queues/{queue:str}/pause", status_code=200, operation_id="pause_queue", tags=["queues"])
    async def pause(request: Asked, queue: FromPath[str]) -> QueueShown:
        """No job of this queue is begun any more; what runs goes on, what comes waits. Idempotent."""
        return await verbs.pause(request.user, queue, True, peer_address(request))

    @post("/api/v1/queues/{queue:str}/resume", status_code=200, operation_id="resume_queue", tags=["queues"])
    async def resume(request: Asked, queue: FromPath[str]) -> QueueShown:
        """Jobs of this queue are begun again. Idempotent."""
        return await verbs.pause(request.user, queue, False, peer_address(request))

    @post("/api/v1/queues/{queue:str}/redrive", status_code=200, operation_id="redrive_queue", tags=["queues"])
    async def redrive(request: Asked, queue: FromPath[str]) -> Redriven:
        """Has the failed jobs of this queue done once more, the oldest first, at most 1,000 of them."""
        return Redriven(redriven=await verbs.redrive(request.user, queue, peer_address(request)))

    @post(
        "/api/v1/queues/{queue:str}/limit",
        status_code=200,
        guards=[_only_operators],
        dto=json_body(QueueLimit),
        return_dto=None,
        operation_id="limit_queue",
        tags=["queues"],
    )
    async def limit(request: Asked, queue: FromPath[str], data: JSONBody[QueueLimit]) -> QueueShown:
        """At most so many jobs of this queue at a time, on all nodes together; what runs goes on. Null: as many
        as nodes have slots. Idempotent."""
        return await verbs.limit(request.user, queue, data.limit, peer_address(request))

    return [queues, pause, resume, redrive, limit]


async def _only_operators(connection: Connection, _: BaseRouteHandler) -> None:
    """Before the body is read."""
    operates(connection.user)


def queue_metrics_router(verbs: JobVerbs, service: Service) -> Router:
    """`GET /api/metrics/queue`."""

    @get("/api/metrics/queue", operation_id="queue_metrics", tags=["queues"])
    async def queue_metrics() -> QueueHealth:
        """Whether the queues are healthy, and how each stands; for this machine itself, and for who sees `/metrics`."""
        return await verbs.health()

    guards = [require_operator(service), refuse_unknown_parameters]
    return Router("/", guards=guards, route_handlers=[queue_metrics])


def job_line(job: Job) -> JobLine:
    """A job as it stands in a list."""
    return JobLine(**_fields(job))


def job_shown(job: Job) -> JobShown:
    """A job as it is shown whole."""
    return JobShown(
        **_fields(job),
        args=msgspec.json.decode(job.args),
        errors=[_attempt(error) for error in job.errors],
        result=None if job.result is None else msgspec.json.decode(job.result),
    )


def _fields(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "queue": job.queue.value,
        "kind": job.kind,
        "state": job.state,
        "workspace": job.workspace,
        "framework_id": job.framework,
        "priority": job.prio,
        "attempt": job.attempt,
        "attempts_max": job.attempts_max,
        "run_at": rfc3339(job.run_at),
        "created_at": rfc3339(job.created_at),
        "started_at": job.started_at and rfc3339(job.started_at),
        "finished_at": job.finished_at and rfc3339(job.finished_at),
        "schedule": job.schedule,
        # What went wrong on the way to success is told by `errors` alone.
        "cause": job.errors[-1].cause if job.errors and job.state is not JobState.COMPLETED else None,
    }


def _attempt(error: JobError) -> AttemptShown:
    return AttemptShown(at=rfc3339(error.at), attempt=error.attempt, cause=error.cause, traceback=error.traceback)


def _word(given: str | None, kind: Any, what: str) -> Any:
    words = parse_words(None if given is None else [given], kind, what)
    return words[0] if words else None


def _number(job_id: str) -> int:
    """A job's number as it stands in an address; 0, which no job has, for what cannot be one."""
    is_number = job_id.isascii() and job_id.isdigit() and len(job_id) < len(str(NUMBER_MAX)) and job_id[0] != "0"
    return int(job_id) if is_number else 0
