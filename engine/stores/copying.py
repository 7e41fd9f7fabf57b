"""Moves a whole installation from one store to another, of the same kind or not: all of it, or nothing.

Reads the source as it is at one moment, with nobody writing there, and writes the target in one transaction; at the end
the rows of every table are counted on both sides, and only if they are equal is the target's transaction committed. So
a copy that breaks off is started anew and finds the target as empty as before. The epoch comes along: clients recover
from their positions as if nothing had happened. What is only true of running nodes stays behind.

Neither store is opened as an engine would: tables are tables here, asked for their columns, so that a new one is copied
without a word about it. The two ends are `sqlite/copying.py` and `postgres/copying.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol

from protocol.errors import StoreRefused
from protocol.wording import several

Row = Sequence[Any]
Tell = Callable[[str, int], None]

# The others follow by name: what refers to these finds them there.
FIRST = ("workspace_name", "workspace", "channel", "person")
# The ledger is each database's own; nodes, and what they tell each other, are gone when a copy is made.
LEFT_BEHIND = {"migration", "node", "job_node", "bus"}
# About 10 MB of the largest rows.
ROWS_AT_ONCE = 1_000
# Nobody is connected, and nobody holds a lease, when the target is opened.
AFTERWARDS = (
    "UPDATE websocket_connections SET status = 'disconnected' WHERE status = 'active'",
    "UPDATE job SET lease_until = 0 WHERE state = 2",
)


class Source(Protocol):
    """A store that is read, as it was at one moment."""

    async def tables(self) -> Mapping[str, Sequence[str]]:
        """The columns of each table."""

    async def count(self, table: str) -> int:
        """How many rows a table has."""

    async def oldest(self, table: str) -> int | None:
        """The least `at` of a table (microseconds)."""

    def rows(self, table: str, columns: Sequence[str], at_once: int) -> AsyncGenerator[Sequence[Row], None]:
        """All rows of a table, so many at a time."""

    async def last_numbers(self) -> Mapping[str, int]:
        """Up to where numbers were given, in tables that give them; they are never given again."""


class Target(Protocol):
    """A store that is written, in one transaction."""

    async def tables(self) -> Mapping[str, Sequence[str]]:
        """The columns of each table that can be given."""

    async def count(self, table: str) -> int:
        """How many rows a table has."""

    async def prepare(self, table: str, oldest: int) -> None:
        """Rows of this age will come."""

    async def write(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Adds rows."""

    async def finish(self, numbers: Mapping[str, int], statements: Iterable[str]) -> None:
        """Goes on numbering from there, and does what is left to do."""


class Copied(NamedTuple):
    """How many rows of each table were copied, and tables of the source of which the target has no like."""

    rows: Mapping[str, int]
    left: Sequence[str]


async def copy(source: Source, target: Target, tell: Tell) -> Copied:
    """Copies everything. Raises StoreRefused for a target that is not empty, or if a count differs at the end."""
    theirs, ours = await source.tables(), await target.tables()
    shared = in_order(theirs.keys() & ours.keys())
    await _refuse_if_filled(target, ours.keys() - LEFT_BEHIND)
    for table in shared:
        columns = [name for name in theirs[table] if name in ours[table]]
        if "at" in columns and (oldest := await source.oldest(table)) is not None:
            await target.prepare(table, oldest)
        async with aclosing(source.rows(table, columns, ROWS_AT_ONCE)) as all_rows:
            async for rows in all_rows:
                await target.write(table, columns, rows)
        tell(table, await source.count(table))
    await target.finish(await source.last_numbers(), AFTERWARDS)
    counts = {table: await source.count(table) for table in shared}
    for table, count in counts.items():
        if (found := await target.count(table)) != count:
            raise StoreRefused(f"of {several(count, 'row')} of {table} {found} arrived: nothing was kept, copy again")
    left = [table for table in in_order(theirs.keys() - ours.keys()) if await source.count(table)]
    return Copied(counts, left)


def in_order(tables: Iterable[str]) -> list[str]:
    """Those that are copied, each after what it refers to."""
    names = set(tables) - LEFT_BEHIND
    return [name for name in FIRST if name in names] + sorted(names - set(FIRST))


def itself(target: str) -> StoreRefused:
    """What is said of a store that would be copied onto itself: its locks would blame an engine that is not there."""
    return StoreRefused(f"{target} is the store to read and the store to write, both: name an empty one to write into")


async def _refuse_if_filled(target: Target, tables: Iterable[str]) -> None:
    for table in sorted(tables):
        if count := await target.count(table):
            raise StoreRefused(
                f"the target is not empty (table {table} has {several(count, 'row')}; an engine that was started once "
                "is enough): name a new file, or a new database that was only migrated"
            )
