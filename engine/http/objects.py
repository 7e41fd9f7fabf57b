"""The routes of any kind of object: list, read, make, replace, change, delete, look back, and many at once.

One function makes them for a `Shelf`, so every resource has the same addresses, headers and errors. What is shown is
the object's own fields with `version`, `origin` and who changed it when; it may be sent back as it is. Edits say which
version they are made to (`If-Match`, as the `ETag` of the answer before): 428 without one, 412 with the present `ETag`
if somebody was faster. `If-Match: *` means whatever is there. An id with a slash is written `%252F` in an address.

Routes annotate `Shown` and `Given`, which each resource gives its own meaning by `signature_namespace`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter

from engine.http.bodies import json_body, object_body
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit
from engine.http.problems import PreconditionRequired
from engine.http.role_guards import may_edit, may_make
from engine.http.shown import page_type, shown, shown_type
from engine.pages import PAGE_DEFAULT
from engine.shelf.bulk import BulkAction, BulkResult, change_many
from engine.shelf.kinds import Held, ShelfQuery, hidden_of
from engine.shelf.objects import Shelf
from engine.stores.objects import ObjectVersion
from protocol.errors import BadRequest
from protocol.fields import ITEMS_MAX, Id
from protocol.model import Principal
from protocol.times import rfc3339

if TYPE_CHECKING:
    Shown = Any
    Page = Any

Archived = Annotated[bool | None, QueryParameter(description="true: only those that were put away")]
IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description='the ETag of what was seen, such as "7"; * for any')
]
Asked = Request[Principal, Any, Any]


class BulkBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 1,000 ids, and what is to be done to each."""

    action: BulkAction
    ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class BulkResults(msgspec.Struct, frozen=True, kw_only=True):
    """One result per id, in order."""

    results: list[BulkResult]


class VersionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A state that an object had; `object` null: it was deleted."""

    version: int
    at: str
    by: str
    verb: str
    archived: bool
    object: dict[str, Any] | None


class VersionList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of states, newest first; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[VersionShown]
    next_cursor: str | None


@dataclass(frozen=True)
class Resource:
    """A shelf at an address (`/api/v1/rules`)."""

    path: str
    shelf: Shelf[Any]
    peer_address: PeerAddress
    # The Struct of a body, where what is kept has fields that nobody writes.
    body: Any = None

    @property
    def plural(self) -> str:
        """What its routes are called after."""
        return self.path.rpartition("/")[2]

    @property
    def namespace(self) -> dict[str, Any]:
        """What `Shown` and `Page` mean in the annotations of its routes."""
        shown = shown_type(self.shelf.kind)
        return {"Shown": shown, "Page": page_type(self.plural, shown)}

    def options(self, verb: str, **more: Any) -> dict[str, Any]:
        """What each of its routes is made with."""
        name = self.plural if verb in ("list", "bulk") else self.shelf.kind.name
        return {
            "operation_id": f"{verb}_{name}",
            "tags": [self.plural],
            "signature_namespace": self.namespace,
            "return_dto": None,
        } | more


def object_routes(
    resource: Resource, list_route: HTTPRouteHandler | None = None, get_route: HTTPRouteHandler | None = None
) -> list[HTTPRouteHandler]:
    """All routes of a resource; `list_route` instead of the plain list, for one with filters of its own, and
    `get_route` for one that shows more."""
    reading = [get_route or _get_route(resource), _versions_route(resource)]
    return [list_route or _list_route(resource), *reading, *_edits(resource), *_others(resource)]


def _list_route(resource: Resource) -> HTTPRouteHandler:
    @get(resource.path, **resource.options("list"))
    async def list_objects(
        request: Asked,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        framework_id: FromQuery[str | None] = None,
        archived: Archived = None,
    ) -> Page:
        """A page of them in the order of their ids; those that were put away only if asked for."""
        query = ShelfQuery(framework=framework_id, archived=bool(archived), cursor=cursor, limit=limit)
        return await page_shown(resource, request.user, query)

    return list_objects


async def page_shown(resource: Resource, who: Principal, query: ShelfQuery, where: Any = lambda value: True) -> Any:
    """A page as it is answered, for a list with filters of its own."""
    page = await resource.shelf.page(who, query, where)
    return {"items": [shown(held) for held in page.items], "next_cursor": page.next_cursor}


def _get_route(resource: Resource) -> HTTPRouteHandler:
    shelf, path = resource.shelf, resource.path + "/{object_id:str}"

    @get(path, **resource.options("get"))
    async def get_object(request: Asked, object_id: FromPath[str]) -> Response[Shown]:
        """One of them; its `ETag` is what an edit must name in `If-Match`."""
        return answer(await shelf.get(request.user, unquote(object_id)))

    return get_object


def _versions_route(resource: Resource) -> HTTPRouteHandler:
    shelf, path = resource.shelf, resource.path + "/{object_id:str}"

    @get(f"{path}/versions", **resource.options("versions_of"))
    async def versions(
        request: Asked, object_id: FromPath[str], limit: Limit = PAGE_DEFAULT, cursor: Cursor = None
    ) -> VersionList:
        """Every state that it had, newest first: who made it so, and when; also of one that was deleted."""
        page = await shelf.versions(request.user, unquote(object_id), cursor, limit)
        hidden = hidden_of(shelf.kind.type)
        return VersionList(items=[_version(each, hidden) for each in page.items], next_cursor=page.next_cursor)

    return versions


def _edits(resource: Resource) -> list[HTTPRouteHandler]:
    shelf, address, path = resource.shelf, resource.peer_address, resource.path + "/{object_id:str}"
    body = object_body(resource.body or shelf.kind.type)

    @post(resource.path, status_code=201, guards=[may_make(shelf)], **resource.options("create", dto=body))
    async def create(request: Asked, data: JSONBody[dict[str, Any]]) -> Response[Shown]:
        """Makes one; without an `id` it gets one. 409 if there is one of that id."""
        held = await shelf.create(request.user, data, address(request))
        return answer(held, 201, Location=f"{resource.path}/{held.id.replace('/', '%252F')}")

    @put(path, guards=[may_edit(shelf)], **resource.options("replace", dto=body))
    async def replace(
        request: Asked, object_id: FromPath[str], data: JSONBody[dict[str, Any]], if_match: IfMatch = None
    ) -> Response[Shown]:
        """Puts another in its place; what the body leaves out gets its default."""
        seen = await seen_by(shelf, request.user, object_id, if_match)
        return answer(await shelf.replace(request.user, unquote(object_id), data, seen, address(request)))

    @patch(path, guards=[may_edit(shelf)], **resource.options("change", dto=object_body(dict[str, Any])))
    async def change(
        request: Asked, object_id: FromPath[str], data: JSONBody[dict[str, Any]], if_match: IfMatch = None
    ) -> Response[Shown]:
        """Changes the fields that are named (RFC 7396: null gives one its default)."""
        seen = await seen_by(shelf, request.user, object_id, if_match)
        return answer(await shelf.patch(request.user, unquote(object_id), data, seen, address(request)))

    return [create, replace, change]


def _others(resource: Resource) -> list[HTTPRouteHandler]:
    shelf, address, path = resource.shelf, resource.peer_address, resource.path + "/{object_id:str}"

    @delete(path, status_code=204, **resource.options("delete"))
    async def delete_object(request: Asked, object_id: FromPath[str], if_match: IfMatch = None) -> None:
        """Takes it away; what it was can still be seen at `…/versions`. `If-Match` is heeded, and not required."""
        seen = None if if_match is None else seen_version(if_match)
        await shelf.delete(request.user, unquote(object_id), seen, address(request))

    @post(f"{path}/archive", status_code=200, **resource.options("archive"))
    async def archive(request: Asked, object_id: FromPath[str]) -> Response[Shown]:
        """Puts it away: it is not in force any more and not in lists. Idempotent."""
        return answer(await shelf.archive(request.user, unquote(object_id), True, address(request)))

    @post(f"{path}/restore", status_code=200, **resource.options("restore"))
    async def restore(request: Asked, object_id: FromPath[str]) -> Response[Shown]:
        """Takes it back from where it was put away. Idempotent."""
        return answer(await shelf.archive(request.user, unquote(object_id), False, address(request)))

    @post(
        f"{resource.path}/bulk",
        status_code=200,
        guards=[may_make(shelf)],
        **resource.options("bulk", dto=json_body(BulkBody)),
    )
    async def bulk(request: Asked, data: JSONBody[BulkBody]) -> BulkResults:
        """Does the same to many; what cannot be done to one keeps nobody back. Idempotent."""
        results = await change_many(shelf, request.user, data.action, data.ids, address(request))
        return BulkResults(results=results)

    return [delete_object, archive, restore, bulk]


def answer(held: Held[Any], status_code: int = 200, **headers: str) -> Response[Any]:
    """An object as it is answered, with its version as `ETag`."""
    return Response(shown(held), status_code=status_code, headers={"ETag": f'"{held.version}"', **headers})


async def seen_by(shelf: Shelf[Any], who: Principal, object_id: str, if_match: str | None) -> int | None:
    """Which version an edit is made to; None: whatever is there. Raises PreconditionRequired, BadRequest."""
    if if_match is not None:
        return seen_version(if_match)
    # First whether he may, and whether there is such an object: else he is told what does not help him.
    await shelf.to_change(who, unquote(object_id))
    raise PreconditionRequired('say which version you saw: If-Match: "7" (the ETag of the answer), or *')


def seen_version(if_match: str) -> int | None:
    """The version in an `If-Match`. Raises BadRequest."""
    if if_match.strip() == "*":
        return None
    if (tag := re.fullmatch(r'\s*"([0-9]{1,18})"\s*', if_match)) is None:
        raise BadRequest(
            f'If-Match {if_match[:64]!r} is no ETag of ours: send it as it was answered, such as "7", or *'
        )
    return int(tag[1])


def _version(kept: ObjectVersion, hidden: frozenset[str]) -> VersionShown:
    fields = None if kept.body is None else msgspec.json.decode(kept.body, type=dict[str, Any])
    return VersionShown(
        version=kept.version,
        at=rfc3339(kept.at),
        by=kept.by,
        verb=kept.verb,
        archived=kept.is_archived,
        object=None if fields is None else {name: fields[name] for name in fields if name not in hidden},
    )
