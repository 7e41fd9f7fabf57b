"""The store: whole, ours, of this version, and with an identity. Read only, also beside the engine that uses it."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from engine.configuration.config import Config
from engine.doctor import postgres
from engine.doctor.data import obstacle
from engine.doctor.findings import Finding, Level
from engine.stores import migrate
from engine.stores.postgres.connect import is_postgres
from engine.stores.sqlite.file import Database, holds
from protocol.errors import StoreRefused

# Who asks waits for it; of a file that is too large for that we say what was found until then.
INDEXES_MAX_S = 10.0
_STEPS = 10_000


def state(config: Config) -> Iterator[Finding]:
    """Integrity, ledger and epoch."""
    if is_postgres(config.store_url):
        yield from postgres.state(config.store_url)
        return
    try:
        database = Database.of_url(config.store_url)
    except ValueError as fault:
        yield Finding("store", Level.FAIL, str(fault), "set store, or leave it out")
        return
    if database.path is None:
        yield Finding(
            "store", Level.WARNING, "in memory: a stop loses everything", "give store a file, outside of tests"
        )
    elif stands := obstacle(database.path.parent):
        text = f"{database.path} cannot be made: {stands} is not a folder"
        yield Finding("store", Level.FAIL, text, "set store, or leave it out and mend the data folder")
    elif not any(holds(Path(f"{database.path}{suffix}")) for suffix in ("", "-wal")):
        yield Finding("store", Level.OK, f"{database.path} does not exist yet; the first start makes it")
    else:
        yield from _file(database, database.path)


def file_of(config: Config) -> Path | None:
    """The database's file; None: it has none, or its URL means nothing."""
    try:
        return Database.of_url(config.store_url).path
    except ValueError:
        return None


def is_in_use(path: Path) -> bool:
    """Whether an engine holds the database. Only asks: its lock is tried in a shared way and given back at once."""
    try:
        with Path(f"{path}.lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _file(database: Database, path: Path) -> Iterator[Finding]:
    used = is_in_use(path)
    try:
        applied = _look_beside(database) if used else database.inspect()
        pending = migrate.check(applied, migrate.migrations("sqlite"))
    except StoreRefused as fault:
        yield Finding("store", Level.FAIL, str(fault), "an engine would not start with it")
        return
    except (OSError, sqlite3.Error) as fault:
        yield Finding("store", Level.FAIL, f"{path} cannot be read: {fault}", "restore a copy, or mend its permissions")
        return
    beside = ", in use by a running engine" if used else ""
    if wrong := applied and _wrong_within(database):
        advice = "stop the engine and restore a copy: commits fail, or answers lack rows"
        yield Finding("store", Level.FAIL, f"{path} is damaged ({wrong}){beside}", advice)
        return
    yield Finding("store", Level.OK, f"{path} is whole{beside}")
    if pending:
        names = ", ".join(f"{migration.number:04} {migration.name}" for migration in pending)
        yield Finding(
            "migrations", Level.WARNING, f"to be applied: {names}", "the next start does it: make a copy before"
        )
    else:
        yield Finding("migrations", Level.OK, f"{len(applied)} applied, none to come")
    if applied:
        yield _epoch(database)


def _look_beside(database: Database) -> list[migrate.Applied]:
    """As `inspect`, through an ordinary reader: the engine that uses the file keeps it consistent."""
    with closing(database.connect_reader()) as connection:
        (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise StoreRefused(f"{database.path} is damaged ({finding}); restore a copy")
        return migrate.ledger(connection)


def _wrong_within(database: Database) -> str:
    """What the start does not look for: whether indexes have the rows of their tables. Empty: nothing was found."""
    end = time.monotonic() + INDEXES_MAX_S
    with closing(database.connect_reader()) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as fault:
            return "" if fault.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT else str(fault)
    return "" if finding == "ok" else str(finding)


def _epoch(database: Database) -> Finding:
    with closing(database.connect_reader()) as connection:
        rows = connection.execute("SELECT epoch FROM store").fetchall()
    if len(rows) == 1 and rows[0][0]:
        return Finding("epoch", Level.OK, rows[0][0])
    advice = "restore a copy: clients could not tell this store from another one"
    return Finding("epoch", Level.FAIL, f"the store has {len(rows)} identities instead of one", advice)
