"""Commits groups of decisions, and does other jobs that write, in Postgres. Runs in the foreign thread.

A group is one transaction. It locks the rows of its workspaces in the order of their ids, then reads where their
channels stand: whoever puts an event on a stream of a workspace holds that lock, so offsets are given once and in
order, whichever node gives them, and nothing of this is remembered between transactions. If a row of somebody's breaks
a constraint, each commit is tried in a transaction of its own, so only its owner suffers. Failures of the database are
answers; if the answer to a COMMIT was lost it may have happened, and its batch is answered from the channel's row when
it comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from engine.stores.postgres.connection import PostgresConnection
from engine.stores.postgres.faults import cause_of, is_worth_another_try
from engine.stores.postgres.places import LockedPlaces
from engine.stores.postgres.sessions import CHANGING, COMMITTING, Sessions, opening
from engine.stores.tables.connection import RowFault
from engine.stores.tables.group import Group, Outcome
from engine.stores.tables.rows import Prepared
from engine.stores.tables.writer import TheJob
from protocol.effects import Unavailable
from protocol.errors import CommitInvalid, StoreUnavailable

log = structlog.get_logger()

# Somebody who tends partitions, or an operator's statement, was in the way: it is over by then.
TRIES = 3


class PostgresCommitter:
    """Sessions that write: one for what channels commit; for all else one, and one for what is done apart."""

    def __init__(self, commits: Sessions, changes: Sessions) -> None:
        self._commits = commits
        self._changes = changes

    async def commit(self, group: Sequence[Prepared], tries: int = 1) -> list[Outcome]:
        """Keeps a group of commits of different channels; an answer for each. Raises only for our own bugs."""
        workspaces = {prepared.key.workspace for prepared in group}
        try:
            return await self._commits.transact(opening(COMMITTING, workspaces), lambda it: _decide(it, group))
        except RowFault as fault:
            if is_worth_another_try(fault) and tries < TRIES:
                return await self.commit(group, tries + 1)
            if len(group) == 1:
                log.error("store_commit_invalid", channel=group[0].key.name, cause=str(fault))
                return [CommitInvalid(f"{group[0].key.name}: {fault}")]
        except Exception as fault:
            if is_worth_another_try(fault) and tries < TRIES:
                return await self.commit(group, tries + 1)
            return [Unavailable(_away(fault))] * len(group)
        return [outcome for prepared in group for outcome in await self.commit([prepared])]

    async def run_together(self, jobs: Sequence[TheJob], tries: int = 1) -> list[Any]:
        """Does several jobs in one transaction: what came of each, or what it raised.

        If one of them breaks off, each is done again in a transaction of its own. So a job may be called several times.
        What no row can hold is refused to who sent it; the store lives on.
        """
        scopes = [job.workspace for job in jobs]
        seen = None if None in scopes else {scope for scope in scopes if scope is not None}
        try:
            begin = opening(CHANGING, seen)
            return await self._changes.transact(begin, lambda connection: [job(connection) for job in jobs])
        except (CommitInvalid, RowFault) as fault:
            # Another node has made the same row a moment ago: it is found now.
            if is_worth_another_try(fault) and tries < TRIES:
                return await self.run_together(jobs, tries + 1)
            if len(jobs) == 1:
                return [_refused(fault)]
            log.warning("store_jobs_taken_apart", jobs=len(jobs), cause=repr(fault))
        except Exception as fault:
            if is_worth_another_try(fault) and tries < TRIES:
                return await self.run_together(jobs, tries + 1)
            cause = cause_of(fault)
            if cause is not None:
                log.warning("store_unavailable", cause=cause)
                return [StoreUnavailable(f"the store does not answer: {cause}")] * len(jobs)
            if len(jobs) == 1:
                raise
            log.warning("store_jobs_taken_apart", jobs=len(jobs), cause=repr(fault))
        return [outcome for job in jobs for outcome in await self.run_together([job])]

    async def run_apart(self, job: Callable[[PostgresConnection], Any]) -> Any:
        """Does a job without the lock: what it came to, or that the database is away. Raises only for our own bugs."""
        try:
            return await self._changes.transact(opening(COMMITTING, None), job)
        except Exception as fault:
            return Unavailable(_away(fault))

    async def aclose(self) -> None:
        """Ends the sessions."""
        await self._commits.aclose()
        await self._changes.aclose()


def _decide(connection: PostgresConnection, group: Sequence[Prepared]) -> list[Outcome]:
    decided = Group(LockedPlaces(connection, [prepared.key for prepared in group]))
    outcomes = [decided.decide(connection, prepared) for prepared in group]
    if decided.fresh:
        _name_actors(connection, decided.fresh)
        with connection.together():
            decided.write(connection)
    return outcomes


def _name_actors(connection: PostgresConnection, fresh: Sequence[Prepared]) -> None:
    """For the trail of rows: which alert is changed by whom. What nobody changes, the engine changes by itself."""
    actors = {audit.alert_id: audit.by for prepared in fresh for audit in prepared.commit.decision.audits}
    if actors:
        connection.ask("SELECT set_config('tocsin.actors', $1, true)", [msgspec.json.encode(actors).decode()])


def _refused(fault: CommitInvalid | RowFault) -> CommitInvalid:
    if isinstance(fault, CommitInvalid):
        return fault
    log.error("store_job_invalid", cause=str(fault))
    return CommitInvalid(f"the store cannot keep it: {fault}")


def _away(fault: Exception) -> str:
    """Why there is no answer. Raises the fault again if it is a bug of ours."""
    cause = cause_of(fault)
    if cause is None:
        raise fault
    log.warning("store_unavailable", cause=cause)
    return cause
