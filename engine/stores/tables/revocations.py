"""Revocations in the store: a table that is read once, at the start, and written at each change."""

from __future__ import annotations

from engine.stores.connections import Revocation, RevocationKind
from engine.stores.tables.connection import Connection

_PUT = (
    "INSERT INTO revocation (workspace, kind, target, at, ends_at, by, reason) VALUES (?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (workspace, kind, target) DO UPDATE SET at = excluded.at, ends_at = excluded.ends_at,"
    " by = excluded.by, reason = excluded.reason"
)
_ALL = "SELECT workspace, kind, target, at, ends_at, by, reason FROM revocation WHERE ends_at > ? ORDER BY at"


def put(connection: Connection, row: Revocation) -> None:
    """Keeps a revocation, in the place of an older one of the same token or user."""
    values = (row.workspace, row.kind.value, row.target, row.at, row.ends_at, row.by, row.reason)
    connection.execute(_PUT, values)


def remove(connection: Connection, workspace: str, kind: RevocationKind, target: str) -> None:
    """Forgets a revocation, if there is one."""
    connection.execute(
        "DELETE FROM revocation WHERE workspace = ? AND kind = ? AND target = ?", (workspace, kind.value, target)
    )


def still_needed(connection: Connection, now_us: int) -> list[Revocation]:
    """Those whose tokens could still be good otherwise, oldest first."""
    return [
        Revocation(workspace=workspace, kind=RevocationKind(kind), target=target, at=at, ends_at=end, by=by, reason=why)
        for workspace, kind, target, at, end, by, why in connection.execute(_ALL, (now_us,))
    ]


def trim(connection: Connection, now_us: int) -> None:
    """Deletes those that are not needed any more: at most as many as were kept, a few thousand."""
    connection.execute("DELETE FROM revocation WHERE ends_at <= ?", (now_us,))
