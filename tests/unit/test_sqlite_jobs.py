"""What the embedded store keeps beside the contract: the view of programs around the earlier system, counts, nodes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from engine.stores import migrate
from engine.stores.sqlite.file import Database
from engine.stores.tables import job_claims as claims
from engine.stores.tables import job_ends as ends
from engine.stores.tables import job_lists
from engine.stores.tables import jobs as jobs_table
from protocol.jobs import JobError, NewJob, Queue, Settlement, Verdict
from protocol.times import SECOND_US
from tests.support.stores import NOW

HOUR_US = 3_600 * SECOND_US


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(Database(None).connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        yield connection


def put(connection: sqlite3.Connection, *jobs: NewJob) -> None:
    jobs_table.JOBS.run(connection, jobs_table.job_values(jobs, NOW))


def settle(connection: sqlite3.Connection, verdict: Verdict, cause: str | None = None) -> None:
    (claimed,) = claims.claim(connection, claims.Claimer("n1", 30.0), {Queue.ANALYTICS: 1}, NOW).claimed
    error = None if cause is None else JobError(at=NOW, attempt=1, cause=cause)
    run_at = NOW + HOUR_US
    ends.settle(connection, [Settlement(lease=claimed.lease, verdict=verdict, error=error, run_at=run_at)], NOW)


def view(connection: sqlite3.Connection, columns: str) -> sqlite3.Cursor:
    """As a program around reads it, whose connection trusts the file's own words."""
    connection.execute("PRAGMA trusted_schema = ON")
    return connection.execute(f"SELECT {columns} FROM alert_job_state ORDER BY CAST(id AS INTEGER)")


def test_the_earlier_systems_table_shows_each_state_as_it_knew_it(connection: sqlite3.Connection) -> None:
    for verdict in (Verdict.COMPLETED, Verdict.DISCARDED, Verdict.FAILED, Verdict.RETRY):
        put(connection, NewJob(queue=Queue.ANALYTICS, kind="k", workspace="acme", framework="web", args='{"a":1}'))
        settle(connection, verdict, None if verdict in (Verdict.COMPLETED, Verdict.DISCARDED) else "boom")
    put(connection, NewJob(queue=Queue.ANALYTICS, kind="k", workspace="acme"))
    claims.claim(connection, claims.Claimer("n1", 30.0), {Queue.ANALYTICS: 1}, NOW)
    assert view(connection, "status, error_message, retry_count, completed_at IS NOT NULL").fetchall() == [
        ("completed", None, 0, 1),
        ("completed", None, 0, 1),
        ("failed", "boom", 0, 0),
        ("pending", "boom", 1, 0),
        ("processing", None, 0, 0),
    ]


def asked_by_a_claim(connection: sqlite3.Connection) -> int:
    """How many statements it takes to claim whatever waits, in all queues."""
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    claims.claim(connection, claims.Claimer("n1", 30.0), dict.fromkeys(Queue, 8), NOW)
    connection.set_trace_callback(None)
    return len(asked)


def test_a_claim_asks_nothing_about_queues_in_which_nothing_waits(connection: sqlite3.Connection) -> None:
    assert asked_by_a_claim(connection) == 1, "what stands where"
    put(connection, NewJob(queue=Queue.ANALYTICS, kind="k", workspace="acme"))
    assert asked_by_a_claim(connection) == 2, "and the one job"
    put(connection, NewJob(queue=Queue.ANALYTICS, kind="k", workspace="acme", target="acme/mail"))
    assert asked_by_a_claim(connection) == 4, "and what waits for which target, and what waits for none"


def test_the_earlier_systems_table_has_its_columns_and_timestamps(connection: sqlite3.Connection) -> None:
    put(connection, NewJob(queue=Queue.ANALYTICS, kind="k", workspace="acme", framework="web", args='{"a":1}'))
    settle(connection, Verdict.COMPLETED)
    cursor = view(connection, "*")
    row: dict[str, Any] = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    (at,) = connection.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', ? / 1000000.0, 'unixepoch')", (NOW,)).fetchone()
    assert row == {
        "id": "1",
        "job_id": "1",
        "job_type": "analytics",
        "status": "completed",
        "workspace_id": "acme",
        "framework_id": "web",
        "data": '{"a":1}',
        "error_message": None,
        "retry_count": 0,
        "created_at": at,
        "updated_at": at,
        "completed_at": at,
    }


def test_how_the_queues_stand_is_told_without_reading_what_has_ended(connection: sqlite3.Connection) -> None:
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {job_lists._COUNTS}")]
    assert [step for step in steps if "job_done" in step] == []


def test_nodes_that_were_not_seen_for_an_hour_are_forgotten(connection: sqlite3.Connection) -> None:
    jobs_table.renew(connection, "gone", [], 30.0, NOW)
    jobs_table.renew(connection, "here", [], 30.0, NOW + HOUR_US)
    ends.sweep(connection, 10, NOW + HOUR_US)
    assert connection.execute("SELECT count(*) FROM job_node").fetchone() == (2,)
    ends.sweep(connection, 10, NOW + HOUR_US + 1)
    assert connection.execute("SELECT node FROM job_node").fetchall() == [("here",)]


def test_what_has_failed_again_since_a_redrive_began_is_not_redriven_by_it(connection: sqlite3.Connection) -> None:
    put(connection, NewJob(queue=Queue.ANALYTICS, kind="k"))
    settle(connection, Verdict.FAILED, "boom")
    assert ends.redrive_failed(connection, Queue.ANALYTICS, 10, NOW - 1, NOW) == 0
    assert ends.redrive_failed(connection, Queue.ANALYTICS, 10, NOW, NOW) == 1
