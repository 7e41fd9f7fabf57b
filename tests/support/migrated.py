"""New SQLite databases of the tests are copies of one that was migrated.

A store is opened in some thousand tests, each with all migrations: thirty commits to a file, thirty times the schema
read anew. The copy has the same pages. What is no new database, or is not to get all migrations, or is looked at
statement by statement (a connection of another class) is migrated as ever; so is what engines in other processes open.
"""

from __future__ import annotations

import functools
import sqlite3

from engine.stores import migrate

_apply = migrate.apply


def copy_what_was_migrated() -> None:
    """For all tests of this process."""
    migrate.apply = _apply_or_copy


def _apply_or_copy(connection: sqlite3.Connection, known: list[migrate.Migration]) -> list[migrate.Applied]:
    is_new = type(connection) is sqlite3.Connection and connection.execute("PRAGMA schema_version").fetchone() == (0,)
    if not is_new or connection.in_transaction or known != migrate.migrations("sqlite"):
        return _apply(connection, known)
    migrate.ledger(connection)  # refuses what is another program's
    _template(tuple(known)).backup(connection)
    return migrate.ledger(connection)


@functools.cache
def _template(known: tuple[migrate.Migration, ...]) -> sqlite3.Connection:
    template = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _apply(template, list(known))
    return template
