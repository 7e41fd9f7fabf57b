"""`GET /api/v1/nodes`: which processes serve this installation."""

from __future__ import annotations

from typing import Any, Protocol

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from engine.verbs.nodes import NodeList
from protocol.model import Principal


class Nodes(Protocol):
    """What of the engine knows the nodes."""

    def nodes(self, who: Principal) -> NodeList:
        """All of them. Raises PermissionDenied."""


def node_routes(nodes: Nodes) -> list[HTTPRouteHandler]:
    """`GET /api/v1/nodes`."""

    @get("/api/v1/nodes", sync_to_thread=False)
    def list_nodes(request: Request[Principal, Any, Any]) -> NodeList:
        """The nodes on one store, for administrators of `system`: live, draining, or silent for more than 3 s."""
        return nodes.nodes(request.user)

    return [list_nodes]
