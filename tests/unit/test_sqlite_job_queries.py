"""That no statement of the queue scans a table, however much waits in it."""

from __future__ import annotations

import re
import sqlite3
from types import ModuleType
from typing import Any

import pytest

from engine.stores.jobs import JobQuery
from engine.stores.tables import job_claims, job_ends, job_lists, schedules
from engine.stores.tables import jobs as jobs_table
from protocol.jobs import Held, JobState, NewJob, Queue, Settlement, Shares, Verdict
from tests.support.plans import connection, costly, counted, plan
from tests.support.stores import NOW

__all__ = ["connection"]
JOB_STATEMENTS = [
    *((jobs_table, name) for name in ("_RENEW", "LOST", "_HELD", "_ONE", "_SEEN", "_PUT_OFF_AHEAD")),
    *((job_claims, name) for name in ("_IN_QUEUES", "_BECOME_DUE", "_CLAIM", "_CLAIM_THESE", "_FREE_RANKS")),
    *((job_claims, name) for name in ("_FRONT", "_NEXT_TARGET", "_OF_TARGET", "_HAS_NESTED")),
    *(
        (job_ends, name)
        for name in ("_END", "_GONE", "_GO_ON", "_THERE", "_FREE", "_RAN", "_CANCEL", "_AGAIN", "_FAILED", "_OLD")
    ),
    (job_lists, "_NEXT_KIND"),
    *((schedules, name) for name in ("_IS_GOING", "_MOVE", "_ADD")),
]


@pytest.mark.parametrize(("where", "name"), JOB_STATEMENTS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_statement_of_the_queue_reads_a_whole_table(
    connection: sqlite3.Connection, where: ModuleType, name: str
) -> None:
    sql = getattr(where, name)
    numbered = [int(number) for number in re.findall(r"[?]([0-9]+)", sql)]
    steps = plan(connection, sql, [None] * (max(numbered) if numbered else sql.count("?")))
    # What is given as JSON is as long as the batch.
    assert [step for step in costly(steps) if "VIRTUAL TABLE" not in step] == []


def test_what_is_due_next_costs_the_same_however_much_waits_in_a_queue_that_is_paused(
    connection: sqlite3.Connection,
) -> None:
    def add(count: int) -> None:
        jobs = [NewJob(queue=Queue.NOTIFICATION, kind="noop", run_at=NOW + 1)] * count
        jobs_table.JOBS.run(connection, jobs_table.job_values(jobs, NOW))

    jobs_table.pause(connection, Queue.NOTIFICATION, NOW)
    later = NewJob(queue=Queue.ALERT, kind="noop", run_at=NOW + 9)
    jobs_table.JOBS.run(connection, jobs_table.job_values([later], NOW))
    add(100)
    with counted(connection) as few:
        assert jobs_table.next_due(connection) == NOW + 9
    add(10_000)
    with counted(connection) as many:
        assert jobs_table.next_due(connection) == NOW + 9
    assert sum(many) < 1.2 * sum(few)


WHERES = [{}, {"workspace": "acme"}, {"queue": "alert"}, {"kind": "k"}, {"queue": "alert", "kind": "k"}]


WHERES += [{"workspace": "acme", **each} for each in WHERES[2:]]


@pytest.mark.parametrize("table", ["job", "job_done"])
@pytest.mark.parametrize("state", [None, *JobState])
@pytest.mark.parametrize("held", WHERES, ids=str)
def test_a_list_of_jobs_is_read_in_its_order_and_only_as_far_as_it_is_shown(
    connection: sqlite3.Connection, held: Any, state: JobState | None, table: str
) -> None:
    statement = job_lists.page_statement(JobQuery(state=state), table, held, "workspace")
    (step,) = plan(connection, *statement)
    ended = (JobState.FAILED, JobState.CANCELLED, JobState.DISCARDED)
    if table == "job_done" and state in ended:
        assert ("INDEX job_done_of_state_here" if "workspace" in held else "INDEX job_done_of_state ") in step
    elif "workspace" in held:
        assert (
            f"INDEX {table}_of_workspace (workspace=? AND rowid<?)" in step
            or "_of_workspace (workspace=? AND id<?" in step
        )
    else:
        assert "INTEGER PRIMARY KEY (rowid<?)" in step


def test_a_list_of_a_queue_or_a_kind_costs_the_same_whatever_others_have_left(connection: sqlite3.Connection) -> None:
    def leave(kind: str, queue: Queue, count: int) -> None:
        jobs = [NewJob(queue=queue, kind=kind)] * count
        jobs_table.JOBS.run(connection, jobs_table.job_values(jobs, NOW))
        for one in job_claims.claim(connection, job_claims.Claimer("n1", 30.0), {queue: count}, NOW).claimed:
            job_ends.settle(connection, [Settlement(lease=one.lease, verdict=Verdict.COMPLETED)], NOW)

    def look() -> int:
        with counted(connection) as steps:
            assert [job.kind for job in job_lists.jobs(connection, JobQuery(kind="rare"))] == ["rare"] * 3
            assert len(job_lists.jobs(connection, JobQuery(queue=Queue.PREDICTION))) == 3
        return sum(steps)

    leave("rare", Queue.PREDICTION, 3)
    leave("usual", Queue.ALERT, 50)
    few = look()
    leave("usual", Queue.ALERT, 2_000)
    assert look() < 1.2 * few


@pytest.mark.parametrize("is_beside_a_hanging_target", [False, True])
def test_a_claim_costs_the_same_with_a_hundred_thousand_jobs_behind_it(
    connection: sqlite3.Connection, is_beside_a_hanging_target: bool
) -> None:
    shares = Shares(in_hand={Held(queue, "", "hangs"): 4 for queue in Queue} if is_beside_a_hanging_target else {})
    by = job_claims.Claimer("n1", 30.0, shares)

    def add(count: int) -> None:
        jobs = [
            NewJob(queue=queue, kind="noop", run_at=at, target=target)
            for queue in Queue
            for at in (0, NOW + 10**9)
            for target in (None, "hangs")[: 1 + is_beside_a_hanging_target]
        ]
        jobs_table.JOBS.run(connection, jobs_table.job_values(jobs * (count // len(jobs)), NOW))

    add(8_000)
    few = steps_of_a_claim(connection, by)
    add(100_000)
    assert steps_of_a_claim(connection, by) < 1.2 * few


def test_a_workspace_that_may_begin_no_more_has_its_targets_passed_over(connection: sqlite3.Connection) -> None:
    shares = Shares(of_workspace={Queue.ALERT: 4}, in_hand={Held(Queue.ALERT, "acme", "acme/hangs"): 4})
    by = job_claims.Claimer("n1", 30.0, shares)

    def add(workspace: str, targets: int) -> None:
        names = [f"{workspace}/webhook/{number}" for number in range(targets)]
        jobs = [
            NewJob(queue=Queue.ALERT, kind="noop", workspace=workspace, target=name) for name in names for _ in "abc"
        ]
        jobs_table.JOBS.run(connection, jobs_table.job_values(jobs, NOW))

    add("acme", 100)
    add("other", 8)
    few = steps_of_a_claim(connection, by, 4)
    add("acme", 1_000)
    assert steps_of_a_claim(connection, by, 4) < 1.2 * few


def steps_of_a_claim(connection: sqlite3.Connection, by: job_claims.Claimer, expected: int = 64) -> int:
    with counted(connection) as tens:
        claimed = job_claims.claim(connection, by, dict.fromkeys(Queue, 16), NOW).claimed
    assert len(claimed) == expected
    return sum(tens)
