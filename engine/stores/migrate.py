"""Brings a database to the shape that this code expects: numbered SQL files, one transaction each, and a ledger.

The ledger (table `migration`) says what was applied, when, and the checksum of its text. A database whose ledger is
newer than our files, or says that a file of the same number was another one, is refused and left as it is: going on
would write rows that somebody else's code cannot read. Migrations only go forward; a way back is a restored copy.
Decided against: a migration library (we would use none of it but the loop below).
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from engine.ids import now_us
from protocol.errors import StoreRefused
from protocol.wording import several

if TYPE_CHECKING:
    from engine.stores.sqlite.file import Database

# "TOCS" in ASCII, in the file's header: tells our databases from other programs'.
APPLICATION_ID = 0x544F4353
_LEDGER = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    checksum TEXT NOT NULL
) STRICT
"""


class Migration(NamedTuple):
    """One file: its number, its name, and its statements."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Applied(NamedTuple):
    """One line of the ledger; `applied_at` in microseconds."""

    number: int
    name: str
    applied_at: int
    checksum: str


class MigrationStatus(NamedTuple):
    """What a database has, and what it still lacks."""

    applied: list[Applied]
    pending: list[Migration]


def migrations(kind: str) -> list[Migration]:
    """The files for one kind of store (`sqlite`), in order. Raises StoreRefused if two have one number."""
    found = []
    for file in resources.files("engine.stores.sql").iterdir():
        if file.name.startswith(f"{kind}_") and file.name.endswith(".sql"):
            number, _, name = file.name.removeprefix(f"{kind}_").removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text("utf-8")))
    return in_order(found)


def in_order(found: list[Migration]) -> list[Migration]:
    """By their numbers. Raises StoreRefused if two have the same: which one a database has then nobody could say."""
    for one, other in pairwise(found := sorted(found)):
        if one.number == other.number:
            raise StoreRefused(
                f"two migrations have the number {one.number}: {one.name!r} and {other.name!r}; this program was put "
                "together from two that differ: give the later one the next free number"
            )
    return found


def ledger(connection: sqlite3.Connection) -> list[Applied]:
    """What was applied; nothing for an empty database. Raises StoreRefused if it is another program's."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise StoreRefused(
            f"this database belongs to another program (application_id {application:#x}, "
            f"{several(len(tables), 'table')}); choose another file"
        )
    if "migration" not in tables:
        return []
    rows = connection.execute("SELECT number, name, applied_at, checksum FROM migration ORDER BY number")
    return [Applied(*row) for row in rows]


def check(applied: list[Applied], known: list[Migration]) -> list[Migration]:
    """What is still to be applied. Raises StoreRefused if the database is newer than these files, or differs."""
    by_number = {migration.number: migration for migration in known}
    for line in applied:
        ours = by_number.get(line.number)
        if ours is None:
            raise StoreRefused(
                f"the database is newer than this program (migration {line.number} {line.name!r}); "
                "start the newer program, or restore a copy from before it"
            )
        if ours.checksum != line.checksum:
            raise StoreRefused(
                f"migration {line.number} was applied as {line.name!r} with another text than ours ({ours.name!r}): "
                "the database was made by a different build of this program"
            )
    done = {line.number for line in applied}
    return [migration for migration in known if migration.number not in done]


def apply(connection: sqlite3.Connection, known: list[Migration]) -> list[Applied]:
    """Applies what is missing, one transaction each; says what it applied. Raises StoreRefused, sqlite3.Error."""
    fresh = []
    for migration in check(ledger(connection), known):
        connection.execute("BEGIN IMMEDIATE")
        try:
            fresh.append(_apply_one(connection, migration))
        except BaseException:
            connection.rollback()
            raise
        connection.execute("COMMIT")
    return fresh


def _apply_one(connection: sqlite3.Connection, migration: Migration) -> Applied:
    line = Applied(migration.number, migration.name, now_us(), migration.checksum)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(_LEDGER)
    for statement in statements(migration.sql):
        connection.execute(statement)
    connection.execute("INSERT INTO migration VALUES (?, ?, ?, ?)", line)
    return line


def statements(sql: str) -> list[str]:
    """The single statements of a script; `executescript` would end our transaction before it starts."""
    found, start = [], 0
    for end, character in enumerate(sql, 1):
        if character == ";" and sqlite3.complete_statement(sql[start:end]):
            found.append(sql[start:end].strip())
            start = end
    if rest := sql[start:].strip():
        found.append(rest)
    return found


def migrate(url: str) -> list[Applied]:
    """Brings the SQLite database at `url` up to date (creating it if need be) and says what was applied.

    Takes the same lock as an engine does. Raises ValueError, StoreRefused. For Postgres there is
    `engine.stores.postgres.migrations`.
    """
    from engine.stores.sqlite.file import Database

    with Database.of_url(url).locked() as database, closing(database.connect()) as connection:
        return apply(connection, migrations("sqlite"))


def rehearse(url: str) -> list[Migration]:
    """Applies what is missing and takes it back, in one transaction: what would be applied. Makes no file.

    Raises ValueError, StoreRefused, sqlite3.Error if one cannot be applied to what is there.
    """
    from engine.stores.sqlite.file import Database

    database = Database.of_url(url)
    if database.path is None or not database.path.exists():
        return _rehearse(Database(None))
    with database.locked():
        return _rehearse(database)


def _rehearse(database: Database) -> list[Migration]:
    with closing(database.connect()) as connection:
        pending = check(ledger(connection), migrations("sqlite"))
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migration in pending:
                _apply_one(connection, migration)
        finally:
            connection.rollback()
    return pending


def status(url: str) -> MigrationStatus:
    """What the SQLite database at `url` has and lacks, without changing anything. Raises ValueError, StoreRefused.

    Not in the process of an engine that uses it: closing a file gives up this process's locks on it.
    """
    from engine.stores.sqlite.file import Database

    known = migrations("sqlite")
    applied = Database.of_url(url).inspect()
    return MigrationStatus(applied, check(applied, known))
