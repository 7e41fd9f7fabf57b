"""What a function of a connection may do with it, whichever store it belongs to: ask, and read the answer.

`sqlite3.Connection` is one such; `engine.stores.postgres.connection` has the other. SQL is written once, in words that
both understand or that `engine.stores.postgres.dialect` says differently by rule; where no rule will do, `either` has
the other store's text beside ours.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol


class Answer(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row, as a tuple; None: there is none."""

    def fetchall(self) -> list[Any]:
        """All rows, as tuples."""

    def __iter__(self) -> Iterator[Any]:
        """Row after row."""


class Connection(Protocol):
    """A transaction that is under way."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Answer:
        """Has a statement done. Raises one of `ROW_FAULTS` if a value of it is to blame."""


class ManyRows(Protocol):
    """Rows of one kind to be written: `Bulk`."""

    head: str
    types: str
    tail: str


class ByColumns(ABC):
    """A connection to which many rows are handed as one list a column, whatever their number, with one statement."""

    @abstractmethod
    def write_columns(self, rows: ManyRows, values: Sequence[Any]) -> list[Any]:
        """Writes `values`, row after row in one flat list; what the statement returns."""

    def together(self) -> AbstractContextManager[None]:
        """Writes of columns inside may be done at its end, with one statement: one trip instead of one for each table.

        So they must not read each other's rows, give nothing back, and write each table once.
        """
        return nullcontext()


def together(connection: Connection) -> AbstractContextManager[None]:
    """The same for any connection; where statements do not travel each is done at once."""
    return connection.together() if isinstance(connection, ByColumns) else nullcontext()


class RowFault(Exception):
    """A row breaks a constraint, or a value does not fit: nobody but who sent it is to blame, or to suffer."""


ROW_FAULTS = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, RowFault)

# What Postgres says instead of these pieces of SQL. Written while modules are imported, read by the translator.
OTHERWISE: dict[str, str] = {}


def either(*, sqlite: str, postgres: str) -> str:
    """A piece of SQL that no rule can translate, in both dialects; as a value it is SQLite's."""
    if OTHERWISE.setdefault(sqlite, postgres) != postgres:
        raise ValueError(f"said otherwise in two ways: {sqlite}")
    return sqlite
