"""The routes of all kinds of objects."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from engine.http.operators import PeerAddress
from engine.http.rules import rule_routes
from engine.shelves import Shelves


def shelf_routes(shelves: Shelves, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """What people make and change, over HTTP."""
    return [*rule_routes(shelves.rules, peer_address)]
