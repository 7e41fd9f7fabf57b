"""Inserting many rows in few statements, so that a thread takes few steps (`rows` says why that matters)."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

import msgspec

# 256 rows of 20 values stay below SQLite's 32,766 parameters; larger statements are no faster.
ROWS_PER_STATEMENT = 256

_encode = msgspec.json.Encoder().encode


class Bulk:
    """An INSERT of many rows in few statements: 256, 128, 64 ... 1 rows each, so that few texts are compiled."""

    def __init__(self, head: str, width: int, tail: str = "") -> None:
        self.width = width
        self._head, self._tail = head, tail
        self._texts: dict[int, str] = {}
        self._at_once: str | None = None

    def run(self, connection: Connection, values: list[Any]) -> None:
        """Inserts `values`, `width` of them a row."""
        start, rows = 0, len(values) // self.width
        while rows:
            size = min(ROWS_PER_STATEMENT, 1 << rows.bit_length() - 1)
            end = start + size * self.width
            # A list that is taken whole need not be copied.
            connection.execute(self._text(size), values if end - start == len(values) else values[start:end])
            start, rows = end, rows - size

    def run_at_once(self, connection: Connection, values: list[Any]) -> list[Any]:
        """Inserts any number of rows with one statement, which reads them from one JSON text; what it returns.

        Dearer than `run` for a few rows, but its text is always the same. Only for an INSERT.
        """
        if self._at_once is None:
            columns = ",".join(f"json_extract(value, '$[{n}]')" for n in range(self.width))
            # Without WHERE the parser takes the tail's ON for that of a join.
            self._at_once = f"{self._head} SELECT {columns} FROM json_each(?) WHERE true {self._tail}"  # noqa: S608
        rows = [values[start : start + self.width] for start in range(0, len(values), self.width)]
        return connection.execute(self._at_once, (_encode(rows).decode(),)).fetchall()

    def _text(self, size: int) -> str:
        if size not in self._texts:
            row = f"({','.join('?' * self.width)})"
            self._texts[size] = f"{self._head} VALUES {','.join([row] * size)} {self._tail}"
        return self._texts[size]
