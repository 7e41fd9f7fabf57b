"""What the store keeps for quieting besides the alerts' marks: budgets of new alerts, and storms."""

from __future__ import annotations

import json

from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from protocol.effects import StormState

STORMS = Bulk(
    "INSERT INTO storm (channel, workspace, full_at, since, held, rang)",
    "iiiiii",
    "ON CONFLICT (channel) DO UPDATE SET full_at = excluded.full_at, since = excluded.since, held = excluded.held,"
    " rang = excluded.rang",
)
STORM = "SELECT full_at, since, held, rang FROM storm WHERE channel = ?"
STORMY = (
    "SELECT framework, full_at, since, held, rang FROM storm INDEXED BY storm_now"
    " JOIN channel ON channel.id = storm.channel WHERE since > 0"
    " AND storm.workspace = (SELECT id FROM workspace WHERE name = ?)"
)
OPEN_FRAMEWORKS = (
    "SELECT json_group_array(framework) FROM (SELECT framework FROM workspace"
    " JOIN channel ON channel.workspace = workspace.id WHERE workspace.name = ? AND EXISTS"
    " (SELECT 1 FROM alert WHERE alert.channel = channel.id AND state IN (1, 2)) ORDER BY framework)"
)


def storm_of(connection: Connection, channel: int) -> StormState:
    """The budget of a channel, and its storm."""
    rows = connection.execute(STORM, (channel,)).fetchall()
    return _state(*rows[0]) if rows else StormState()


def storms(connection: Connection, workspace: str) -> list[tuple[str, StormState]]:
    """The channels of a workspace that are in a storm."""
    rows = connection.execute(STORMY, (workspace,)).fetchall()
    return [(framework, _state(*figures)) for framework, *figures in sorted(rows)]


def open_frameworks(connection: Connection, workspace: str) -> list[str]:
    """The frameworks of a workspace with open alerts."""
    return list(json.loads(connection.execute(OPEN_FRAMEWORKS, (workspace,)).fetchall()[0][0]))


def _state(full_at: int, since: int, held: int, rang: int) -> StormState:
    return StormState(full_at=full_at, since=since, held=held, rang=rang)
