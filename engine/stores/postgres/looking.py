"""A look at a Postgres before an engine uses it: for `tocsin serve` at its start, and for the doctor. Changes nothing.

On a loop of its own and with one connection, because nothing runs yet; it blocks for `connect.CONNECT_MAX_S` at most
when the server is away.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from engine.stores.migrate import Applied, Migration, check, migrations
from engine.stores.postgres.connect import connected
from engine.stores.postgres.migrations import check_migrated, ledger, refusing
from engine.stores.postgres.roles import check_role

if TYPE_CHECKING:
    import asyncpg

_PINGS = 7
_SETTINGS = """
SELECT current_setting('server_version'), current_setting('fsync') = 'on',
    current_setting('synchronous_commit') NOT IN ('off', 'local'), pg_is_in_recovery(), current_user::text,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::int, extract(epoch FROM clock_timestamp())::float8
"""


class Looked(NamedTuple):
    """What was found. `ahead_s`: how far the database's clock is ahead of ours. `epoch`: None without a first start."""

    version: str
    is_durable: bool
    is_standby: bool
    user: str
    connections: int
    connections_max: int
    ahead_s: float
    ping_s: float
    applied: list[Applied]
    pending: list[Migration]
    epoch: str | None


def be_ready(url: str) -> None:
    """Returns if an engine could use this database now. Raises NotYet, or the StoreRefused that it would end with."""

    async def look() -> None:
        async with connected(url) as connection:
            with refusing(url):
                await check_migrated(connection)
                await check_role(connection)

    asyncio.run(look())


def check_login(url: str) -> None:
    """Raises StoreRefused if whoever connects could step out of row-level security."""

    async def look() -> None:
        async with connected(url) as connection:
            with refusing(url):
                await check_role(connection)

    asyncio.run(look())


def look_at(url: str) -> Looked:
    """Everything that the doctor tells of. Raises StoreRefused."""
    return asyncio.run(_look_at(url))


async def _look_at(url: str) -> Looked:
    async with connected(url) as connection:
        with refusing(url):
            ping_s = await _ping_s(connection)
            version, fsync, synchronous, standby, user, used, most, now_s = await connection.fetchrow(_SETTINGS)
            ahead_s = now_s - time.time()
            applied = await ledger(connection)
            epoch = await connection.fetchval("SELECT epoch FROM store") if applied else None
    pending = check(applied, migrations("postgres"))
    durable = fsync and synchronous
    return Looked(version, durable, standby, user, used, most, ahead_s, ping_s, applied, pending, epoch)


async def _ping_s(connection: asyncpg.Connection) -> float:
    took = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await connection.fetchval("SELECT 1")
        took.append(time.perf_counter() - began)
    return statistics.median(took)
