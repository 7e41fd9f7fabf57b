"""The engine's role in the database: made by a migration, and examined when an engine starts.

Row-level security binds only whoever cannot step out of it, so an engine whose login owns tables, is a superuser, may
bypass row-level security (or make roles, or replicate: both come to the same) or may become somebody who can is refused
before it reads a row. The password travels to the
server as what the server would keep of it (a SCRAM verifier), so that no log of statements has it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from engine.configuration.fields import Secret
from protocol.errors import StoreRefused

if TYPE_CHECKING:
    import asyncpg

DEFAULT_ROLE = "tocsin_app"
# What Postgres itself uses.
SCRAM_ROUNDS = 4_096
_SALT_BYTES = 16
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_CAN_ACT_AS = "(pg_has_role(session_user, oid, 'MEMBER') OR pg_has_role(current_user, oid, 'MEMBER'))"
_MAY_BYPASS = f"""
SELECT rolname, CASE WHEN rolsuper THEN 'is a superuser' ELSE 'may bypass row-level security' END FROM pg_roles
WHERE (rolsuper OR rolbypassrls) AND {_CAN_ACT_AS} ORDER BY rolname LIMIT 1
"""  # noqa: S608  # our own words
_MAY_BECOME = f"""
SELECT
    rolname,
    CASE WHEN rolcreaterole THEN 'may make itself the owner (CREATEROLE)' ELSE 'may copy all rows (REPLICATION)' END
FROM pg_roles WHERE (rolcreaterole OR rolreplication) AND {_CAN_ACT_AS} ORDER BY rolname LIMIT 1
"""  # noqa: S608  # our own words
_OWNER = """
SELECT pg_get_userbyid(relowner), 'owns the tables' FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    AND (pg_has_role(session_user, relowner, 'MEMBER') OR pg_has_role(current_user, relowner, 'MEMBER'))
LIMIT 1
"""


class EngineRole(NamedTuple):
    """Whom the engine connects as. Without a password it keeps the one it has; a new one then has none."""

    name: str = DEFAULT_ROLE
    password: Secret = Secret()


def scram_verifier(password: str, salt: bytes) -> str:
    """What Postgres keeps of a password (RFC 5803): it proves a login, and does not give one."""
    text = unicodedata.normalize("NFKC", password)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ROUNDS}:{told[0]}${told[1]}:{told[2]}"


async def make_role(connection: asyncpg.Connection, role: EngineRole) -> bool:
    """Makes the engine's role, or gives it the password; whether it is new. By the owner, in a migration's transaction.

    Raises StoreRefused for one that is too mighty.
    """
    if not _NAME.fullmatch(role.name):
        raise StoreRefused(f"the role {role.name[:64]!r} is not allowed: use lower-case letters, digits and _")
    found = await connection.fetchrow(
        "SELECT rolsuper OR rolbypassrls, pg_has_role($1, current_user, 'MEMBER') FROM pg_roles WHERE rolname = $1",
        role.name,
    )
    if found is not None and any(found):
        raise StoreRefused(
            f"the role {role.name!r} owns this database, or may bypass row-level security: the engine needs one of its "
            f"own that can do neither; choose another name (it is made here)"
        )
    if found is None:
        await connection.execute(f'CREATE ROLE "{role.name}" LOGIN')
    if role.password:
        verifier = scram_verifier(role.password.reveal().decode(), os.urandom(_SALT_BYTES))
        await connection.execute(f"ALTER ROLE \"{role.name}\" PASSWORD '{verifier}'")
    await connection.execute(f"CALL public.tocsin_grant('{role.name}')")
    return found is None


async def check_role(connection: asyncpg.Connection) -> None:
    """Raises StoreRefused if whoever is connected could step out of row-level security. For an engine that starts."""
    for question in (_MAY_BYPASS, _OWNER, _MAY_BECOME):
        found = await connection.fetchrow(question)
        if found is not None:
            name, why = found
            raise StoreRefused(await _too_mighty(connection, f"it can act as {name!r}, which {why}"))


async def _too_mighty(connection: asyncpg.Connection, why: str) -> str:
    user = await connection.fetchval("SELECT session_user")
    return (
        f"the engine must not connect as {user!r}: {why}, and workspaces would not be kept apart. Say "
        f"`tocsin migrate --store URL` with the owner's URL once (it makes the role {DEFAULT_ROLE!r}), and give the "
        f"engine that role's URL"
    )
