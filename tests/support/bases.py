"""A store of a test that runs engines as processes: what they open, and what is in it by its own word.

The same test runs on SQLite's file and on a Postgres: a fixture with these names as its parameters makes its `base_of`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.postgres_server import KEEPER, PostgresDatabase


class Base(Protocol):
    """A database."""

    @property
    def url(self) -> str:
        """What engines open."""

    def rows(self, text: str) -> list[Sequence[Any]]:
        """What a question finds, numbers as numbers."""


class SqliteBase:
    """The file of an engine that has its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "tocsin.db"
        self.url = f"sqlite:///{self._file}"

    def rows(self, text: str) -> list[Sequence[Any]]:
        """What a question finds."""
        with closing(sqlite3.connect(self._file)) as base:
            return base.execute(text).fetchall()


class PostgresBase:
    """A database of the tests' server."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self.url = database.url

    def rows(self, text: str) -> list[Sequence[Any]]:
        """What a question finds; NULL is None, as there is no empty text where this is asked."""
        found = self._database.server.sql(text, self._database.name, KEEPER)
        return [[_read(value) for value in row] for row in found]


def base_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> Base:
    """The base of a test's parameter: `sqlite` or `postgres`."""
    return SqliteBase(folder) if kind == "sqlite" else PostgresBase(request.getfixturevalue("postgres_database"))


def _read(value: str) -> Any:
    return int(value) if value.lstrip("-").isdigit() else value or None
