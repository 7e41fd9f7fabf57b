"""One connection to Postgres, for what is not the engine's daily work: migrations, copies, examinations.

Says what is wrong with a URL, a server or a login in a sentence with the host and the cause, never with the password.
Runs on an asyncio loop: the foreign thread's, or that of a command that has no other. The engine's own connections are
the pool's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from engine.extras import how_to_get
from engine.stores.postgres.pooler import hands_sessions_on
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
# How the server's lists call us.
NAME = "tocsin"
_VERIFYING = ("verify-ca", "verify-full")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_BEHIND = "; behind the ? only what Postgres' own programs take there, such as sslmode=require"


def is_postgres(url: str) -> bool:
    """Whether a store's URL means Postgres."""
    return url.partition("://")[0] in SCHEMES


def named(url: str) -> str:
    """Which database that is, without user and password: `db.example:5432/tocsin`."""
    # Not by urlsplit: for it a # in a password ends the host, and half of the password would be shown as one.
    place = url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    host, _, rest = place.partition("/")
    name, colon, port = host.rpartition(":")
    if colon and not port.isdecimal() and not host.endswith("]"):
        host = name if "@" in url else ""  # a password without an @ behind it, or no port
    # libpq takes it from there too: so a folder with a socket is written.
    asked = _asked(url)
    host = host or ":".join(asked[name] for name in ("host", "port") if name in asked)
    return f"{host or 'localhost'}/{rest or asked.get('dbname', '')}"


def _asked(url: str) -> dict[str, str]:
    return dict(parse_qsl(url.rpartition("@")[2].partition("?")[2]))


def _files_not_there(url: str) -> str:
    """Those of its files for TLS, which the driver does not name."""
    asked = _asked(url)
    return ", ".join(
        f"{name}={asked[name]}" for name in _FILES if name in asked and not Path(asked[name]).expanduser().is_file()
    )


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
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_MAX_S, server_settings={"application_name": NAME})
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InternalClientError) as fault:
        # Also a login or a database that is not there: whoever makes them may be a moment later than we are. And hosts
        # of which none may be written to: one of them will be.
        if _is_torn(url):
            raise _unusable(url) from fault
        if lacking := _files_not_there(url):
            raise StoreRefused(f"the URL of the database at {named(url)} names no file: {lacking}") from fault
        raise NotYet(f"no connection to the database at {named(url)}: {said(fault)}") from fault
    except (ValueError, OverflowError, asyncpg.InterfaceError) as fault:
        if (mode := _asked(url).get("sslmode", "")) in _VERIFYING and not _asked(url).get("sslrootcert"):
            raise StoreRefused(
                f"the URL of the database at {named(url)} has sslmode={mode} and no sslrootcert=FILE: name the "
                "certificates (PEM) of the authority that signed the server's"
            ) from fault
        # Its words may quote what it took for a port; one past 65,535 is found by the socket only.
        raise _unusable(url) from fault
    try:
        await _check_pooler(connection, url)
        await check_server(connection)
        await connection.execute(_said({"search_path": "public"}))
        yield connection
    finally:
        try:
            await asyncio.wait_for(connection.close(), CLOSE_MAX_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()


async def with_settings(
    url: str, timeout_s: float, settings: Mapping[str, str], name: str = NAME, **options: Any
) -> asyncpg.Connection:
    """A connection of this name with these settings of its session. Raises asyncpg's, OSError and TimeoutError.

    They are said when it is there: a PgBouncer as it comes refuses them in the first packet, or forgets them.
    """
    session: asyncpg.Connection = await driver().connect(
        url, timeout=timeout_s, server_settings={"application_name": name}, **options
    )
    try:
        await session.execute(_said(settings), timeout=timeout_s)
    except BaseException:
        session.terminate()
        raise
    return session


def _said(settings: Mapping[str, str]) -> str:
    return "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())


async def _check_pooler(connection: asyncpg.Connection, url: str) -> None:
    """Raises StoreRefused if a pooler hands the server's sessions on; NotYet if it has none for two of us."""
    asyncpg = driver()
    try:
        is_shared = await hands_sessions_on(connection, url, CONNECT_MAX_S)
    except (asyncpg.DuplicatePreparedStatementError, asyncpg.InvalidSQLStatementNameError):
        is_shared = True  # of statements that others have prepared
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise NotYet(f"the database at {named(url)} serves no two connections of ours: {said(fault)}") from fault
    if is_shared:
        raise StoreRefused(
            f"the pooler at {named(url)} gives the server's sessions to other clients between two transactions, and "
            "with them time-outs, prepared statements and what a LISTEN hears: let it give one to each client for good "
            "(PgBouncer: pool_mode = session), or name the server itself"
        )


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
