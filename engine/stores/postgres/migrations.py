"""Brings a Postgres database to the shape that this code expects: numbered SQL and the engine's role. By its owner.

Each migration is a transaction of its own under one advisory lock, with its line in the ledger: two that run at a time
take turns, and one that is killed leaves nothing half done. What holds for the ledger is `engine.stores.migrate`'s: one
that is newer than our files, or tells of another text, is refused. An engine never migrates here, since its role may
not: it looks (`check_migrated`), and says which command is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from engine.ids import now_us
from engine.stores.migrate import Applied, Migration, MigrationStatus, check, migrations
from engine.stores.postgres.connect import connected, driver, named
from engine.stores.postgres.roles import EngineRole, make_role
from protocol.errors import NotYet, StoreRefused
from protocol.wording import several

if TYPE_CHECKING:
    import asyncpg

# "TOCS" in ASCII, as in the header of our SQLite files.
LOCK = 0x544F4353
# Who may do what is done with a database.
AN_ENGINE = (
    "An engine connects as the role that `tocsin migrate` made and grants its rights: say it once more, as the owner"
)
MIGRATING = "Migrations are for the database's owner, who may also make roles (CREATEROLE)"
COPYING = "To copy is for the database's owner, who sees all tables and holds their triggers: say it with his URL"
# A migration that waits longer for another one, or for a table, gives up; it can be said again.
LOCK_MAX_S = 60
_OURS = "Tocsin: the migrations that were applied"
_LEDGER = f"""
CREATE TABLE public.migration (
    number bigint PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    applied_at bigint NOT NULL,
    checksum text COLLATE "C" NOT NULL
);
COMMENT ON TABLE public.migration IS '{_OURS}'
"""
# What is in the schema, but for what extensions have put there.
_TABLES = """
SELECT count(*), count(*) FILTER (WHERE relname = 'migration' AND obj_description(oid, 'pg_class') = $1)
FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (
    SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""


class Migrated(NamedTuple):
    """What was applied, and whether the engine's role is new."""

    applied: list[Applied]
    is_new_role: bool


async def migrate(url: str, role: EngineRole, known: list[Migration] | None = None) -> Migrated:
    """Applies what is missing and grants the engine's role its rights. Raises StoreRefused; what was done stays."""
    known = migrations("postgres") if known is None else known
    applied = []
    async with connected(url) as connection:
        with refusing(url, MIGRATING):
            await connection.execute(f"SET lock_timeout = '{LOCK_MAX_S}s'")
            while (line := await _apply_next(connection, known)) is not None:
                applied.append(line)
            async with connection.transaction():
                await _lock(connection)
                is_new = await make_role(connection, role)
    return Migrated(applied, is_new)


async def rehearse(url: str) -> list[Migration]:
    """Applies what is missing and takes it back, in one transaction: what would be applied. Raises StoreRefused."""
    async with connected(url) as connection:
        with refusing(url, MIGRATING):
            await connection.execute(f"SET lock_timeout = '{LOCK_MAX_S}s'")
            transaction = connection.transaction()
            await transaction.start()
            try:
                await _lock(connection)
                pending = check(await ledger(connection), migrations("postgres"))
                for migration in pending:
                    await connection.execute(migration.sql)
            finally:
                await transaction.rollback()
    return pending


async def status(url: str) -> MigrationStatus:
    """What the database has and lacks, without changing anything. Raises StoreRefused."""
    known = migrations("postgres")
    async with connected(url) as connection:
        with refusing(url, MIGRATING):
            applied = await ledger(connection)
    return MigrationStatus(applied, check(applied, known))


async def check_migrated(connection: asyncpg.Connection) -> None:
    """For an engine that starts. Raises StoreRefused if the database is not what this code knows, NotYet if it is
    older."""
    if pending := check(await ledger(connection), migrations("postgres")):
        raise NotYet(
            f"the database lacks {several(len(pending), 'migration')}, from {pending[0].number:04} "
            f"{pending[0].name!r} on: say `tocsin migrate --store URL` with the URL of the "
            "database's owner, then start the engine again"
        )


async def ledger(connection: asyncpg.Connection) -> list[Applied]:
    """What was applied; nothing for an empty database. Raises StoreRefused if it is another program's."""
    tables, ours = await connection.fetchrow(_TABLES, _OURS)
    if tables and not ours:
        raise StoreRefused(
            f"this database belongs to another program ({several(tables, 'table')} in its schema public); "
            "make one for Tocsin alone"
        )
    if not ours:
        return []
    rows = await connection.fetch("SELECT number, name, applied_at, checksum FROM public.migration ORDER BY number")
    return [Applied(*row) for row in rows]


async def _apply_next(connection: asyncpg.Connection, known: list[Migration]) -> Applied | None:
    """The first that is missing, in a transaction with its line; None: there is none."""
    async with connection.transaction():
        await _lock(connection)
        done = await ledger(connection)
        pending = check(done, known)
        if not pending:
            return None
        migration = pending[0]
        line = Applied(migration.number, migration.name, now_us(), migration.checksum)
        if not done:
            await connection.execute(_LEDGER)
        await connection.execute(migration.sql)
        await connection.execute("INSERT INTO public.migration VALUES ($1, $2, $3, $4)", *line)
    return line


async def _lock(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)


@contextmanager
def refusing(url: str, who: str = AN_ENGINE) -> Iterator[None]:
    """What the server says no to is said as StoreRefused. `who` may do it: what is told to somebody who may not."""
    asyncpg = driver()
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as fault:
        raise StoreRefused(f"the database at {named(url)} does not allow it: {fault}. {who}") from fault
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise StoreRefused(f"the database at {named(url)} broke off: {fault}") from fault
