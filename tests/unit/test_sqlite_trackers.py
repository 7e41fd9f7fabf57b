"""That lists of trackers and of steps' alerts are served by indexes, the reference's among them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from engine.stores import migrate
from engine.stores.sqlite.file import Database
from engine.stores.tables.progress import PLACES
from engine.stores.tables.trackers import (
    ALERT_CURSORS,
    CURSORS,
    DEFINITIONS,
    LATE_CURSORS,
    step_alert_statement,
    tracker_statement,
)
from engine.stores.workflows import StepAlertQuery, TrackerQuery
from protocol.model import AlertState
from tests.support.stores import NOW


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(Database(None).connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        yield connection


def plan(connection: sqlite3.Connection, sql: str, values: Any) -> list[str]:
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def costly(steps: list[str]) -> list[str]:
    """Steps that read a whole table, or sort. What a batch names itself may be read from end to end."""
    named = ("wanted", "tracked", "space", "json_each", "CONSTANT ROW", "(subquery")
    return [
        step
        for step in steps
        if ("SCAN" in step and not any(word in step for word in named)) or "USE TEMP B-TREE" in step
    ]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "sqlite_autoindex_tracker_1 (workspace=?)"),
        ({"cursor": CURSORS.after(("42",))}, "sqlite_autoindex_tracker_1 (workspace=? AND project>?)"),
        ({"project_id": "42"}, "sqlite_autoindex_tracker_1 (workspace=? AND project=?)"),
        ({"item_id": "i0"}, "tracker_by_item (workspace=? AND item=?)"),
        (
            {"workflow_id": "roofing", "cursor": CURSORS.after(("42",))},
            "tracker_by_workflow (workspace=? AND workflow=? AND project>?)",
        ),
        ({"late_before_us": NOW}, "tracker_late (workspace=? AND late_at<?)"),
        ({"late_before_us": NOW, "cursor": LATE_CURSORS.after((10, "42"))}, "tracker_late (workspace=? AND "),
    ],
)
@pytest.mark.parametrize("projects", [None, ("42", "43")])
def test_a_list_of_trackers_is_a_seek(
    connection: sqlite3.Connection, wanted: dict[str, Any], index: str, projects: Any
) -> None:
    steps = plan(connection, *tracker_statement(TrackerQuery(workspace="acme", projects=projects, **wanted)))
    assert costly(steps) == []
    if projects is None:
        assert any(index in step for step in steps), steps


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({}, "alert_step_by_creation (workspace=?)"),
        ({"cursor": ALERT_CURSORS.after((10, 1, 1))}, "alert_step_by_creation (workspace=? AND triggered_at<?)"),
        ({"projects": ("42",)}, "alert_step_by_creation (workspace=?)"),
        ({"project_id": "42", "state": AlertState.ACTIVE}, "alert_step_by_state (channel=? AND state=?)"),
        (
            {"project_id": "42", "cursor": ALERT_CURSORS.after((10, 1, 1))},
            "alert_step_by_state (channel=? AND state=? AND triggered_at<?)",
        ),
        ({"project_id": "42"}, "alert_step_by_state (channel=? AND state=?)"),
    ],
)
def test_a_list_of_alerts_about_steps_is_a_seek(
    connection: sqlite3.Connection, wanted: dict[str, Any], index: str
) -> None:
    steps = plan(connection, *step_alert_statement(StepAlertQuery(workspace="acme", **wanted), 1, 1))
    assert [step for step in costly(steps) if step != "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"] == []
    assert any(index in step for step in steps), steps


def test_where_the_projects_of_a_batch_stand_is_found_by_indexes(connection: sqlite3.Connection) -> None:
    steps = plan(connection, PLACES, ("acme", '["42"]', NOW, "[]"))
    assert costly(steps) == []
    for index in ("alert_active_step", "alert_cooling_step", "alert_owed", "sqlite_autoindex_tracker_1"):
        assert any(index in step for step in steps), steps


def test_definitions_are_found_by_their_ids(connection: sqlite3.Connection) -> None:
    assert costly(plan(connection, DEFINITIONS, ("acme", '["roofing"]'))) == []


def test_a_second_open_alert_of_a_step_is_refused_by_the_store_itself(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO workspace (id, name) VALUES (1, 'acme')")
    connection.execute("INSERT INTO channel (id, workspace, framework) VALUES (1, 1, '42')")
    insert = (
        "INSERT INTO alert (workspace, channel, id, identity, state, severity, triggered_at, last_seen_at, occurrences,"
        " window_until, window_count, has_sources, body, step) VALUES (1, 1, ?, ?, ?, 1, 0, 0, 1, 0, 0, 0, '{}', 'i0')"
    )
    connection.execute(insert, ("a", "one", 1))
    connection.execute(insert, ("b", "one", 3))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        connection.execute(insert, ("c", "another", 2))
