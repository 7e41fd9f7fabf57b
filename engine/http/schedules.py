"""Schedules over HTTP: objects like any other, shown with how they fare, and what is done about them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from engine.http.handing import HandedOver, accepted
from engine.http.objects import Archived, Asked, Resource, object_routes
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit
from engine.http.shown import page_type, shown, shown_type
from engine.jobs.schedules import RunsShown, ScheduleHeld, ScheduleVerbs
from engine.pages import PAGE_DEFAULT
from engine.shelf.kinds import ShelfQuery

if TYPE_CHECKING:
    Faring = Any
    FaringPage = Any

PATH = "/api/v1/schedules"


def schedule_routes(verbs: ScheduleVerbs, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/schedules`."""
    resource = Resource(PATH, verbs.shelf, peer_address)
    return [
        *object_routes(resource, _list_route(verbs, resource), _get_route(verbs, resource)),
        *_act_routes(verbs, resource),
    ]


def _options(resource: Resource, verb: str) -> dict[str, Any]:
    faring = _faring_type(shown_type(resource.shelf.kind))
    namespace = {"Faring": faring, "FaringPage": page_type(resource.plural, faring)}
    return resource.options(verb) | {"signature_namespace": namespace}


@functools.cache
def _faring_type(kind: Any) -> Any:
    return msgspec.defstruct(
        "ScheduleFaring", [("runs", RunsShown)], bases=(kind,), frozen=True, kw_only=True, module=__name__
    )


def _list_route(verbs: ScheduleVerbs, resource: Resource) -> HTTPRouteHandler:
    @get(PATH, **_options(resource, "list"))
    async def schedules(
        request: Asked, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None, archived: Archived = None
    ) -> FaringPage:
        """A page of a workspace's schedules, and how each fares; the engine's own are those of `system`."""
        query = ShelfQuery(archived=bool(archived), cursor=cursor, limit=limit)
        items, following = await verbs.page(request.user, query)
        return {"items": [_faring(each) for each in items], "next_cursor": following}

    return schedules


def _get_route(verbs: ScheduleVerbs, resource: Resource) -> HTTPRouteHandler:
    @get(f"{PATH}/{{object_id:str}}", **_options(resource, "get"))
    async def schedule(request: Asked, object_id: FromPath[str]) -> Response[Faring]:
        """One schedule and how it fares: runs, the last one, the next one. Its `ETag` is for edits."""
        return _answer(await verbs.get(request.user, unquote(object_id)))

    return schedule


def _act_routes(verbs: ScheduleVerbs, resource: Resource) -> list[HTTPRouteHandler]:
    address = resource.peer_address

    @post(f"{PATH}/{{object_id:str}}/pause", status_code=200, **_options(resource, "pause"))
    async def pause(request: Asked, object_id: FromPath[str]) -> Response[Faring]:
        """It does not fire by itself any more, and what it misses is not made good. Idempotent."""
        return _answer(await verbs.pause(request.user, unquote(object_id), True, address(request)))

    @post(f"{PATH}/{{object_id:str}}/resume", status_code=200, **_options(resource, "resume"))
    async def resume(request: Asked, object_id: FromPath[str]) -> Response[Faring]:
        """It fires by itself again, from the next moment on. Idempotent."""
        return _answer(await verbs.pause(request.user, unquote(object_id), False, address(request)))

    @post(f"{PATH}/{{object_id:str}}/run", status_code=202, **resource.options("run"))
    async def run(request: Asked, object_id: FromPath[str]) -> Response[HandedOver]:
        """Has it done once, now, also if it is paused; when it fires by itself stays as it is."""
        return accepted(await verbs.run(request.user, unquote(object_id), address(request)))

    return [pause, resume, run]


def _faring(found: ScheduleHeld) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(shown(found.held))
    return fields | {"runs": msgspec.to_builtins(found.runs)}


def _answer(found: ScheduleHeld) -> Response[Any]:
    return Response(_faring(found), headers={"ETag": f'"{found.held.version}"'})
