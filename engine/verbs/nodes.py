"""Which nodes there are, for the engine's operator. Every door and embedding programs call this.

Owns nothing: shows what membership saw at its last look, a second ago at most. With one process that one is all there
is. For administrators of `system`: all workspaces share the nodes.
"""

from __future__ import annotations

import msgspec

from engine.access.roles import SYSTEM_WORKSPACE, check_administrator
from engine.nodes.membership import LIVE_S, Membership
from engine.stores.nodes import NodeRow, NodeSeen
from protocol.errors import PermissionDenied
from protocol.model import Principal
from protocol.times import rfc3339


class NodeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A node: `live`, `draining` (it owns nothing any more) or `silent` (for more than 3 s: others decide for it).

    `id` is of this run of its process. `seen_s`: how long ago it was heard of. `is_this`: it is the one that answers.
    """

    id: str
    address: str
    version: str
    started_at: str
    state: str
    seen_s: float
    is_this: bool


class NodeList(msgspec.Struct, frozen=True, kw_only=True):
    """All nodes, in the order of their ids; there is never another page."""

    items: list[NodeShown]
    next_cursor: None = None


class NodeVerbs:
    """The verbs. `membership` None: this process is the only one, and `me` is all there is to say of it."""

    def __init__(self, membership: Membership | None, me: NodeRow) -> None:
        self._membership = membership
        self._me = me

    def nodes(self, who: Principal) -> NodeList:
        """All nodes. Raises PermissionDenied."""
        check_administrator(who)
        if who.workspace != SYSTEM_WORKSPACE:
            raise PermissionDenied(f"nodes are for administrators of the workspace {SYSTEM_WORKSPACE!r}")
        here = self._membership
        seen = [NodeSeen(node=self._me, age_s=0.0)] if here is None else here.seen
        return NodeList(items=[_shown(each, self._me.id) for each in seen])


def _shown(each: NodeSeen, me: str) -> NodeShown:
    node = each.node
    state = "silent" if each.age_s > LIVE_S else "draining" if node.is_draining else "live"
    return NodeShown(
        id=node.id,
        address=node.address,
        version=node.version,
        started_at=rfc3339(node.started_at),
        state=state,
        seen_s=round(each.age_s, 3),
        is_this=node.id == me,
    )
