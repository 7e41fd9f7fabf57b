"""The audit trail of administrative acts in the embedded store: added here, read by `sqlite_trail`, never changed."""

from __future__ import annotations

from sqlite3 import Connection

from engine.stores import AdministrativeAct

_ADD = "INSERT INTO administrative_act (workspace, at, by, verb, target, address) VALUES (?, ?, ?, ?, ?, ?)"


def add(connection: Connection, act: AdministrativeAct) -> None:
    """Writes one act down; its number is the table's to give."""
    connection.execute(_ADD, (act.workspace, act.at, act.by, act.verb, act.target, act.address))
