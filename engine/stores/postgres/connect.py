"""One connection to Postgres, for what is not the engine's daily work: migrations, copies, examinations.

Says what is wrong with a URL, a server or a login in a sentence with the host and the cause, never with the password.
Runs on an asyncio loop: the foreign thread's, or that of a command that has no other. The engine's own connections are
the pool's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from engine.extras import how_to_get
from protocol.errors import NotYet, StoreRefused

if TYPE_CHECKING:
    import asyncpg

SCHEMES = ("postgresql", "postgres")
# A server that does not answer at all; one that is starting refuses at once.
CONNECT_MAX_S = 10.0
# Closing says goodbye to the server; one that is gone is not waited for.
CLOSE_MAX_S = 2.0
# Views with the rights of whoever asks came with it.
SERVER_MIN = 150_000
_BEHIND = "; behind the ? only what Postgres' own programs take there, such as sslmode=require"


def is_postgres(url: str) -> bool:
    """Whether a store's URL means Postgres."""
    return url.partition("://")[0] in SCHEMES


def named(url: str) -> str:
    """Which database that is, without user and password: `db.example:5432/tocsin`."""
    # Not by urlsplit: for it a # in a password ends the host, and half of the password would be shown as one.
    place, _, query = url.partition("://")[2].rpartition("@")[2].partition("?")
    host, _, rest = place.partition("/")
    name, colon, port = host.rpartition(":")
    if colon and not port.isdecimal() and not host.endswith("]"):
        host = name if "@" in url else ""  # a password without an @ behind it, or no port
    # libpq takes it from there too: so a folder with a socket is written.
    asked = dict(parse_qsl(query))
    host = host or ":".join(asked[name] for name in ("host", "port") if name in asked)
    return f"{host or 'localhost'}/{rest or asked.get('dbname', '')}"


def driver() -> Any:
    """asyncpg. Raises StoreRefused that says how to get it."""
    try:
        import asyncpg
    except ImportError as fault:
        raise StoreRefused(
            f"a store on Postgres needs asyncpg, which is not installed: {how_to_get('postgres')}"
        ) from fault
    return asyncpg


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in the public schema, closed at the end. Raises StoreRefused; NotYet, if waiting may help."""
    asyncpg = driver()
    settings = {"application_name": "tocsin", "search_path": "public"}
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_MAX_S, server_settings=settings)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError) as fault:
        # Also a login or a database that is not there: whoever makes them may be a moment later than we are. And hosts
        # of which none may be written to: one of them will be.
        if _is_torn(url):
            raise _unusable(url) from fault
        raise NotYet(f"no connection to the database at {named(url)}: {said(fault)}") from fault
    except (ValueError, OverflowError, asyncpg.InterfaceError) as fault:
        # Its words may quote what it took for a port; one past 65,535 is found by the socket only.
        raise _unusable(url) from fault
    try:
        await check_server(connection)
        yield connection
    finally:
        try:
            await asyncio.wait_for(connection.close(), CLOSE_MAX_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()


def _is_torn(url: str) -> bool:
    """Whether a password's own / or # or ? ended the host for the driver: then it asked another one than we name."""
    return any(mark in url.partition("://")[2].rpartition("@")[0] for mark in "/#?")


def _unusable(url: str) -> StoreRefused:
    return StoreRefused(
        f"the URL of the database at {named(url)} cannot be used: write postgresql://user:password@host:port/name "
        f"(in a password %40 for @, %23 for #, %2F for /{_BEHIND if '?' in url else ''})"
    )


async def check_server(connection: asyncpg.Connection) -> None:
    """Raises StoreRefused if the server is too old, or the database cannot hold every text."""
    number, version, encoding = await connection.fetchrow(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
        " current_setting('server_encoding')"
    )
    if number < SERVER_MIN:
        raise StoreRefused(f"Postgres {version} is too old; {SERVER_MIN // 10_000} or newer is needed")
    if encoding != "UTF8":
        raise StoreRefused(f"the database's encoding is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0")


def said(fault: BaseException) -> str:
    """The cause in words; some time-outs have none of their own."""
    return str(fault) or (f"no answer within {CONNECT_MAX_S:g} s" if isinstance(fault, TimeoutError) else repr(fault))
