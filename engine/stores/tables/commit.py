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
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, TypeVar

import structlog
from msgspec.structs import replace

from engine.stores.sqlite.file import Database
from engine.stores.tables.jobs import JOBS
from engine.stores.tables.places import ChannelPlace, Place, Places
from engine.stores.tables.progress import Streamed
from engine.stores.tables.queries import channel_history
from engine.stores.tables.quiet import STORMS
from engine.stores.tables.rows import (
    ALERTS,
    AUDITS,
    CHANNELS,
    ENTRIES,
    EVENTS,
    PEOPLE,
    READINGS,
    RULE_STATES,
    SERIES,
    WORKSPACES,
    Prepared,
    decode_results,
    numbered,
)
from protocol.effects import Behind, CommitOutcome, Committed, Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable
from protocol.model import Event

T = TypeVar("T")
Outcome = CommitOutcome | CommitInvalid
log = structlog.get_logger()

# What a row of the commit itself can do to SQLite; no other commit is to blame or to suffer.
_INVALID = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError)
_HARMLESS = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM}
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
        fresh: list[Prepared] = []
        outcomes = [self._decide(connection, prepared, fresh) for prepared in group]
        if fresh:
            self._write(connection, fresh)
            connection.execute("COMMIT")
        else:
            self._abandon()
        return outcomes

    def _decide(self, connection: sqlite3.Connection, prepared: Prepared, fresh: list[Prepared]) -> Outcome:
        """The fence: known batch, other place, or (then it joins `fresh`) to be written."""
        commit, channel = prepared.commit, self._places.channel(connection, prepared.key)
        if channel.last_batch == commit.batch.id:
            return _replay(connection, channel)
        logged = commit.decision.readings
        if channel.offset != commit.base or (logged is not None and logged.seq != channel.seq + 1):
            return Behind(channel.offset)
        workspace, decision = channel.workspace, commit.decision
        prepared.address(channel.number, workspace.number, workspace.offset)
        events = numbered(decision.events, workspace.offset)
        workspace.offset += len(events)
        if any(event.alert.assigned_to or event.also for event in events):
            events = self._assigned(connection, prepared, workspace, events)
        channel.offset, channel.last_batch, channel.last_base = decision.offset, commit.batch.id, commit.base
        channel.seq, channel.settled = channel.seq if logged is None else logged.seq, decision.settled
        fresh.append(prepared)
        return Committed(decision.results, events)

    def _assigned(
        self, connection: sqlite3.Connection, prepared: Prepared, workspace: Place, events: Sequence[Event]
    ) -> tuple[Event, ...]:
        """The events with their places in the streams of the people whom they concern."""
        told: list[Event] = []
        entries: list[Any] = []
        for event in events:
            offsets: dict[str, int] = {}
            for name in event.people:
                person = self._places.person(connection, workspace.number, name)
                offsets[name] = person.offset = person.offset + 1
                entries += (person.number, person.offset, workspace.number, event.workspace_offset)
            told.append(replace(event, user_offsets=offsets) if offsets else event)
        prepared.entries = entries
        return tuple(told)

    def _write(self, connection: sqlite3.Connection, fresh: Sequence[Prepared]) -> None:
        ALERTS.run(connection, _joined(prepared.alerts for prepared in fresh))
        EVENTS.run(connection, _joined(prepared.events for prepared in fresh))
        AUDITS.run(connection, _joined(prepared.audits for prepared in fresh))
        if entries := _joined(prepared.entries for prepared in fresh):
            ENTRIES.run(connection, entries)
            people = dict(zip(entries[0 :: ENTRIES.width], entries[1 :: ENTRIES.width], strict=True))
            PEOPLE.run(connection, [*chain.from_iterable(people.items())])
        for prepared in fresh:
            prepared.log.forget(connection, self._places.known(prepared.key).number)
        SERIES.run(connection, _joined(prepared.log.series for prepared in fresh))
        READINGS.run(connection, _joined(prepared.log.readings for prepared in fresh))
        RULE_STATES.run(connection, _joined(prepared.log.states for prepared in fresh))
        STORMS.run(connection, _joined(self._storm(prepared) for prepared in fresh))
        JOBS.run(connection, _joined(prepared.jobs for prepared in fresh))
        channels: list[Any] = []
        workspaces: dict[int, int] = {}
        for prepared in fresh:
            place = self._places.known(prepared.key)
            channels += (place.number, place.offset, place.last_batch, place.last_base, prepared.results)
            channels += (place.seq, place.settled)
            workspaces[place.workspace.number] = place.workspace.offset
        CHANNELS.run(connection, channels)
        WORKSPACES.run(connection, [*chain.from_iterable(workspaces.items())])

    def _storm(self, prepared: Prepared) -> list[Any]:
        state, place = prepared.commit.decision.storm, self._places.known(prepared.key)
        if state is None:
            return []
        return [place.number, place.workspace.number, state.full_at, state.since, state.held, state.rang]

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
        (log.error if kind in _LOUD else log.warning)("store_unavailable", cause=cause)
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


def _replay(connection: sqlite3.Connection, channel: ChannelPlace) -> Committed:
    """The answer that the channel's last batch was given."""
    ((results,),) = connection.execute("SELECT last_results FROM channel WHERE id = ?", (channel.number,)).fetchall()
    count = channel.offset - channel.last_base
    events = channel_history(connection, channel.number, channel.last_base, count)
    return Committed(decode_results(results), tuple(events))


def _joined(lists: Iterable[list[Any]]) -> list[Any]:
    parts = list(lists)
    return parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
