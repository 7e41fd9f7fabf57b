"""Opens the shared store: looks whether the database may be used, then starts the sessions and the writer.

An engine changes nothing of a database's shape: it looks whether it was migrated for this code and whether its own
login is one that row-level security binds, and refuses to start otherwise. What another node holds is left to it: no
leases are ended here, no connections called lost. Owns how the store ends: if the writer dies, the context's body is
cancelled and the context ends with what it died of.

The foreign loop is the engine's (a child of its tree) or, where nobody has one (commands, tests), one of the store's
own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
import trio

from engine.clocks import StoreClock
from engine.foreign import ForeignLoop
from engine.ids import new_id, now_us
from engine.stores import OnCommit, Retention
from engine.stores.fate import Fate
from engine.stores.postgres.commit import PostgresCommitter
from engine.stores.postgres.connect import connected
from engine.stores.postgres.loop import on_foreign_loop
from engine.stores.postgres.migrations import check_migrated, refusing
from engine.stores.postgres.partitions import tend
from engine.stores.postgres.readers import READ_SESSIONS, PostgresReaders
from engine.stores.postgres.roles import check_role
from engine.stores.postgres.sessions import Reachability, Sessions
from engine.stores.postgres.writer import PostgresWriter
from engine.stores.tables.store import TableStore
from protocol.times import SECOND_US

log = structlog.get_logger()

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@asynccontextmanager
async def open_postgres(
    url: str,
    retention: Retention,
    clock: Callable[[], int],
    on_commit: OnCommit | None,
    foreign: ForeignLoop | None = None,
) -> AsyncIterator[TableStore]:
    """Opens a store; see `engine.stores.open_store`. Raises StoreRefused, and, at the end, what the writer died of."""
    fate = Fate()
    async with on_foreign_loop(foreign) as (loop, nursery):
        theirs = StoreClock() if clock is now_us else clock
        epoch = await loop.call(lambda: look(url, theirs))
        reach = Reachability()
        commits, changes = Sessions(url, 1, reach), Sessions(url, 2, reach)
        writer = PostgresWriter(loop, PostgresCommitter(commits, changes), on_commit, fate.die)
        readers = PostgresReaders(loop, Sessions(url, READ_SESSIONS, reach))
        nursery.start_soon(writer.work)
        store = TableStore(epoch, writer, readers, retention, theirs)
        store.now_sql, store.tend = _NOW, tend
        store.answers = lambda: reach.is_there
        with fate.scope:
            try:
                yield store
            finally:
                with trio.CancelScope(shield=True):
                    await store.aclose()
    if fate.death is not None:
        raise fate.death


async def look(url: str, clock: Callable[[], int]) -> str:
    """Over there: whether the database may be used by this program and this login; its epoch. Raises StoreRefused.

    The clock, if it is one that goes by the database, learns the time.
    """
    async with connected(url) as connection:
        with refusing(url):
            await check_migrated(connection)
            await check_role(connection)
            await connection.execute(
                "INSERT INTO store (id, epoch, created_at) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
                new_id(),
                now_us(),
            )
            if isinstance(clock, StoreClock):
                asked = clock.steady()
                clock.learn(await connection.fetchval(_NOW), asked, clock.steady())
                _warn(clock.wall_behind_us)
            epoch: str = await connection.fetchval("SELECT epoch FROM store")
            return epoch


def _warn(behind_us: int) -> None:
    if abs(behind_us) >= SECOND_US:
        log.warning(
            "clock_is_wrong",
            behind_the_database_s=round(behind_us / SECOND_US, 1),
            advice="the engine goes by the database's clock; logs and tokens that are made here go by this machine's",
        )
