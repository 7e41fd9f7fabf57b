"""The routes of all kinds of objects."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from actors.ports import Clock
from engine.http.directory import directory_routes
from engine.http.endpoints import endpoint_routes
from engine.http.objects import Resource, object_routes
from engine.http.operators import PeerAddress
from engine.http.quieting import quieting_routes
from engine.http.rule_files import rule_file_routes
from engine.http.rules import rule_routes
from engine.quiet.storms import Storms
from engine.shelf.shelves import Shelves


def shelf_routes(shelves: Shelves, storms: Storms, clock: Clock, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """What people make and change, over HTTP."""
    return [
        *rule_routes(shelves.rules, peer_address),
        *rule_file_routes(shelves.rules, peer_address),
        *quieting_routes(shelves, storms, clock, peer_address),
        *directory_routes(shelves, clock, peer_address),
        *endpoint_routes(shelves.endpoints, peer_address),
        *object_routes(Resource("/api/v1/workflows", shelves.workflows, peer_address)),
        *object_routes(Resource("/api/v1/preferences", shelves.preferences, peer_address)),
        *object_routes(Resource("/api/v1/escalations", shelves.escalations, peer_address)),
    ]
