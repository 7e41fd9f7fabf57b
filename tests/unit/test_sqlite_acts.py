"""The audit trail is append-only in the database itself, and its pages are served by an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from engine.stores import migrate
from engine.stores.tables import acts
from engine.stores.tables.trail import trail, trail_statement
from engine.stores.trail import AdministrativeAct, TrailKind, TrailPlace, TrailQuery


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
    assert [line.by for line in trail(connection, TrailQuery(workspace="acme", limit=10))] == ["ada"]


FILTERS: list[dict[str, Any]] = [
    {},
    {"target": "c1"},
    {"by": "ada"},
    {"verbs": ("resolve",)},
    {"target": "c1", "by": "ada", "verbs": ("resolve",)},
    {"target": "c1", "verbs": ("set_tracker", "advance_tracker")},
]
PLACE = TrailPlace(at=5, kind=TrailKind.ALERT, number=3)


@pytest.mark.parametrize("kind", TrailKind)
@pytest.mark.parametrize("wanted", FILTERS)
@pytest.mark.parametrize("more", [{}, {"since_us": 1, "until_us": 9}, {"before": PLACE}])
def test_a_page_of_the_trail_is_one_seek_without_sorting(
    connection: sqlite3.Connection, kind: TrailKind, wanted: dict[str, Any], more: dict[str, Any]
) -> None:
    query = TrailQuery(workspace="acme", limit=10, **wanted, **more)
    sql, values = trail_statement(connection, query, kind)
    step, *rest = [row[-1] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not any("TEMP B-TREE" in each for each in rest)
    index = next((name for name in ("target", "by", "verbs") if name in wanted), "time")
    alone = {"target": "alert" if kind is TrailKind.ALERT else "target", "by": "person", "verbs": "verb"}
    named = alone.get(index, index)
    table = "audit" if kind is TrailKind.ALERT else "administrative_act"
    assert step.startswith(f"SEARCH {table} USING INDEX {table}_by_{named} (workspace=?")
    assert "at<?" in step
