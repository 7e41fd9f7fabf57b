"""Frameworks, people, teams and workspaces over HTTP, and who of a team is on call."""

from __future__ import annotations

from urllib.parse import unquote

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from actors.ports import Clock
from engine.core.rota import on_call
from engine.core.zones import is_zone
from engine.http.objects import Asked, Resource, object_routes
from engine.http.operators import PeerAddress
from engine.shelf.shelves import Shelves
from protocol.errors import Conflict
from protocol.times import rfc3339


class OnCallShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who of a team is on call (null: nobody), and until when (null: nothing will change by itself)."""

    team: str
    user: str | None
    until: str | None


def directory_routes(shelves: Shelves, clock: Clock, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/frameworks`, `users`, `teams`, `workspaces`."""
    places = (
        ("/api/v1/frameworks", shelves.frameworks),
        ("/api/v1/users", shelves.users),
        ("/api/v1/teams", shelves.teams),
        ("/api/v1/workspaces", shelves.workspaces),
    )

    @get("/api/v1/teams/{object_id:str}/on-call", tags=["teams"])
    async def who_is_on_call(request: Asked, object_id: FromPath[str]) -> OnCallShown:
        """Who of a team is on call at this moment, by its rota and who stands in; 409 if its zone is gone."""
        team = (await shelves.teams.get(request.user, unquote(object_id))).value
        if team.rota is not None and not is_zone(team.rota.zone):
            gone = f"there is no time zone {team.rota.zone!r} on this machine any more"
            raise Conflict(f"rota.zone: {gone}, and all members are told; write another one, like 'Europe/Berlin'")
        user, until = on_call(team, clock())
        return OnCallShown(team=team.id, user=user, until=None if until is None else rfc3339(until))

    routes = [route for path, shelf in places for route in object_routes(Resource(path, shelf, peer_address))]
    return [*routes, who_is_on_call]
