"""The part of a store's contract that is about nodes: who runs on it, and when each was last heard of.

The store's own clock says how old a row is, so nodes whose clocks differ agree on who is there. A row that was not
renewed for long is deleted by whoever renews his own; a node that was only stopped for so long writes it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

# Long after everybody has taken its workspaces over: `tocsin nodes` still shows who was there this hour.
FORGOTTEN_S = 3_600.0


class NodeRow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A node as it presents itself. `id` is of this run of its process and is never used again; times are microseconds.

    `address`: where its API is, for operators. `is_draining`: it owns nothing any more, and is about to end.
    """

    id: str
    address: str = ""
    version: str = ""
    started_at: int = 0
    is_draining: bool = False


class NodeSeen(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A node, and how long ago it renewed its row.

    `before_s`: of the one that asks, and has renewed it just now: how long ago it had done so before. None: it had not.
    """

    node: NodeRow
    age_s: float
    before_s: float | None = None


class NodeStore(Protocol):
    """What membership needs of a store. Everything raises StoreUnavailable."""

    async def renew_node(self, node: NodeRow) -> Sequence[NodeSeen]:
        """Writes this node's row anew; all nodes in the order of their ids, this one included, as of now."""

    async def forget_node(self, node: str) -> None:
        """Deletes a node's row: it ends."""

    async def lose_connections(self, silent_s: float) -> int:
        """In the record, connections of nodes that were not heard of for so long are over; how many those were.

        A node that was only stopped says of each what it hears of it, and so has it back.
        """
