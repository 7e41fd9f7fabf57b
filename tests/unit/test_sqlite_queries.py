"""That no statement scans a table, and that stored JSON survives being joined by SQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.analytics.calendar import HOUR_US
from engine.stores import AlertQuery, Retention, migrate
from engine.stores.aggregates import AggregateQuery, Dimension
from engine.stores.findings import FindingQuery
from engine.stores.incidents import IncidentQuery
from engine.stores.jobs import JobQuery
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.file import Database
from engine.stores.tables import (
    aggregate_counts,
    aggregate_hours,
    aggregate_sums,
    aggregates,
    deliveries,
    delivery_lines,
    findings,
    incidents,
    job_claims,
    job_ends,
    job_lists,
    lists,
    nodes,
    queries,
    quiet,
    schedules,
    upkeep,
)
from engine.stores.tables import jobs as jobs_table
from engine.stores.tables import recipients as ledger
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.rows import CHANNELS, PEOPLE, WORKSPACES, prepare
from protocol.effects import Committed
from protocol.incidents import IncidentState
from protocol.jobs import Held, JobState, NewJob, Queue, Settlement, Shares, Verdict
from protocol.model import AlertState, DerivedKey, QuietedBy, Severity
from protocol.rows import Row, SourceReport, SuppressionWindow
from tests.support.stores import KEY, NOW, a_commit, an_alert


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(Database(None).connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        (outcome,) = Committer(Database(None), connection).commit([prepare(a_commit(rows=3))])
        assert isinstance(outcome, Committed)
        yield connection


def plan(connection: sqlite3.Connection, sql: str, values: Any) -> list[str]:
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def costly(steps: list[str]) -> list[str]:
    """Steps that read a whole table, or sort."""
    harmless = ("SCAN json_each", "SCAN new", "SCAN waiting", "CONSTANT ROW", "SCAN (subquery")
    return [
        step
        for step in steps
        if ("SCAN" in step or "TEMP B-TREE" in step) and not any(word in step for word in harmless)
    ]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("CHANNEL_PLACE", ("acme", "checkout")),
        ("_HELD", (1, NOW)),
        ("_SOURCED", (1,)),
        ("_WHERE_OPEN", ("[]", 1)),
        ("_BODIES", (1, "[1]")),
        ("_CHANNEL_EVENTS", (1, 0, 10)),
        ("_WORKSPACE_EVENTS", (1, 0, 10)),
        ("_USER_EVENTS", (1, 0, 10)),
        ("_PERSON", ("acme", "ann")),
        ("_WORKSPACE", ("acme",)),
        ("_LOCATE", ("acme", "[]")),
        ("_ALERT", ("acme", "x")),
        ("ALERTS_NAMED", ("acme", "[]")),
    ],
)
def test_a_read_is_served_by_an_index(connection: sqlite3.Connection, name: str, values: Any) -> None:
    assert costly(plan(connection, getattr(queries, name), values)) == []


def test_where_an_alert_is_open_is_a_seek_for_each_framework_and_no_walk_through_all_alerts(
    connection: sqlite3.Connection,
) -> None:
    steps = plan(connection, queries._WHERE_OPEN, ("[]", 1))
    assert any("alert_sourced (workspace=? AND channel=? AND identity=?)" in step for step in steps)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (ledger.KNOWN_MARK, (0, 1, "ann", 0, 1, 0, 0)),
        (ledger.ALERT_PLACES, ("acme", "x")),
        (ledger.ALERT_ENTRIES, (1, 1)),
        (ledger.RECIPIENTS, ("[[0,1,1]]", "", 10, 0, None)),
    ],
)
def test_the_ledger_is_served_by_indexes(connection: sqlite3.Connection, sql: str, values: Any) -> None:
    steps = [step for step in plan(connection, sql, values) if step not in ("SCAN place", "SCAN reader")]
    assert costly(steps) == []


@pytest.mark.parametrize("before", [None, "x"])
def test_a_persons_open_alerts_are_found_by_their_index(connection: sqlite3.Connection, before: str | None) -> None:
    cursor = None if before is None else lists.CURSORS.after((before,))
    query = AlertQuery(workspace="acme", assigned_to="ann", states=(AlertState.ACTIVE,), cursor=cursor)
    steps = plan(connection, *lists.list_statement(connection, query))
    assert costly(steps) == []
    assert any("alert_by_assignee" in step for step in steps)


@pytest.mark.parametrize(
    "more", [{}, {"framework": "checkout"}, {"assigned_to": "ann"}, {"cursor": lists.CURSORS.after(("a",))}]
)
def test_quiet_alerts_are_found_by_their_index(connection: sqlite3.Connection, more: Any) -> None:
    query = AlertQuery(workspace="acme", quieted=(QuietedBy.SILENCED, QuietedBy.STORM), **more)
    steps = plan(connection, *lists.list_statement(connection, query))
    assert costly(steps) == []
    searched = [step for step in steps if step.strip().startswith("SEARCH alert ")]
    assert searched
    assert all("alert_quieted" in step for step in searched)


@pytest.mark.parametrize(
    ("sql", "values"), [(quiet.STORM, (1,)), (quiet.STORMY, ("acme",)), (quiet.OPEN_FRAMEWORKS, ("acme",))]
)
def test_what_quieting_asks_is_served_by_indexes(connection: sqlite3.Connection, sql: str, values: Any) -> None:
    assert costly(plan(connection, sql, values)) == []


@pytest.mark.parametrize(
    ("sql", "values", "index"),
    [
        (deliveries._OF_ALERTS, ("acme", "[]"), "delivery_of_alert"),
        (deliveries.TOLD_OF, ("acme", "[]", "[]"), "delivery_of_alert"),
        (deliveries.TO_PLACE, ("acme", "a", "email", "user:ann"), "delivery_of_alert"),
        (deliveries.OF_ALERT, ("acme", "a", 0, 10), "delivery_of_alert"),
        (deliveries._TOLD, ("acme", "[]"), "delivery_of_alert"),
        (deliveries.BY_KEY, ("k", "acme"), "delivery_key"),
        (delivery_lines._KNOWN, ("[]",), "delivery_key"),
        (delivery_lines.LOST, ("[]", NOW, 1, "c"), "delivery_key"),
        (delivery_lines.LOST, ("[]", NOW, 1, "c"), "delivery_put_aside (due=? AND workspace=? AND channel=?"),
        (delivery_lines.CANCELLED, ("[]", NOW), "delivery_put_aside (due=? AND workspace=? AND channel=?"),
        (delivery_lines.AGAIN, ("[]", NOW), "delivery_key"),
        (delivery_lines.AGAIN, ("[]", NOW), "delivery_digest_failed (due=? AND workspace=? AND channel=?"),
        (deliveries.PUT_ASIDE, (NOW, "acme", "email", "user:ann", 10), "delivery_put_aside"),
        (
            deliveries.DIGESTS_DUE,
            (NOW, 1, "acme", "email", "user:ann", 10),
            "delivery_put_aside ((due,workspace,channel,recipient)>(",
        ),
        (deliveries.IN_APP, ("acme", "user:ann", 9, 10), "delivery_in_app"),
        (deliveries.UNREAD, ("acme", "user:ann"), "delivery_unread"),
        (deliveries.NOT_IN_APP, ("[]", "acme", "user:ann"), "delivery_key"),
        (deliveries._READ_ALL, (NOW, "acme", "user:ann"), "delivery_unread"),
        (deliveries._READ, (NOW, "acme", "user:ann", "[]"), "delivery_unread"),
        (deliveries._ANSWERED, (NOW, "acme", "user:ann", "[]"), "delivery_of_alert"),
        (delivery_lines._OLD, (NOW, 0, 0, 10), "delivery_kept"),
        (delivery_lines._FORGET, ("[]", NOW), "sqlite_autoindex_alert"),
        (deliveries._PRECEDING, ("acme", "web", 9, NOW, "[]"), "job_routing"),
        (deliveries.ROUTING[0], ("acme", "web", "a"), "job_routing"),
        (deliveries.ROUTING[1], ("acme", "web", "a"), "job_done_unrouted"),
    ],
)
def test_what_is_asked_of_notifications_is_served_by_its_index(
    connection: sqlite3.Connection, sql: str, values: Any, index: str
) -> None:
    steps = plan(connection, sql, values)
    # `older`: at most so many rows as are named there.
    harmless = ("VIRTUAL TABLE", "CONSTANT ROW", "SCAN older", index)
    assert [step for step in steps if "SCAN" in step and not any(word in step for word in harmless)] == []
    assert any(index in step for step in steps)


FINDINGS = [
    (findings.NAMED, ("acme", "pattern", "[]"), "finding"),
    (findings.DUE, ("prediction", NOW, 10), "finding_due"),
    (findings.OLD, (NOW, 10), "finding_kept"),
    (findings.SETTLE, ("new", 0.5, None, "{}", NOW, "acme", "pattern", "k", 1), "finding"),
    (findings.HISTORY, (1, "0", "1", 0, NOW, 10), "alert"),
]


@pytest.mark.parametrize(("sql", "values", "index"), FINDINGS)
def test_what_is_asked_of_findings_is_served_by_an_index(
    connection: sqlite3.Connection, sql: str, values: Any, index: str
) -> None:
    steps = plan(connection, sql, values)
    assert costly(steps) == []
    assert any(index in step for step in steps)


FOUND: list[tuple[dict[str, Any], str]] = [
    ({}, "finding_by_time"),
    ({"frameworks": ("checkout",), "states": ("new",), "sorts": ("pair",), "score_min": 0.5}, "finding_by_time"),
    ({"framework": "checkout", "since_us": 1, "until_us": NOW}, "finding_by_framework"),
    ({"rule_id": "r", "framework": "checkout"}, "finding_by_rule"),
    ({"cursor": findings.CURSORS.after((NOW, "k"))}, "finding_by_time"),
]


@pytest.mark.parametrize(("more", "index"), FOUND)
def test_a_page_of_findings_is_read_in_its_order(connection: sqlite3.Connection, more: Any, index: str) -> None:
    steps = plan(connection, *findings.page_statement(FindingQuery(workspace="acme", kind="pattern", **more)))
    assert costly(steps) == []
    assert any(f"SEARCH finding USING INDEX {index} " in step for step in steps)


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
    steps = plan(connection, sql, values)
    assert costly(steps) == []
    assert any(index in step for step in steps)


PAGES_OF_INCIDENTS: list[dict[str, Any]] = [
    {},
    {"frameworks": ("checkout", "search"), "framework": "checkout", "since_us": 1, "until_us": NOW},
    {"cursor": incidents.CURSORS.after(("i",))},
]


@pytest.mark.parametrize("more", PAGES_OF_INCIDENTS)
def test_a_page_of_incidents_is_read_in_its_order(connection: sqlite3.Connection, more: Any) -> None:
    query = IncidentQuery(workspace="acme", **more)
    steps = plan(connection, *incidents.page_statement(query, IncidentState.OPEN))
    assert costly(steps) == []
    assert any("SEARCH incident USING INDEX incident_by_state " in step for step in steps)


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


MORE = [{}, {"assigned_to": "ann"}, {"framework": "checkout"}, {"rule_id": "r", "since_us": 1}]


@pytest.mark.parametrize("more", MORE)
def test_the_ids_that_a_filter_means_are_found_by_an_index(connection: sqlite3.Connection, more: Any) -> None:
    query = AlertQuery(workspace="acme", states=(AlertState.ACTIVE, AlertState.ACKNOWLEDGED), **more)
    steps = plan(connection, *lists.list_statement(connection, query, lists._IDS))
    assert costly(steps) == []
    assert any("USING INDEX" in step or "USING COVERING INDEX" in step for step in steps)


def test_channels_are_found_by_their_names(connection: sqlite3.Connection) -> None:
    assert costly(plan(connection, lists._CHANNEL_NUMBERS, (1, "[]"))) == []


def test_unsettled_reads_only_small_indexes(connection: sqlite3.Connection) -> None:
    scanned = [step for step in plan(connection, queries._UNSETTLED, ()) if step.startswith("SCAN")]
    small = [
        "alert_owed",
        "alert_sourced",
        "alert_quieted_open",
        "alert_taken",
        "rule_state_waiting",
        "channel_unsettled",
    ]
    assert [step.rpartition(" ")[2] for step in scanned] == small


@pytest.mark.parametrize("framework", [{}, {"framework": "checkout"}, {"frameworks": ("checkout", "search")}])
@pytest.mark.parametrize("states", [(), (AlertState.ACTIVE,), (AlertState.ACTIVE, AlertState.ACKNOWLEDGED)])
@pytest.mark.parametrize("severities", [(), (Severity.INFO, Severity.CRITICAL)])
@pytest.mark.parametrize(
    "more", [{}, {"rule_id": "r", "since_us": 1, "until_us": NOW, "cursor": lists.CURSORS.after(("a",))}]
)
def test_a_list_seeks_and_merges(
    connection: sqlite3.Connection, framework: Any, states: Any, severities: Any, more: Any
) -> None:
    query = AlertQuery(workspace="acme", states=states, severities=severities, **framework, **more)
    steps = plan(connection, *lists.list_statement(connection, query))
    assert costly(steps) == []
    assert any(step.strip().startswith("SEARCH alert USING INDEX") for step in steps)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        (upkeep.NEXT_LONG_CHANNEL, (1, 10)),
        (upkeep.FIRST_YOUNG_EVENT, (1, 0, 500, NOW)),
        (upkeep.DELETE_EVENTS, (1, 0, 500)),
        (upkeep.DELETE_ENTRIES, (1, "[1]")),
        (upkeep.OLD_CONNECTIONS, (NOW, 500)),
        ("UPDATE websocket_connections SET status = 'disconnected' WHERE status = 'active'", ()),
        (nodes.LOST_CONNECTIONS, (NOW, 500)),
    ],
)
def test_upkeep_is_served_by_an_index(connection: sqlite3.Connection, sql: str, values: Any) -> None:
    assert costly(plan(connection, sql, values)) == []


def test_trimming_goes_on_also_if_the_events_are_gone_already(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM event")
    committer = Committer(Database(None), connection)
    committer.commit([prepare(a_commit(base=3))])
    retention = Retention(events_s=0, events_per_channel=1)
    assert upkeep.trim_events(connection, retention, NOW, 0) == (0, 1)
    assert upkeep.trim_events(connection, retention, NOW, 1) == (0, None)


@pytest.mark.parametrize("bulk", [CHANNELS, WORKSPACES, PEOPLE, upkeep._CHANGED])
def test_an_update_of_many_rows_looks_each_up(connection: sqlite3.Connection, bulk: Bulk) -> None:
    assert costly(plan(connection, bulk._text(4), [None] * 4 * bulk.width)) == []


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 255, 256, 257, 700])
def test_many_rows_are_inserted_in_order_whatever_their_number(rows: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE pair (a, b)")
        Bulk("INSERT INTO pair", "ii").run(connection, [value for n in range(rows) for value in (n, -n)])
        assert connection.execute("SELECT * FROM pair").fetchall() == [(n, -n) for n in range(rows)]


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
numbers = st.integers(0, 2**53)
floats = st.floats(allow_nan=False, allow_infinity=False)
sources = st.builds(
    SourceReport,
    labels=st.dictionaries(texts, texts, max_size=2),
    annotations=st.dictionaries(texts, texts, max_size=2),
    starts_at=numbers,
    ends_at=numbers,
    explicit_end=st.booleans(),
)
windows = st.builds(
    SuppressionWindow, until=numbers, count=numbers, first_at=numbers, last_at=numbers, worst=st.none() | floats
)


@given(
    title=texts,
    labels=st.dictionaries(texts, texts, max_size=3),
    value=floats,
    identity=texts,
    window=windows,
    reports=st.lists(sources, max_size=2).map(tuple),
)
def test_any_row_and_event_comes_back_as_it_was(
    title: str,
    labels: dict[str, str],
    value: float,
    identity: str,
    window: SuppressionWindow,
    reports: tuple[SourceReport, ...],
) -> None:
    alert = an_alert(title=title, labels=labels, current_value=value)
    row = Row(alert=alert, identity=identity, window=window, sources=reports)
    with closing(Database(None).connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        commit = a_commit(rows=[row])
        numbered = msgspec.structs.replace(commit.decision.events[0], workspace_offset=99)
        commit = msgspec.structs.replace(commit, decision=msgspec.structs.replace(commit.decision, events=(numbered,)))
        Committer(Database(None), connection).commit([prepare(commit)])
        assert queries.recall(connection, "e", KEY, NOW).rows == (row,)
        (event,) = queries.history(connection, KEY, 0, 10)
        assert (event.alert, event.workspace_offset) == (alert, 1)
        assert lists.alerts(connection, AlertQuery(workspace="acme")).items == [alert]


def test_channels_beyond_those_remembered_are_read_again(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.stores.tables.places.PLACES_REMEMBERED", 1)
    committer = Committer(Database(None), connection)
    for base in range(3, 6):
        for framework in ("checkout", "search", "cart"):
            offset = base if framework == "checkout" else base - 3
            (outcome,) = committer.commit([prepare(a_commit(KEY._replace(framework=framework), offset))])
            assert isinstance(outcome, Committed)
    assert queries.derived_position(connection, "e", DerivedKey("acme")).offset == 12


def a_bug(connection: sqlite3.Connection) -> None:
    raise KeyError("no such thing")


def a_broken_row(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO channel (workspace, framework) VALUES (NULL, NULL)")


@pytest.mark.parametrize("breaks", [a_bug, a_broken_row])
def test_a_job_that_breaks_off_leaves_nothing_behind_whatever_broke_it(
    connection: sqlite3.Connection, breaks: Callable[[sqlite3.Connection], None]
) -> None:
    committer = Committer(Database(None), connection)

    def job(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM event")
        breaks(connection)

    with pytest.raises((KeyError, sqlite3.IntegrityError)):
        committer.run(job)
    assert not connection.in_transaction
    assert len(queries.history(connection, KEY, 0, 10)) == 3
    (outcome,) = committer.commit([prepare(a_commit(base=3))])
    assert isinstance(outcome, Committed)


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


@contextmanager
def counted(connection: sqlite3.Connection) -> Iterator[list[int]]:
    """SQLite's own steps, in tens: what it did, and not how fast this machine is."""
    tens: list[int] = []

    def count() -> int:
        tens.append(1)
        return 0

    connection.set_progress_handler(count, 10)
    yield tens
    connection.set_progress_handler(None, 10)
