"""Silences, maintenance windows and storms over HTTP: the first two as any object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from actors.ports import Clock
from engine.http.alertmanager_silences import alertmanager_silence_routes
from engine.http.objects import (
    Archived,
    Asked,
    Resource,
    answer,
    object_routes,
    page_shown,
)
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, parse_words
from engine.pages import PAGE_DEFAULT
from engine.quiet.quieting import SilenceState, end_silence, state_of
from engine.quiet.storms import Storms, StormShown
from engine.shelf.kinds import ShelfQuery
from engine.shelf.shelves import Shelves
from protocol.quieting import Silence

if TYPE_CHECKING:
    Page = Any
    Shown = Any

States = Annotated[list[str] | None, QueryParameter(name="state", description="pending, active, expired")]


class StormList(msgspec.Struct, frozen=True, kw_only=True):
    """The storms of now; there is at most one a framework, so they come in one page."""

    items: list[StormShown]
    next_cursor: str | None


def quieting_routes(shelves: Shelves, storms: Storms, clock: Clock, address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/silences` (and Alertmanager's form of them), `/api/v1/maintenance`, `/api/v1/storms`."""
    maintenance = Resource("/api/v1/maintenance", shelves.maintenance, address)
    return [
        *_silence_routes(shelves, clock, address),
        *alertmanager_silence_routes(shelves.silences, clock, address),
        *object_routes(maintenance),
        _storm_route(storms),
    ]


def _silence_routes(shelves: Shelves, clock: Clock, address: PeerAddress) -> list[HTTPRouteHandler]:
    shelf = shelves.silences
    resource = Resource("/api/v1/silences", shelf, address)

    @get(resource.path, **resource.options("list"))
    async def silences(
        request: Asked,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        archived: Archived = None,
        states: States = None,
    ) -> Page:
        """A page of silences in the order of their ids, also of those that are over (`state`)."""
        query = ShelfQuery(archived=bool(archived), cursor=cursor, limit=limit)
        return await page_shown(resource, request.user, query, _in_state(states, clock()))

    @post(f"{resource.path}/{{object_id:str}}/expire", status_code=200, **resource.options("expire"))
    async def expire(request: Asked, object_id: FromPath[str]) -> Response[Shown]:
        """Ends it now; what it kept quiet and is still open rings. One that is over stays as it is."""
        return answer(await end_silence(shelf, request.user, unquote(object_id), clock(), address(request)))

    return [*object_routes(resource, silences), expire]


def _in_state(given: Sequence[str] | None, now: int) -> Any:
    states = parse_words(given, SilenceState, "state")

    def where(silence: Silence) -> bool:
        return not states or state_of(silence, now) in states

    return where


def _storm_route(storms: Storms) -> HTTPRouteHandler:
    @get("/api/v1/storms", operation_id="list_storms", tags=["storms"])
    async def list_storms(request: Asked) -> StormList:
        """Which channels are in a storm: since when, how many new alerts it held, how many of them have rung since."""
        return StormList(items=await storms.now(request.user), next_cursor=None)

    return list_storms
