"""That no statement scans a table, and that stored JSON survives being joined by SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.stores import AlertQuery, Retention, migrate
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.file import Database
from engine.stores.tables import deliveries, delivery_lines, lists, nodes, queries, quiet, upkeep
from engine.stores.tables import recipients as ledger
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.rows import CHANNELS, PEOPLE, WORKSPACES, prepare
from protocol.effects import Committed
from protocol.model import AlertState, DerivedKey, QuietedBy, Severity
from protocol.rows import Row, SourceReport, SuppressionWindow
from tests.support.plans import connection, costly, plan
from tests.support.stores import KEY, NOW, a_commit, an_alert

__all__ = ["connection"]


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
