"""Inserting many rows in few statements, so that a thread takes few steps (`rows` says why that matters)."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.stores.tables.connection import ByColumns, Connection

# 256 rows of 20 values stay below SQLite's 32,766 parameters; larger statements are no faster.
ROWS_PER_STATEMENT = 256

_encode = msgspec.json.Encoder().encode


class Bulk:
    """An INSERT of many rows in few statements: 256, 128, 64 ... 1 rows each, so that few texts are compiled."""

    def __init__(self, head: str, types: str, tail: str = "") -> None:
        """`types`: a letter for each column: integer, text, float, bytes. SQLite knows by itself."""
        self.width = len(types)
        self.head, self.types, self.tail = head, types, tail
        self._texts: dict[int, str] = {}
        self._at_once: str | None = None

    def run(self, connection: Connection, values: list[Any]) -> None:
        """Inserts `values`, `width` of them a row."""
        if isinstance(connection, ByColumns):
            connection.write_columns(self, values)
            return
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
        if isinstance(connection, ByColumns):
            return connection.write_columns(self, values)
        if self._at_once is None:
            columns = ",".join(f"json_extract(value, '$[{n}]')" for n in range(self.width))
            # Without WHERE the parser takes the tail's ON for that of a join.
            self._at_once = f"{self.head} SELECT {columns} FROM json_each(?) WHERE true {self.tail}"  # noqa: S608
        rows = [values[start : start + self.width] for start in range(0, len(values), self.width)]
        return connection.execute(self._at_once, (_encode(rows).decode(),)).fetchall()

    def _text(self, size: int) -> str:
        if size not in self._texts:
            row = f"({','.join('?' * self.width)})"
            self._texts[size] = f"{self.head} VALUES {','.join([row] * size)} {self.tail}"
        return self._texts[size]
