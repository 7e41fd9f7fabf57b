"""Sessions with the server: opened when they are needed, kept, thrown away when anything went wrong with them.

Lives in the foreign thread. Each transaction says first whose rows it may see (row-level security) and, if it changes
anything beside a channel's own, takes the one lock for that, so such changes are as serial over all nodes as they are
in one file. A session whose transaction was cancelled, was late or lost its server is terminated at once, never given
back: asyncpg would wait for a frozen server for ever. The server ends what we no longer can: a statement after 5 s, a
wait for a lock after 3 s, a transaction of a node that was stopped in the middle of it after 2 s.

Here it is noticed whether there is a server at all (`Reachability`): each beat of the node asks, also when nobody else
does.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

import asyncpg
import structlog

from engine.stores.postgres.connect import with_settings
from engine.stores.postgres.connection import PostgresConnection, run_on

T = TypeVar("T")
log = structlog.get_logger()

# A migration has changed what prepared statements give: the server refuses them ("cached plan must not change result
# type"), or the driver meets columns that it was not told of. They are of no use any more, on any session, and nobody
# prepares them again by himself.
_STALE = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError, asyncpg.ProtocolError)


class Pace(NamedTuple):
    """How long a session may take: to be opened; for a transaction (longer than any single limit of the server's, so
    that its word is heard if it can still speak); and, in one, between two statements."""

    connect_s: float = 3.0
    transaction_s: float = 6.0
    between_s: int = 2


USUAL = Pace()
# Of whoever runs only when nobody else does, and holds nobody up but the cleaning of old rows.
LEISURELY = Pace(30.0, 60.0, 30)
SETTINGS = {
    "search_path": "public",
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    # What was answered is on stable storage, whatever the database's default.
    "synchronous_commit": "on",
    # To compile a plan takes longer than any of ours runs.
    "jit": "off",
    # A plan is kept, and a table that was empty when it was made may have a million rows when it is used.
    "enable_seqscan": "off",
}
# "TOC1" in ASCII: whoever holds it may change what is not a channel's own.
SERIAL_LOCK = 0x544F4331
EVERYTHING = "*"

# How transactions begin: of those who read, who commit what channels decide, and who change anything else.
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
COMMITTING = "BEGIN ISOLATION LEVEL READ COMMITTED"
CHANGING = f"{COMMITTING}; SELECT pg_advisory_xact_lock({SERIAL_LOCK})"


def opening(kind: str, workspaces: Iterable[str] | None) -> str:
    """How a transaction begins, in one trip: whose rows it sees (None: everybody's), and its lock."""
    begin, _, lock = kind.partition("; ")
    seen = EVERYTHING if workspaces is None else json.dumps(sorted(workspaces))
    quoted = seen.replace("'", "''")
    return f"{begin}; SELECT set_config('tocsin.workspaces', '{quoted}', true){'; ' if lock else ''}{lock}"


class Reachability:
    """Whether the server answers, as the last transaction found it. Written over here, read on any thread."""

    def __init__(self) -> None:
        self.is_there = True
        self.answers = 0

    def answered(self) -> None:
        """A transaction came to its end, whichever."""
        self.is_there = True
        self.answers += 1

    def unanswered(self, answers: int) -> None:
        """Somebody got no session, or no answer in time. If others got one since (there were so many), it was he."""
        self.is_there = self.is_there and self.answers > answers


class _OutOfDate(Exception):
    """A statement of this session was prepared before the tables were changed. Nothing of its transaction is kept."""


class Sessions:
    """At most so many sessions with one database."""

    def __init__(self, url: str, most: int, reach: Reachability, pace: Pace = USUAL) -> None:
        self._url = url
        self._pace = pace
        self._reach = reach
        self._idle: list[PostgresConnection] = []
        self._places = asyncio.Semaphore(most)
        self.opened = 0

    async def transact(self, begin: str, job: Callable[[PostgresConnection], T]) -> T:
        """Runs a function of a connection in a transaction, and commits it. Raises what it raises, and asyncpg's.

        The function is called twice if the tables were changed under its statements.
        """
        try:
            return await self._in_time(begin, job)
        except _OutOfDate as fault:
            log.warning("store_sessions_out_of_date", sessions=len(self._idle) + 1, cause=str(fault.__cause__))
            await self.aclose()
        try:
            return await self._in_time(begin, job)
        except _OutOfDate as fault:
            raise fault.__cause__ or fault from None

    async def _in_time(self, begin: str, job: Callable[[PostgresConnection], T]) -> T:
        async with self._places:
            answers = self._reach.answers
            try:
                async with asyncio.timeout(self._pace.transaction_s):
                    return await self._transact(begin, job)
            except TimeoutError:
                self._reach.unanswered(answers)
                raise

    async def _transact(self, begin: str, job: Callable[[PostgresConnection], T]) -> T:
        connection = self._kept() or await self._open()
        is_clean = False
        try:
            if connection.plans.are_old(time.monotonic()):
                await connection.session.execute("DISCARD PLANS")
            await connection.session.execute(begin)
            try:
                result = await run_on(connection, job)
            except _STALE as fault:
                raise _OutOfDate from fault
            except Exception as fault:
                await connection.session.execute("ROLLBACK")
                # A session that was opened while its server only reads (a standby, or told to) goes on so after that.
                is_clean = not isinstance(fault, asyncpg.ReadOnlySQLTransactionError)
                raise
            await connection.session.execute("COMMIT")
            is_clean = True
            return result
        finally:
            if is_clean:
                self._reach.answered()
                self._idle.append(connection)
            else:
                connection.session.terminate()

    async def aclose(self) -> None:
        """Ends the sessions that nobody uses."""
        while self._idle:
            self._idle.pop().session.terminate()

    def _kept(self) -> PostgresConnection | None:
        """The one that was used last, but none whose server has ended it: it would cost who comes next his answer."""
        while self._idle:
            if not (connection := self._idle.pop()).session.is_closed():
                return connection
        return None

    async def _open(self) -> PostgresConnection:
        answers = self._reach.answers
        try:
            settings = {**SETTINGS, "idle_in_transaction_session_timeout": f"{self._pace.between_s}s"}
            session = await with_settings(self._url, self._pace.connect_s, settings, statement_cache_size=0)
        except asyncpg.TooManyConnectionsError:  # of a server that is there
            raise
        except Exception:
            self._reach.unanswered(answers)
            raise
        self.opened += 1
        return PostgresConnection(session)
