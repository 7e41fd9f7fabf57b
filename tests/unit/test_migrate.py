"""Migrations: in order, once, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.stores import migrate as m
from protocol.errors import StoreRefused

FIRST = m.Migration(1, "first", "CREATE TABLE one (a);")
SECOND = m.Migration(2, "second", "CREATE TABLE two (a);\nINSERT INTO two VALUES (';');")
BROKEN = m.Migration(3, "broken", "CREATE TABLE three (a); INSERT INTO nowhere VALUES (1);")


# Hours of a workspace, counted: the first has no confirmed alert, the second waits, the third is to be counted again.
COUNTED = """
INSERT INTO aggregate_hour (workspace, start, due, changed) VALUES (1, 0, NULL, 7), (1, 3600000000, 9, 9),
    (1, 7200000000, NULL, 7);
INSERT INTO aggregate (workspace, detail, width, start, channel, rule, severity, alerts, active, acknowledged, resolved,
    expired, suppressed, quieted, notified, noisy, confirmed, false_alarms, taken, taken_ms, ended, ended_ms, times)
    VALUES (1, 0, 1, 0, 1, '', 1, 2, 0, 0, 2, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, '{}'),
    (1, 0, 1, 3600000000, 1, '', 1, 2, 0, 0, 2, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, '{}'),
    (1, 0, 1, 7200000000, 1, '', 1, 2, 0, 0, 2, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, '{}');
"""


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_our_files_are_numbered_from_1_without_holes() -> None:
    assert [migration.number for migration in m.migrations("sqlite")] == list(range(1, len(m.migrations("sqlite")) + 1))
    assert m.migrations("nothing") == []


def test_two_of_one_number_are_both_named() -> None:
    other = m.Migration(2, "other", "CREATE TABLE other (a);")
    assert m.in_order([other, FIRST]) == [FIRST, other]
    with pytest.raises(StoreRefused, match="the number 2: 'other' and 'second'"):
        m.in_order([SECOND, FIRST, other])


def test_what_is_missing_is_applied_in_order_and_only_once(connection: sqlite3.Connection) -> None:
    assert [line.name for line in m.apply(connection, [FIRST])] == ["first"]
    assert [line.name for line in m.apply(connection, [FIRST, SECOND])] == ["second"]
    assert m.apply(connection, [FIRST, SECOND]) == []
    assert tables(connection) == {"migration", "one", "two"}
    assert [line.number for line in m.ledger(connection)] == [1, 2]
    assert connection.execute("PRAGMA application_id").fetchone() == (m.APPLICATION_ID,)


def test_a_migration_that_fails_leaves_nothing_of_itself(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        m.apply(connection, [FIRST, SECOND, BROKEN])
    assert tables(connection) == {"migration", "one", "two"}
    assert [line.number for line in m.ledger(connection)] == [1, 2]
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        m.apply(connection, [FIRST, SECOND, BROKEN])


def test_a_first_migration_that_fails_leaves_an_empty_database(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        m.apply(connection, [BROKEN])
    assert tables(connection) == set()
    assert m.ledger(connection) == []


def test_a_newer_ledger_is_refused(connection: sqlite3.Connection) -> None:
    m.apply(connection, [FIRST, SECOND])
    with pytest.raises(StoreRefused, match="newer than this program"):
        m.apply(connection, [FIRST])


def test_an_edited_migration_is_refused(connection: sqlite3.Connection) -> None:
    m.apply(connection, [FIRST])
    with pytest.raises(StoreRefused, match="with another text"):
        m.apply(connection, [m.Migration(1, "first", "CREATE TABLE other (a);")])


def test_statements_are_parted_at_their_ends_only() -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END;"
    script = f"-- a; comment\nSELECT ';';\n{trigger}\nSELECT 3"
    assert m.statements(script) == ["-- a; comment\nSELECT ';';", trigger, "SELECT 3"]


def test_status_changes_nothing_and_migrate_brings_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    before = m.status(url)
    assert (before.applied, len(before.pending)) == ([], len(m.migrations("sqlite")))
    assert list(tmp_path.iterdir()) == []
    applied = m.migrate(url)
    assert m.status(url) == (applied, [])
    assert m.migrate(url) == []


def test_the_audit_trail_is_append_only() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        m.apply(connection, m.migrations("sqlite"))
        connection.execute("INSERT INTO audit VALUES (1, 1, 1, 1, 'ann', 'resolve', 'a', NULL, '', '{}', '{}')")
        for change in ("UPDATE audit SET by = 'bob'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


# An upgrade of a database with data


def filled_with_the_first(connection: sqlite3.Connection, *alerts: dict[str, object]) -> None:
    """A database of the first version: an event and a row for each of these alerts, in workspace 1, channel 1."""
    m.apply(connection, m.migrations("sqlite")[:1])
    connection.execute("INSERT INTO workspace (id, name, last_offset) VALUES (1, 'acme', 9)")
    connection.execute("INSERT INTO channel (id, workspace, framework, last_offset) VALUES (1, 1, 'checkout', 4)")
    for offset, alert in enumerate(alerts, 1):
        for kind, place in (("fired", offset), ("resolved", offset + len(alerts))):
            body = json.dumps({"offset": place, "kind": kind, "alert": alert, "at": ""})
            connection.execute("INSERT INTO event VALUES (1, ?, 1, ?, 0, ?)", (place, place + 5, body))
        row = json.dumps({"alert": alert, "identity": "", "window": {}})
        connection.execute(
            "INSERT INTO alert VALUES (1, 1, ?, '', 1, 0, NULL, 0, 0, NULL, 1, 0, 0, 0, ?)", (alert["id"], row)
        )


def test_an_upgrade_finds_where_the_alerts_that_are_there_were_told_and_whose_they_are(
    connection: sqlite3.Connection,
) -> None:
    filled_with_the_first(connection, {"id": "a"}, {"id": "b", "assigned_to": "ann"})
    connection.execute("INSERT INTO alert SELECT workspace, channel, 'trimmed', '', 3, 0, NULL, 0, 0, NULL, 1, 0, 0, 0,"
                       " '{\"alert\":{}}' FROM alert LIMIT 1")  # fmt: skip
    m.apply(connection, m.migrations("sqlite"))
    columns = "id, first_offset, first_workspace_offset, assigned_to"
    assert connection.execute(f"SELECT {columns} FROM alert ORDER BY id").fetchall() == [
        ("a", 1, 6, None),
        ("b", 2, 7, "ann"),
        ("trimmed", None, None, None),
    ]


def test_a_rehearsal_says_what_would_be_applied_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    assert m.rehearse(str(path)) == m.migrations("sqlite")
    assert not path.exists()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        m.apply(connection, m.migrations("sqlite")[:-1])
    assert m.rehearse(str(path)) == m.migrations("sqlite")[-1:]
    assert m.status(str(path)).pending == m.migrations("sqlite")[-1:]


def test_hours_whose_noise_was_confirmed_as_well_are_counted_again(connection: sqlite3.Connection) -> None:
    m.apply(connection, [each for each in m.migrations("sqlite") if each.number < 32])
    connection.executescript(COUNTED)
    m.apply(connection, [each for each in m.migrations("sqlite") if each.number <= 32])
    rows = connection.execute("SELECT start / 3600000000, due FROM aggregate_hour ORDER BY start").fetchall()
    assert rows == [(0, None), (1, 9), (2, 0)]
