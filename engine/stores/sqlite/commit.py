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
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from engine.stores.sqlite.file import Database
from engine.stores.tables.group import Group, Outcome
from engine.stores.tables.places import Places
from engine.stores.tables.progress import Streamed
from engine.stores.tables.rows import Prepared
from protocol.effects import DAMAGED, DISK_FULL, Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable

T = TypeVar("T")
log = structlog.get_logger()

# What a row of the commit itself can do to SQLite; no other commit is to blame or to suffer.
_INVALID = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError)
_HARMLESS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_AWAY = (
    _HARMLESS
    | _DAMAGED
    | {
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
    }
)
# These do not go away by themselves: a person must look.
_LOUD = _DAMAGED | {sqlite3.SQLITE_IOERR}
_ADVICE = {"advice": "stop the engine and restore a copy (docs/operations.md); trying again does not help"}


class Committer:
    """The connection that writes. Used by one thread at a time."""

    def __init__(self, database: Database, connection: sqlite3.Connection) -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = connection
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
            connection.execute("BEGIN IMMEDIATE")
            result = job(connection)
            connection.execute("COMMIT")
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
        return outcomes

    def _abandon(self) -> None:
        """Rolls back, and forgets what the transaction changed in memory."""
        self._places.forget()
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _failed(self, fault: sqlite3.Error) -> str:
        """Cleans up after a failure of the database and says its cause. Raises it again if it is a bug of ours."""
        kind = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if kind not in _AWAY:
            self._abandon()
            raise fault
        cause = f"{getattr(fault, 'sqlite_errorname', 'SQLITE')}: {fault}"
        if kind == sqlite3.SQLITE_FULL:
            cause = f"{DISK_FULL}: {cause}"
        elif kind in _DAMAGED:
            cause = f"{DAMAGED}: {cause}"
        advice = _ADVICE if kind in _DAMAGED else {}
        (log.error if kind in _LOUD else log.warning)("store_unavailable", cause=cause, **advice)
        try:
            self._abandon()
        except sqlite3.Error as again:
            log.warning("store_rollback_failed", cause=str(again))
            self.close()
        if kind not in _HARMLESS:
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
