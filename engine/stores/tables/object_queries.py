"""Questions about objects, each a function of a connection and served by an index. Answers come as one JSON text each,
as in `queries`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.stores.objects import OBJECT_PAGE_MAX, ObjectQuery, ObjectVersion, StoredObject
from engine.stores.tables.connection import Connection
from engine.stores.tables.queries import numbers

COLUMNS = (
    "kind, workspace, id, version, framework, body, created_at, updated_at, updated_by, archived_at, ends_at, crowd"
)
_NAMES = COLUMNS.split(", ")
_AS_JSON = f"SELECT json_group_array(json_array({COLUMNS})) FROM"
_NAMED = f"{_AS_JSON} object WHERE kind = ? AND workspace = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608
OVER = f"{_AS_JSON} (SELECT * FROM object WHERE ends_at < ? ORDER BY ends_at LIMIT ?)"  # noqa: S608
COUNTS = "SELECT json_group_array(json_array(kind, n)) FROM (SELECT kind, COUNT(*) AS n FROM object GROUP BY kind)"
VERSIONS = (
    "SELECT json_group_array(json_array(version, body, is_archived, at, by, verb)) FROM (SELECT * FROM object_version"
    " WHERE kind = ? AND workspace = ? AND id = ? AND version < ? ORDER BY version DESC LIMIT ?)"
)
FRAMEWORKS = (
    "SELECT json_group_array(framework) FROM (SELECT framework FROM workspace JOIN channel"
    " ON channel.workspace = workspace.id WHERE workspace.name = ? AND framework > ? ORDER BY framework LIMIT ?)"
)
WORKSPACES = "SELECT json_group_array(name) FROM (SELECT name FROM workspace WHERE name > ? ORDER BY name LIMIT ?)"
_NEWEST = (1 << 63) - 1


def page(connection: Connection, query: ObjectQuery) -> list[StoredObject]:
    """A page of objects, in order."""
    return _objects(connection, *page_statement(query))


def page_statement(query: ObjectQuery) -> tuple[str, list[Any]]:
    """The statement for a page, with its values."""
    table, conditions, values, order = "object", ["kind = ?"], [query.kind], "workspace, id"
    if query.workspace is None:
        conditions, values = [*conditions, "(workspace, id) > (?, ?)"], [*values, *query.after]
    else:
        conditions, values = [*conditions, "workspace = ?", "id > ?"], [*values, query.workspace, query.after[1]]
        order = "id"
    if query.framework is not None:
        # The planner likes the primary key, and would read the whole workspace.
        table = "object INDEXED BY object_by_framework"
        conditions, values = [*conditions, "framework = ?"], [*values, query.framework]
    found = f"SELECT * FROM {table} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT ?"  # noqa: S608  # our words
    return f"{_AS_JSON} ({found})", [*values, min(query.limit, OBJECT_PAGE_MAX)]


def over(connection: Connection, before: int, limit: int) -> list[StoredObject]:
    """What was over before then, the longest first."""
    return _objects(connection, OVER, (before, limit))


def named(connection: Connection, workspace: str, kind: str, ids: Sequence[str]) -> list[StoredObject]:
    """Objects by their ids."""
    return _objects(connection, _NAMED, (kind, workspace, json.dumps(list(ids))))


def versions(
    connection: Connection, workspace: str, kind: str, object_id: str, before: int | None, limit: int
) -> list[ObjectVersion]:
    """The states of an object with lower versions, newest first."""
    values = (kind, workspace, object_id, _NEWEST if before is None else before, limit)
    return [
        ObjectVersion(version=version, body=body, is_archived=bool(archived), at=at, by=by, verb=verb)
        for version, body, archived, at, by, verb in numbers(connection, VERSIONS, values)
    ]


def _objects(connection: Connection, sql: str, values: Sequence[Any]) -> list[StoredObject]:
    return [StoredObject(**dict(zip(_NAMES, row, strict=True))) for row in numbers(connection, sql, values)]
