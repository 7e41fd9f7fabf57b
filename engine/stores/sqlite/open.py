"""Opens the embedded store: the lock on its file, migrations, its writer and readers; and closes it, in reverse.

Owns how the store ends: if the writer dies, the context's body is cancelled and the context ends with what it died of.
A writer that hangs (a disk that does not answer) is left behind with the lock on its file, so that no other engine
writes beside it when it wakes up.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

import trio

from engine.give_way import GiveWay
from engine.ids import new_id, now_us
from engine.stores import OnCommit, Retention, migrate
from engine.stores.fate import Fate
from engine.stores.sqlite.commit import Committer
from engine.stores.sqlite.file import CACHE_BYTES, Database
from engine.stores.sqlite.inline import InlineWriter
from engine.stores.sqlite.readers import InlineReaders, ThreadedReaders
from engine.stores.sqlite.room import require_room
from engine.stores.sqlite.thread import ThreadedWriter
from engine.stores.tables import jobs as jobs_table
from engine.stores.tables import upkeep
from engine.stores.tables.readers import Readers
from engine.stores.tables.store import TableStore
from engine.stores.tables.writer import Writer
from protocol.errors import StoreRefused

# Locks of stores whose disk hung when they were closed: a writer that wakes up later must not meet another engine.
_HANGING: list[AbstractContextManager[object]] = []


@asynccontextmanager
async def open_sqlite(
    url: str,
    retention: Retention,
    clock: Callable[[], int],
    on_commit: OnCommit | None,
    cache_bytes: int = CACHE_BYTES,
) -> AsyncIterator[TableStore]:
    """Opens a store; see `engine.stores.open_store`."""
    database = dataclasses.replace(Database.of_url(url), cache_bytes=cache_bytes)
    async with open_database(database, retention, clock, on_commit) as store:
        yield store


@asynccontextmanager
async def open_database(
    database: Database, retention: Retention, clock: Callable[[], int], on_commit: OnCommit | None
) -> AsyncIterator[TableStore]:
    """Opens a store on a database. Raises StoreRefused, and, at the end, what the writer died of."""
    # Checks read the whole file: in a thread.
    holding = _holding(database)
    connection, epoch = await trio.to_thread.run_sync(holding.__enter__)
    is_closed = True
    try:
        fate, give_way = Fate(), GiveWay()
        committer = Committer(database, connection)
        writer: Writer
        readers: Readers
        if database.path is None:
            writer, readers = InlineWriter(committer, on_commit, fate.die), InlineReaders(connection)
        else:
            writer = ThreadedWriter(committer, on_commit, fate.die, give_way)
            readers = ThreadedReaders(database, give_way)
        store = TableStore(epoch, writer, readers, retention, clock)
        with fate.scope, give_way.watching():
            try:
                yield store
            finally:
                is_closed = await store.aclose()
        if fate.death is not None:
            raise fate.death
    finally:
        if is_closed:
            holding.__exit__(None, None, None)
        else:
            _HANGING.append(holding)


@contextmanager
def _holding(database: Database) -> Iterator[tuple[sqlite3.Connection, str]]:
    """The lock on the file, and a connection to it that is migrated and ready. Raises StoreRefused, NotYet."""
    if database.path is not None:
        require_room(database.path)
    with database.locked():
        try:
            connection = database.connect()
            try:
                ready = connection, _make_ready(connection)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as fault:
            raise StoreRefused(f"{database.path} cannot be opened: {fault}") from fault
        yield ready


def _make_ready(connection: sqlite3.Connection) -> str:
    """Migrates; the store's epoch, made once."""
    migrate.apply(connection, migrate.migrations("sqlite"))
    connection.execute("INSERT OR IGNORE INTO store VALUES (1, ?, ?)", (new_id(), now_us()))
    upkeep.disconnect_all(connection)
    jobs_table.end_leases(connection)
    ((epoch,),) = connection.execute("SELECT epoch FROM store").fetchall()
    return str(epoch)
