"""What SQLite says of how it will answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from engine.stores import migrate
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.file import Database
from engine.stores.tables.rows import prepare
from protocol.effects import Committed
from tests.support.stores import a_commit


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
