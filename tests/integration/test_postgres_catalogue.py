"""The live catalogue of a migrated database: what every table must have, and that each question can find a fault."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.stores import migrate
from tests.support.catalogue import Catalogue
from tests.support.postgres_server import APP, PostgresDatabase

# The question, a planted fault, and what is complained of.
QUESTIONS = [
    ("without_a_place", "CREATE TABLE stray (n int)", "stray"),
    ("not_forced", "ALTER TABLE object NO FORCE ROW LEVEL SECURITY", "object"),
    ("not_forced", "ALTER TABLE event_default DISABLE ROW LEVEL SECURITY", "event_default"),
    ("not_forced", "CREATE TABLE stray (workspace text)", "stray"),
    ("without_policy", "DROP POLICY workspaces_apart ON alert", "alert"),
    ("without_policy", "CREATE POLICY more ON alert USING (true)", "alert"),
    ("without_policy", "ALTER POLICY workspaces_apart ON job USING (true)", "job"),
    ("without_policy", "ALTER POLICY workspaces_apart ON job WITH CHECK (true)", "job"),
    ("without_foreign_key", "ALTER TABLE delivery DROP CONSTRAINT delivery_workspace_fkey", "delivery"),
    ("without_index", "DROP INDEX rollup_by_workspace", "rollup"),
    ("keys_without_workspace", "CREATE UNIQUE INDEX stray ON object (kind, id)", "stray"),
    ("not_classified", "CREATE TABLE stray (n int)", "stray"),
    ("without_audit", "DROP TRIGGER row_audit ON object", "object"),
    ("without_audit", "ALTER TABLE revocation DISABLE TRIGGER row_audit", "revocation"),
    ("without_audit", "DROP TRIGGER row_audit_of_deletes ON alert", "alert"),
    ("not_append_only", "DROP TRIGGER append_only ON audit", "audit"),
    ("not_append_only", f"GRANT UPDATE ON audit TO {APP}", "audit"),
    ("with_too_many_rights", f"GRANT TRUNCATE ON alert TO {APP}", "TRUNCATE on alert"),
    ("with_too_many_rights", f"GRANT SELECT ON event_default TO {APP}", "SELECT on event_default"),
    ("with_too_many_rights", f"GRANT CREATE ON SCHEMA public TO {APP}", "may_make_tables"),
    ("views_of_their_owner", "ALTER VIEW alert_job_state RESET (security_invoker)", "alert_job_state"),
    ("careless_definers", "ALTER FUNCTION tocsin_note_row() RESET search_path", "tocsin_note_row"),
    (
        "careless_definers",
        "GRANT EXECUTE ON FUNCTION tocsin_tend_partitions(bigint) TO PUBLIC",
        "tocsin_tend_partitions",
    ),
]


@pytest.mark.parametrize("question", sorted({question for question, _, _ in QUESTIONS}))
def test_nothing_is_to_be_complained_of(postgres_database: PostgresDatabase, question: str) -> None:
    assert getattr(Catalogue(postgres_database.keeper_url), question)() == []


@pytest.mark.parametrize(("question", "fault", "complaint"), QUESTIONS)
def test_a_planted_fault_is_found(
    postgres_database: PostgresDatabase, question: str, fault: str, complaint: str
) -> None:
    postgres_database.server.sql(fault, postgres_database.name)
    assert getattr(Catalogue(postgres_database.keeper_url), question)() == [complaint]


# What Postgres has beside what both stores have: it keeps workspaces apart and people to their word itself.
OF_POSTGRES = {
    "bus": None,
    "row_audit": None,
    "workspace_name": None,
    "series": {"workspace"},
    "reading": {"workspace"},
    "rollup": {"workspace"},
    "recipient_mark": {"workspace"},
    "rule_state": {"workspace", "labels_digest"},
}


def test_both_stores_have_the_same_tables_and_columns(postgres_database: PostgresDatabase, tmp_path: Path) -> None:
    migrate.migrate(str(tmp_path / "store.db"))
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        there = {
            name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            for name in names
            if not name.startswith("sqlite_")
        }
    here = {
        name: set(row["columns"]) - (OF_POSTGRES.get(name) or set())
        for name, row in Catalogue(postgres_database.keeper_url).tables.items()
        if not row["relispartition"] and OF_POSTGRES.get(name, set()) is not None
    }
    assert here == there


def test_there_is_something_to_be_asked_about(postgres_database: PostgresDatabase) -> None:
    own = Catalogue(postgres_database.keeper_url).workspaces_own
    assert {"alert", "object", "job", "rollup", "websocket_connections", "workspace", "event_default"} <= set(own)
    assert len(own) >= 30
