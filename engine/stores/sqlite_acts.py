"""The audit trail of administrative acts in the embedded store: rows are added and read, never changed."""

from __future__ import annotations

from sqlite3 import Connection

from engine.stores import AdministrativeAct

_ADD = "INSERT INTO administrative_act (workspace, at, by, verb, target, address) VALUES (?, ?, ?, ?, ?, ?)"
PAGE = (
    "SELECT id, workspace, at, by, verb, target, address FROM administrative_act"
    " WHERE workspace = ? AND id < ? ORDER BY id DESC LIMIT ?"
)
_NEWEST = (1 << 63) - 1


def add(connection: Connection, act: AdministrativeAct) -> None:
    """Writes one act down; its number is the table's to give."""
    connection.execute(_ADD, (act.workspace, act.at, act.by, act.verb, act.target, act.address))


def page(connection: Connection, workspace: str, before: int | None, limit: int) -> list[AdministrativeAct]:
    """Acts of a workspace's administrators below a number, newest first."""
    return [
        AdministrativeAct(number=number, workspace=name, at=at, by=by, verb=verb, target=target, address=address)
        for number, name, at, by, verb, target, address in connection.execute(
            PAGE, (workspace, _NEWEST if before is None else before, limit)
        )
    ]
