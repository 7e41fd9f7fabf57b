"""A Postgres database as one end of a copy, by its owner's login: he alone may set where numbers go on.

Nobody else may be at work there: an engine that writes after the moment at which its store was read would write for
nothing. Rows are written by INSERT from arrays, because COPY is not allowed under row-level security, which binds
owners too.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from engine.stores.copying import Row, itself
from engine.stores.postgres.connect import connected, named
from engine.stores.postgres.migrations import COPYING, check_migrated, refusing
from protocol.errors import StoreRefused

if TYPE_CHECKING:
    import asyncpg

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY c.relname, a.attnum
"""
_NUMBERED = """
SELECT c.relname, pg_get_serial_sequence(quote_ident(c.relname), 'id') AS sequence FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND a.attname = 'id' AND a.attidentity <> ''
"""
_OTHERS = """
SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND usename <> current_user AND has_table_privilege(usesysid, 'public.event', 'INSERT')
    AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = usesysid) LIMIT 1
"""
_NOTING = """
SELECT c.relname, t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'public'::regnamespace AND p.proname LIKE 'tocsin\\_note\\_%' AND NOT t.tgisinternal
"""


class PostgresEnd:
    """Either end, in its transaction. The words of its SQL are names that the catalogue has given."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        # By table: columns, and their types.
        self._types: dict[str, dict[str, str]] = {}

    async def tables(self) -> dict[str, list[str]]:
        """The columns of each table, but for those that follow from others."""
        for table, column, its_type in await self._connection.fetch(_COLUMNS):
            self._types.setdefault(table, {})[column] = its_type
        return {table: list(columns) for table, columns in self._types.items()}

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(await self._connection.fetchval(f'SELECT count(*) FROM "{table}"'))  # noqa: S608

    async def oldest(self, table: str) -> int | None:
        """The least `at` of a table."""
        at: int | None = await self._connection.fetchval(f'SELECT min(at) FROM "{table}"')  # noqa: S608
        return at

    async def rows(self, table: str, columns: Sequence[str], at_once: int) -> AsyncGenerator[Sequence[Row], None]:
        """All rows of a table."""
        cursor = await self._connection.cursor(f'SELECT {_list(columns)} FROM "{table}"')  # noqa: S608
        while rows := await cursor.fetch(at_once):
            yield rows

    async def last_numbers(self) -> dict[str, int]:
        """Up to where sequences have given numbers."""
        found = {}
        for table, sequence in await self._connection.fetch(_NUMBERED):
            last, is_called = await self._connection.fetchrow(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
            found[table] = last if is_called else 0
        return found

    async def prepare(self, table: str, oldest: int) -> None:
        """Partitions from there on, so that what is dropped by time later does not stand in the default one."""
        plan = await self._connection.fetchrow("SELECT * FROM tocsin_partition_plan() WHERE relation = $1", table)
        if plan is None:
            return
        there = {row[0] for row in await self._connection.fetch("SELECT since FROM tocsin_partitions($1)", table)}
        now = time.time_ns() // 1_000
        width = plan["width_us"]
        for since in range(max(oldest, now - plan["kept_us"]) // width * width, now, width):
            if since not in there:
                await self._connection.execute("CALL tocsin_make_partition($1, $2, $3)", table, since, since + width)

    async def write(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Adds rows."""
        types = ", ".join(f"${n}::{self._types[table][column]}[]" for n, column in enumerate(columns, 1))
        sql = f'INSERT INTO "{table}" ({_list(columns)}) SELECT * FROM unnest({types})'  # noqa: S608
        await self._connection.execute(sql, *(list(values) for values in zip(*rows, strict=True)))

    async def finish(self, numbers: Mapping[str, int], statements: Iterable[str]) -> None:
        """Goes on numbering from there."""
        for statement in statements:
            await self._connection.execute(statement)
        for table, sequence in await self._connection.fetch(_NUMBERED):
            if number := numbers.get(table):
                await self._connection.execute("SELECT setval($1::text::regclass, $2)", sequence, number)


async def refuse_itself(source: str, target: str) -> None:
    """Raises StoreRefused if both URLs lead to one database, by whatever host and login; NotYet.

    Told by a lock, which is the database's own: names and addresses of a server are many, and its number is not for
    every login.
    """
    number = secrets.randbits(62)
    async with connected(source) as one, connected(target) as other, one.transaction(), other.transaction():
        await one.execute("SELECT pg_advisory_xact_lock($1)", number)
        if not await other.fetchval("SELECT pg_try_advisory_xact_lock($1)", number):
            raise itself(f"the database at {named(target)}")


@asynccontextmanager
async def source_database(url: str) -> AsyncIterator[PostgresEnd]:
    """A database that is read as it is now. Raises StoreRefused."""
    async with connected(url) as connection:
        with refusing(url, COPYING):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield await _ready(connection)


@asynccontextmanager
async def target_database(url: str) -> AsyncIterator[PostgresEnd]:
    """A migrated, empty database that is written; committed at the end. Raises StoreRefused."""
    async with connected(url) as connection:
        with refusing(url, COPYING):
            async with connection.transaction():
                end = await _ready(connection)
                # What is copied was changed elsewhere; the trail of that is copied, if there is one.
                await _note_rows(connection, "DISABLE")
                yield end
                await _note_rows(connection, "ENABLE")


async def _ready(connection: asyncpg.Connection) -> PostgresEnd:
    await check_migrated(connection)
    if (other := await connection.fetchval(_OTHERS)) is not None:
        raise StoreRefused(f"somebody is at work in this database (as {other!r}): stop all its engines first")
    await connection.execute("SELECT set_config('tocsin.workspaces', '*', true)")
    return PostgresEnd(connection)


async def _note_rows(connection: asyncpg.Connection, verb: str) -> None:
    for table, trigger in await connection.fetch(_NOTING):
        await connection.execute(f'ALTER TABLE "{table}" {verb} TRIGGER "{trigger}"')


def _list(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
