"""A SQLite file as one end of a copy: locked as an engine would lock it, so that nobody writes meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from engine.stores import migrate
from engine.stores.copying import Row, itself
from engine.stores.sqlite.file import Database
from protocol.errors import StoreRefused


class SqliteEnd:
    """Either end. The words of its SQL are names that the file itself has given."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def tables(self) -> dict[str, list[str]]:
        """The columns of each table."""
        names = self._connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        return {name: [row[1] for row in self._connection.execute(f'PRAGMA table_info("{name}")')] for (name,) in names}

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        ((count,),) = self._connection.execute(f'SELECT count(*) FROM "{table}"').fetchall()  # noqa: S608
        return int(count)

    async def oldest(self, table: str) -> int | None:
        """The least `at` of a table."""
        ((at,),) = self._connection.execute(f'SELECT min(at) FROM "{table}"').fetchall()  # noqa: S608
        return None if at is None else int(at)

    async def rows(self, table: str, columns: Sequence[str], at_once: int) -> AsyncGenerator[Sequence[Row], None]:
        """All rows of a table."""
        with closing(self._connection.execute(f'SELECT {_list(columns)} FROM "{table}"')) as cursor:  # noqa: S608
            while rows := cursor.fetchmany(at_once):
                yield rows

    async def last_numbers(self) -> dict[str, int]:
        """Up to where numbers were given: by AUTOINCREMENT, or else as far as there are rows."""
        numbers = {
            name: self._connection.execute(f'SELECT max(id) FROM "{name}"').fetchone()[0] or 0  # noqa: S608
            for name, columns in (await self.tables()).items()
            if "id" in columns and name != "store"
        }
        given = self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        # Ids that are texts are not given by anybody.
        found = {name: number for name, number in numbers.items() if isinstance(number, int)}
        return found | {name: max(found.get(name, 0), seq) for name, seq in given}

    async def prepare(self, table: str, oldest: int) -> None:
        """A file has room for any age."""

    async def write(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Adds rows."""
        places = ", ".join("?" * len(columns))
        self._connection.executemany(f'INSERT INTO "{table}" ({_list(columns)}) VALUES ({places})', rows)  # noqa: S608

    async def finish(self, numbers: Mapping[str, int], statements: Iterable[str]) -> None:
        """Goes on numbering from there."""
        for statement in statements:
            self._connection.execute(statement)
        counted = self._connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%'").fetchall()
        for (name,) in counted:
            self._connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            if number := numbers.get(name):
                self._connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, number))


def refuse_itself(source: str, target: str) -> None:
    """Raises StoreRefused if both URLs mean one file, however each is written; ValueError."""
    ours = Database.of_url(target)
    if ours.which() != (0, 0) and Database.of_url(source).which() == ours.which():
        raise itself(str(ours.path))


@contextmanager
def source_file(url: str) -> Iterator[SqliteEnd]:
    """A file that is read. Raises StoreRefused, ValueError."""
    database = Database.of_url(url)
    if database.path is None or not database.path.exists():
        raise StoreRefused(f"{database.path or url} is not there: nothing can be copied from it")
    with database.locked(), closing(database.connect()) as connection:
        if migrate.check(migrate.ledger(connection), migrate.migrations("sqlite")):
            raise StoreRefused(f"{database.path} is of an older version: say `tocsin migrate --store` with it first")
        connection.execute("BEGIN")
        yield SqliteEnd(connection)
        connection.execute("ROLLBACK")


@contextmanager
def target_file(url: str) -> Iterator[SqliteEnd]:
    """A file that is written, made if need be; committed at the end. Raises StoreRefused, ValueError."""
    with Database.of_url(url).locked() as database, closing(database.connect()) as connection:
        migrate.apply(connection, migrate.migrations("sqlite"))
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield SqliteEnd(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _list(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
