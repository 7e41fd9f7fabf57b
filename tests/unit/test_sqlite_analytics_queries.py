"""That no statement of analytics scans a table: findings, incidents, counts of alerts."""

from __future__ import annotations

import sqlite3
from types import ModuleType
from typing import Any

import pytest

from engine.core.analytics.calendar import HOUR_US
from engine.stores.aggregates import AggregateQuery, Dimension
from engine.stores.findings import FindingQuery
from engine.stores.incidents import IncidentQuery
from engine.stores.tables import (
    aggregate_counts,
    aggregate_hours,
    aggregate_sums,
    aggregates,
    delivery_lines,
    findings,
    incidents,
)
from protocol.incidents import IncidentState
from protocol.model import Severity
from tests.support.plans import connection, costly, counted, plan
from tests.support.stores import NOW

__all__ = ["connection"]
FINDINGS = [
    (findings.NAMED, ("acme", "pattern", "[]"), "finding"),
    (findings.DUE, ("prediction", NOW, 10), "finding_due"),
    (findings.OLD, (NOW, 10), "finding_kept"),
    (findings.SETTLE, ("new", 0.5, None, "{}", NOW, "acme", "pattern", "k", 1), "finding"),
    (findings.HISTORY, (1, "0", "1", 0, NOW, 10), "alert"),
]


def is_served_by(index: str, steps: list[str]) -> None:
    """That no step of a plan is costly, and one is this."""
    assert costly(steps) == []
    assert any(index in step for step in steps)


@pytest.mark.parametrize(("sql", "values", "index"), FINDINGS)
def test_what_is_asked_of_findings_is_served_by_an_index(
    connection: sqlite3.Connection, sql: str, values: Any, index: str
) -> None:
    is_served_by(index, plan(connection, sql, values))


FOUND: list[tuple[dict[str, Any], str]] = [
    ({}, "finding_by_time"),
    ({"frameworks": ("checkout",), "states": ("new",), "sorts": ("pair",), "score_min": 0.5}, "finding_by_time"),
    ({"framework": "checkout", "since_us": 1, "until_us": NOW}, "finding_by_framework"),
    ({"rule_id": "r", "framework": "checkout"}, "finding_by_rule"),
    ({"cursor": findings.CURSORS.after((NOW, "k"))}, "finding_by_time"),
]


@pytest.mark.parametrize(("more", "index"), FOUND)
def test_a_page_of_findings_is_read_in_its_order(connection: sqlite3.Connection, more: Any, index: str) -> None:
    query = FindingQuery(workspace="acme", kind="pattern", **more)
    is_served_by(f"SEARCH finding USING INDEX {index} ", plan(connection, *findings.page_statement(query)))


INCIDENTS = [
    (incidents.PLACE, ("acme",), "incident_place"),
    (incidents.NAMED, ("acme", "[]"), "incident"),
    (incidents.MEMBERS, ("acme", "[]"), "incident_alert_of"),
    (incidents.IDS_OF, ("acme", "[]"), "incident_alert"),
    (incidents.MOVE, (1, 1, "", "acme", 1), "incident_place"),
    (incidents.TOUCH, ("acme",), "incident_place"),
    (incidents.OLD, (NOW, 10), "incident_kept"),
    (incidents.OLD_ALERTS, ("acme", "i"), "incident_alert_of"),
]


@pytest.mark.parametrize(("sql", "values", "index"), INCIDENTS)
def test_what_is_asked_of_incidents_is_served_by_an_index(
    connection: sqlite3.Connection, sql: str, values: Any, index: str
) -> None:
    is_served_by(index, plan(connection, sql, values))


PAGES_OF_INCIDENTS: list[dict[str, Any]] = [
    {},
    {"frameworks": ("checkout", "search"), "framework": "checkout", "since_us": 1, "until_us": NOW},
    {"cursor": incidents.CURSORS.after(("i",))},
]


@pytest.mark.parametrize("more", PAGES_OF_INCIDENTS)
def test_a_page_of_incidents_is_read_in_its_order(connection: sqlite3.Connection, more: Any) -> None:
    query = IncidentQuery(workspace="acme", **more)
    steps = plan(connection, *incidents.page_statement(query, IncidentState.OPEN))
    is_served_by("SEARCH incident USING INDEX incident_by_state ", steps)


