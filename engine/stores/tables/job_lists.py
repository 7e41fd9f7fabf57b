"""What can be asked about jobs in the store: one, a page of them, how queues stand, what schedules did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from engine.stores.jobs import JobQuery, LastRun, QueueCounts, ScheduleState
from engine.stores.tables.connection import Connection, either
from protocol.jobs import Job, JobError, JobState, Queue
from protocol.times import SECOND_US

STATES = (
    *(JobState.DELAYED, JobState.WAITING, JobState.ACTIVE),
    *(JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.DISCARDED),
)
_ENDED = 3
# What ends otherwise than completed is in indexes of its own.
_COMPLETED = 3
# There are a dozen kinds of jobs, each of one queue: the next one is a step through the index.
_NEXT_KIND = "SELECT min(kind) FROM job_done WHERE queue = ? AND kind > ?"
_NUMBER_MAX = (1 << 63) - 1
_COLUMNS = (
    "id, queue, kind, state, workspace, framework, args, prio, run_at, attempt, attempts_max, created_at, updated_at,"
    " started_at, errors, schedule"
)
_TABLES = {"job": f"{_COLUMNS}, NULL", "job_done": f"{_COLUMNS}, result"}
# A number is in one of the two only.
_ONE = " UNION ALL ".join(
    f"SELECT {columns} FROM {table} WHERE id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR workspace = ?2)"  # noqa: S608  # our own words
    for table, columns in _TABLES.items()
)
_LAST_ERROR = either(
    sqlite="json_array(json_remove(errors -> '$[#-1]', '$.traceback'))",
    postgres="CAST(jsonb_build_array((CAST(errors AS jsonb) -> -1) - 'traceback') AS text)",
)
_BRIEF = (
    _COLUMNS.replace(" args,", " '{}',").replace(
        " errors,",
        f" CASE WHEN errors = '[]' THEN errors ELSE {_LAST_ERROR} END,",
    )
    + ", NULL"
)
_COUNTS = """
SELECT queue, state, count(*), min(CASE WHEN state = 1 THEN run_at END) FROM job GROUP BY queue, state
UNION ALL SELECT queue, state, count, NULL FROM job_count
"""
_SCHEDULES = (
    "SELECT name, last_fire, covered, paused_at, completed, failed, skipped, last_verdict, last_started_at,"
    " last_finished_at FROM job_cron"
)
_errors = msgspec.json.Decoder(tuple[JobError, ...]).decode


def job(connection: Connection, workspace: str | None, number: int) -> Job | None:
    """One job, if it is this workspace's."""
    for row in connection.execute(_ONE, (number, workspace)).fetchall():
        return _job(row)
    return None


def jobs(connection: Connection, query: JobQuery) -> list[Job]:
    """A page of jobs, newest first. A number is in one table only, so two pages of them are one."""
    found = [row for table in _TABLES for row in _rows(connection, query, table)]
    found.sort(key=lambda row: row[0], reverse=True)
    return [_job(row) for row in found[: query.limit]]


def _rows(connection: Connection, query: JobQuery, table: str) -> list[Any]:
    state = None if query.state is None else STATES.index(query.state)
    if state is not None and (state >= _ENDED) != (table == "job_done"):
        return []
    given = {"workspace": query.workspace, "queue": query.queue and query.queue.value, "kind": query.kind}
    held = {column: value for column, value in given.items() if value is not None}
    has_index = "workspace" in held or state not in (None, _COMPLETED)
    if table == "job" or has_index or not held:
        return connection.execute(*page_statement(query, table, held, "workspace")).fetchall()
    kinds = [each for each in _kinds(connection) if each.items() >= held.items()]
    return [row for each in kinds for row in connection.execute(*page_statement(query, table, each)).fetchall()]


def page_statement(
    query: JobQuery, table: str, held: Mapping[str, Any], *leading: str
) -> tuple[str, tuple[str | int, ...]]:
    """A page of what holds all this, newest first; an index is chosen by the columns that lead (none: by all).

    Left to itself, the planner takes the index with most columns, also one that leaves it a week's jobs to sort.
    """
    held_by = [f"{column} = ?" if column in (leading or held) else f"+{column} = ?" for column in held]
    # Written out: the index of those that did not complete is not known to be meant by a parameter.
    of_state = [] if query.state is None else [f"state = {STATES.index(query.state)}"]
    condition = " AND ".join(["id < ?", *held_by, *of_state])
    columns = _BRIEF if query.is_brief else _TABLES[table]
    sql = f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY id DESC LIMIT ?"  # noqa: S608  # our words
    before = _NUMBER_MAX if query.before is None else query.before
    return sql, (before, *held.values(), query.limit)


def _kinds(connection: Connection) -> Iterator[dict[str, str]]:
    """Of which queues and kinds ended jobs are kept."""
    for queue in Queue:
        kind = ""
        while kind := connection.execute(_NEXT_KIND, (queue.value, kind)).fetchone()[0]:
            yield {"queue": queue.value, "kind": kind}


def _job(row: tuple[Any, ...]) -> Job:
    number, queue, kind, state, workspace, framework, args, prio, run_at, attempt, attempts_max, *rest = row
    created_at, updated_at, started_at, errors, schedule, result = rest
    return Job(
        id=number,
        queue=Queue(queue),
        kind=kind,
        state=STATES[state],
        workspace=workspace,
        framework=framework,
        args=args,
        prio=prio,
        run_at=run_at,
        attempt=attempt,
        attempts_max=attempts_max,
        created_at=created_at,
        updated_at=updated_at,
        started_at=started_at,
        finished_at=updated_at if state >= _ENDED else None,
        result=result,
        schedule=schedule,
        errors=_errors(errors),
    )


def queue_counts(connection: Connection, now: int) -> dict[Queue, QueueCounts]:
    """How each queue stands."""
    counts: dict[Queue, dict[str, Any]] = {queue: {} for queue in Queue}
    for name, state, count, due in connection.execute(_COUNTS).fetchall():
        of = counts[Queue(name)]
        word = STATES[state].value
        if word in QueueCounts.__struct_fields__:
            of[word] = count
        if due is not None:
            of["oldest_s"] = max(0, now - due) / SECOND_US
    for name, paused_at, most in connection.execute("SELECT name, paused_at, most FROM job_queue").fetchall():
        counts[Queue(name)] |= {"is_paused": paused_at is not None, "limit": most}
    return {queue: QueueCounts(**of) for queue, of in counts.items()}


def schedules(connection: Connection, names: Sequence[str] | None = None) -> dict[str, ScheduleState]:
    """What is known of these schedules, or of all."""
    if names is None:
        return {row[0]: schedule_state(row) for row in connection.execute(_SCHEDULES).fetchall()}
    sql = f"{_SCHEDULES} WHERE name IN (SELECT value FROM json_each(?))"  # noqa: S608  # our own words
    rows = connection.execute(sql, (msgspec.json.encode(names).decode(),)).fetchall()
    return {row[0]: schedule_state(row) for row in rows}


def schedule_state(row: tuple[Any, ...]) -> ScheduleState:
    """A row of `job_cron`, in the order of its columns."""
    *state, verdict, started_at, finished_at = row
    last = None if verdict is None else LastRun(verdict=verdict, started_at=started_at, finished_at=finished_at)
    return ScheduleState(**dict(zip(ScheduleState.__struct_fields__, state, strict=False)), last=last)
