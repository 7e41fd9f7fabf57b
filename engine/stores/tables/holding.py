"""Takes a workspace's streams in hand for the rest of a transaction, where others may be at them at the same time.

SQLite has one writer: there is nothing to do. In Postgres whoever moves a stream holds its workspace's row first (a
channel's commit does, `engine.stores.postgres.places`), so two that move streams wait for each other instead of meeting
half-way in a deadlock, and what is read after it is the last word.
"""

from __future__ import annotations

from engine.stores.tables.connection import ByColumns, Connection

_BY_NAME = "SELECT id FROM workspace WHERE name = ? FOR NO KEY UPDATE"
_BY_NUMBER = "SELECT id FROM workspace WHERE id = ? FOR NO KEY UPDATE"


def hold_workspace(connection: Connection, workspace: str | int) -> bool:
    """By its name or its number; one that there is not yet cannot be held. Whether nobody else can move its streams."""
    if not isinstance(connection, ByColumns):
        return True
    return bool(connection.execute(_BY_NAME if isinstance(workspace, str) else _BY_NUMBER, (workspace,)).fetchall())