COUNTS: list[tuple[ModuleType, str, Any, str]] = [
    (aggregate_hours, "DUE", (NOW, 9), "aggregate_hour_due (due>? AND due<?)"),
    (aggregate_hours, "LOST", (NOW, 9), "aggregate_hour_taken (token<?)"),
    (aggregate_hours, "TAKE", (NOW, 1, 0, NOW, -1), "PRIMARY KEY (workspace=? AND start=?)"),
    (aggregate_hours, "HELD", (1, 0, NOW), "PRIMARY KEY (workspace=? AND start=?)"),
    (aggregate_hours, "COUNTED", (1, NOW, 1, 0, NOW), "PRIMARY KEY (workspace=? AND start=?)"),
    (
        aggregate_counts,
        "PIECE_END",
        (1, 0, NOW, 9),
        "alert_by_time (workspace=? AND triggered_at>? AND triggered_at<?)",
    ),
    (aggregate_counts, "COUNT", (1, 0, NOW), "alert_by_time (workspace=? AND triggered_at>? AND triggered_at<?)"),
    (aggregate_counts, "COUNT", (1, 0, NOW), "delivery_of_alert (workspace=? AND alert_id=?)"),
    (aggregate_sums, "OF_HOUR", (1, 0), "PRIMARY KEY (workspace=? AND detail=? AND width=? AND start=?)"),
    (aggregate_sums, "THESE", (1, "[]"), "start=? AND channel=? AND rule=? AND severity=?"),
    (aggregate_sums, "GONE", (1, 1, 1, 0, 1, "", 1), "start=? AND channel=? AND rule=? AND severity=?"),
    (aggregates, "FRESHNESS", ("acme", 0, NOW), "PRIMARY KEY (workspace=? AND start>? AND start<?)"),
    (aggregates, "FIRST_HOUR", (1,), "SEARCH aggregate_hour USING PRIMARY KEY (workspace=?)"),
    (aggregates, "CHANNELS", (1,), "sqlite_autoindex_channel_1 (workspace=?)"),
    (delivery_lines, "MARK", ("acme", "[]", NOW), "sqlite_autoindex_alert_1 (workspace=? AND id=?)"),
]


@pytest.mark.parametrize(("where", "name", "values", "index"), COUNTS)
def test_what_counts_alerts_is_served_by_an_index(
    connection: sqlite3.Connection, where: ModuleType, name: str, values: Any, index: str
) -> None:
    steps = plan(connection, getattr(where, name), values)
    # `found` and `read` are the alerts of one piece, `wanted` some places; `ORDER BY` sorts what was summed up.
    harmless = ("SCAN found", "SCAN alert", "SCAN wanted", "SCAN json_each", "TEMP B-TREE FOR GROUP BY")
    assert [step for step in costly(steps) if not any(word in step for word in harmless)] == []
    assert any(index in step for step in steps), steps


def test_to_count_an_hour_costs_the_same_however_much_was_before_it(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.executemany(
        "INSERT INTO alert (workspace, channel, id, identity, state, severity, triggered_at, last_seen_at, occurrences,"
        " window_until, window_count, has_sources, body) VALUES (1, 1, ?, ?, 3, 1, ?, 0, 1, 0, 0, 0, '{}')",
        [(f"a{n}", f"i{n}", (n // 10 + 1) * HOUR_US + n) for n in range(2_000)],
    )
    assert steps_of_counting(connection, 200 * HOUR_US) < 1.2 * steps_of_counting(connection, HOUR_US)


def steps_of_counting(connection: sqlite3.Connection, hour: int) -> int:
    with counted(connection) as tens:
        until, found = aggregate_counts.piece(connection, 1, hour, hour)
    assert until == hour + HOUR_US
    assert sum(each.alerts for each in found.values()) == 10
    return sum(tens)


def test_what_waits_to_be_counted_is_read_from_the_indexes_of_that_alone(connection: sqlite3.Connection) -> None:
    steps = [step for step in plan(connection, aggregate_hours.WAITING, ()) if "aggregate_hour" in step]
    assert len(steps) == 3
    assert all("INDEX aggregate_hour_due" in step or "INDEX aggregate_hour_taken" in step for step in steps)


@pytest.mark.parametrize("channels", [None, [1, 2]])
@pytest.mark.parametrize(
    "more", [{}, {"rule_id": "r"}, {"group": (Dimension.RULE, Dimension.SEVERITY), "severities": (Severity.INFO,)}]
)
def test_counts_are_sums_over_one_range_of_one_width(
    connection: sqlite3.Connection, channels: list[int] | None, more: Any
) -> None:
    query = AggregateQuery(workspace="acme", since_us=0, until_us=NOW, **more)
    for statement in (aggregates.statement(1, query, channels), aggregates.times_statement(1, query, channels, ["r"])):
        steps = plan(connection, *statement)
        assert [step for step in steps if step.startswith("SEARCH aggregate ")]
        assert all("(workspace=? AND detail=? AND width=? AND start" in step for step in steps if "SEARCH ag" in step)
        assert [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step] == []
