"""Commits groups of decisions on one connection. Synchronous, without threads: the writer calls it, and tests do.

A group is one transaction. Where its channels stand is remembered between groups (`places`), so the fence costs
no query, and the unique offsets of the table `event` catch whoever else writes all the same (then everything is read
anew). If a row of somebody's breaks a constraint
the transaction is rolled back and each commit tried in a transaction of its own, so only its owner suffers. Decided
against: a savepoint for each commit, two more statements each that, beside a busy loop, wait 5 ms for Python's lock,
to save time only when there is a bug.

Failures of the database (locked, full, I/O, damaged) are answers. After all but the harmless ones the connection is
thrown away: after a failed fsync its pages, and its idea of what is on the disk, are not to be trusted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from engine.stores.sqlite.file import Database
from engine.stores.tables.group import Group, Outcome
from engine.stores.tables.places import Places
from engine.stores.tables.progress import Streamed
from engine.stores.tables.rows import Prepared
from protocol.effects import DAMAGED, DISK_FULL, MOVED, Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable

T = TypeVar("T")
log = structlog.get_logger()

# What a row of the commit itself can do to SQLite; no other commit is to blame or to suffer.
_INVALID = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError)
_HARMLESS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}
# SQLite's own code for it, which it does not look for in WAL mode.
_MOVED = sqlite3.SQLITE_READONLY_DBMOVED
_AWAY = _HARMLESS | {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM,
}
# These do not go away by themselves: a person must look.
_LOUD = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR}
_RESTORE = "stop the engine and restore a copy (docs/operations.md); trying again does not help"
# To look costs a microsecond, but beside a busy loop a wait for the interpreter, 1 ms: under load not at each commit.
PLACE_KNOWN_S = 0.05
# What the cause begins with, and what a person has to do.
_WORDS = {
    sqlite3.SQLITE_FULL: (DISK_FULL, "make room"),
    sqlite3.SQLITE_CORRUPT: (DAMAGED, _RESTORE),
    sqlite3.SQLITE_NOTADB: (DAMAGED, _RESTORE),
    _MOVED: (MOVED, "put the same file back and it goes on, or restart the engine with the one that is there"),
}


class Committer:
    """The connection that writes. Used by one thread at a time."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = connection
        # For good: another file of that name is another store.
        self._file = database.which()
        self._known_until = 0.0
        self._places = Places()

    def commit(self, group: Sequence[Prepared]) -> list[Outcome]:
        """Keeps a group of commits of different channels; an answer for each. Raises only for our own bugs."""
        try:
            return self._commit(group)
        except _INVALID:
            self._abandon()
        except sqlite3.Error as fault:
            return [Unavailable(self._failed(fault))] * len(group)
        return [self._commit_alone(prepared) for prepared in group]

    def _commit_alone(self, prepared: Prepared) -> Outcome:
        """Another try, with what the database says now."""
        try:
            return self._commit([prepared])[0]
        except _INVALID as fault:
            self._abandon()
            log.error("store_commit_invalid", channel=prepared.key.name, cause=str(fault))
            return CommitInvalid(f"{prepared.key.name}: {fault}")
        except sqlite3.Error as fault:
            return Unavailable(self._failed(fault))

    def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Does something else that writes, in a transaction. Raises StoreUnavailable, and CommitInvalid if it does."""
        try:
            connection = self._open()
            self._check_place()
            connection.execute("BEGIN IMMEDIATE")
            result = job(connection)
            connection.execute("COMMIT")
            self._check_place()
        except sqlite3.Error as fault:
            raise StoreUnavailable(f"the store does not answer: {self._failed(fault)}") from fault
        except BaseException:  # refused by the job, or a bug in it: whoever goes on here finds no half of it
            self._abandon()
            raise
        if isinstance(result, Streamed):
            self._places.moved(result)
        return result

    def run_together(self, jobs: Sequence[Callable[[sqlite3.Connection], Any]]) -> list[Any]:
        """Does several in one transaction: what came of each, or what it raised, as `run` does.

        If one of them breaks off, each is done again in a transaction of its own. So a job may be called twice.
        """
        if len(jobs) > 1:
            try:
                return self.run(lambda connection: [job(connection) for job in jobs])
            except StoreUnavailable as fault:
                return [fault] * len(jobs)
            except Exception as fault:
                log.warning("store_jobs_taken_apart", jobs=len(jobs), cause=repr(fault))
        return [self._alone(job) for job in jobs]

    def _alone(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            return self.run(job)
        except (StoreUnavailable, CommitInvalid) as fault:
            return fault

    def close(self) -> None:
        """Closes the connection; the last one to close writes the log back into the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._database.connect()
            try:
                _make_durable(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _check_place(self) -> None:
        """Raises sqlite3.OperationalError if our file was moved or deleted: whatever is kept in it would be nowhere at
        the next start. Asked before anything is answered; what is not found again by its batch, before it is done too.
        """
        now = time.monotonic()
        if now < self._known_until:
            return
        if self._database.which() != self._file:
            # Clients may read it: without the path.
            fault = sqlite3.OperationalError("the name leads to another file, or to none")
            fault.sqlite_errorcode, fault.sqlite_errorname = _MOVED, "SQLITE_READONLY_DBMOVED"
            raise fault
        self._known_until = now + PLACE_KNOWN_S

    def _commit(self, group: Sequence[Prepared]) -> list[Outcome]:
        self._places.forget_too_many()
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        decided = Group(self._places)
        outcomes = [decided.decide(connection, prepared) for prepared in group]
        if decided.fresh:
            decided.write(connection)
            connection.execute("COMMIT")
        else:
            self._abandon()
        self._check_place()
        return outcomes

    def _abandon(self) -> None:
        """Rolls back, and forgets what the transaction changed in memory."""
        self._places.forget()
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _failed(self, fault: sqlite3.Error) -> str:
        """Cleans up after a failure of the database and says its cause. Raises it again if it is a bug of ours."""
        code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        kind = code & 0xFF
        if kind not in _AWAY:
            self._abandon()
            raise fault
        cause = f"{getattr(fault, 'sqlite_errorname', 'SQLITE')}: {fault}"
        advice = {}
        if known := _WORDS.get(code, _WORDS.get(kind)):
            cause, advice = f"{known[0]}: {cause}", {"advice": known[1]}
        (log.error if kind in _LOUD or code == _MOVED else log.warning)("store_unavailable", cause=cause, **advice)
        try:
            self._abandon()
        except sqlite3.Error as again:
            log.warning("store_rollback_failed", cause=str(again))
            self.close()
        # Of a file that was moved the connection is kept: it goes on when the file is put back.
        if kind not in _HARMLESS and code != _MOVED:
            self.close()
        return cause


def _make_durable(connection: sqlite3.Connection) -> None:
    """After a failed fsync the log may hold commits that are in the kernel's memory only: copies all into the file.

    Else a batch whose commit failed could be found in the log and answered as committed.
    """
    ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if is_busy:
        fault = sqlite3.OperationalError("somebody reads: cannot copy the log after a failure")
        fault.sqlite_errorcode, fault.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
        raise fault
