"""The audit trail of administrative acts in the store: added here, read by `trail`, never changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from engine.stores.trail import AdministrativeAct

# The number of each is the table's to give.
ACTS = Bulk(
    "INSERT INTO administrative_act (workspace, at, by, verb, target, address, notes, before, after)",
    "tittttttt",
)


def add(connection: Connection, act: AdministrativeAct) -> None:
    """Writes one act down."""
    ACTS.run(connection, values_of(act))


def add_at_once(connection: Connection, those: Sequence[AdministrativeAct]) -> None:
    """Writes any number of acts down, with one statement."""
    ACTS.run_at_once(connection, [value for act in those for value in values_of(act)])


def values_of(act: AdministrativeAct) -> list[Any]:
    """In the order of `ACTS`. What is not different before and after is not written."""
    before, after = (json.dumps(fields) if fields else None for fields in (act.before, act.after))
    return [act.workspace, act.at, act.by, act.verb, act.target, act.address, act.notes, before, after]
