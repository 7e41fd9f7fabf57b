"""Which node decides for a workspace: the highest hash of (node, workspace) among the nodes that may own something.

Pure. Every node computes it for itself, so nobody has to be asked or elected, and when a node comes or goes only the
share of that node moves (rendezvous hashing: Thaler and Ravishankar, 1998). The hash must be the same on every machine
and in every version: BLAKE2b, and never Python's own, which differs from process to process. Decided against a ring
with virtual nodes (more to keep in memory for a worse spread at a few nodes).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

# Owners that are remembered: as many as there may be workspaces (`objects.workspaces_max`), each about 150 bytes.
REMEMBERED_MAX = 10_000
# 64 bits: two nodes have the same hash for a workspace once in 10^19, and then the names decide.
_HASH_BYTES = 8


def weight(node: str, workspace: str) -> bytes:
    """How much a node wants a workspace. A node's name has no NUL, so no two pairs read the same."""
    return blake2b(f"{node}\0{workspace}".encode(), digest_size=_HASH_BYTES).digest()


class Owners:
    """Who owns what, as long as these nodes are there. `nodes` may be empty: then nobody owns anything."""

    __slots__ = ("_known", "nodes")

    def __init__(self, nodes: Iterable[str]) -> None:
        self.nodes: Sequence[str] = tuple(sorted(set(nodes)))
        self._known: dict[str, str] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Owners) and self.nodes == other.nodes

    def __hash__(self) -> int:
        return hash(self.nodes)

    def of(self, workspace: str) -> str:
        """The node that decides for a workspace; empty if there is no node."""
        known = self._known.get(workspace)
        if known is None:
            known = max(self.nodes, key=lambda node: (weight(node, workspace), node), default="")
            if len(self._known) >= REMEMBERED_MAX:
                self._known.clear()
            self._known[workspace] = known
        return known
