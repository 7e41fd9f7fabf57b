"""The audit trail is append-only in the database itself, and its pages are served by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from engine.stores import AdministrativeAct, migrate
from engine.stores import sqlite_acts as acts


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        acts.add(
            connection,
            AdministrativeAct(workspace="acme", at=1, by="ada", verb="disconnect", target="c1", address=""),
        )
        yield connection


@pytest.mark.parametrize("statement", ["UPDATE administrative_act SET by = 'nobody'", "DELETE FROM administrative_act"])
def test_what_is_on_record_cannot_be_changed(connection: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert [act.by for act in acts.page(connection, "acme", None, 10)] == ["ada"]


def test_a_page_is_served_by_an_index(connection: sqlite3.Connection) -> None:
    plan = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {acts.PAGE}", ("acme", 1, 1))]
    assert plan == ["SEARCH administrative_act USING INDEX administrative_act_by_workspace (workspace=? AND id<?)"]
