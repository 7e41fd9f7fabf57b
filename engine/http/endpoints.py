"""Endpoints over HTTP: `/api/v1/endpoints`, as any object, a new secret for one that has one, and a test of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from engine.http.bodies import json_body
from engine.http.objects import Asked, Resource, answer, object_routes
from engine.http.operators import PeerAddress
from engine.http.role_guards import may_edit
from engine.notify.endpoint_keys import KEEP_MAX_S, KEEP_S
from engine.notify.endpoints import EndpointShelf
from engine.notify.senders import Tryout, TryoutResult
from protocol.endpoints import SECRET_MAX_CHARS, EndpointGiven

if TYPE_CHECKING:
    Shown = Any

PATH = "/api/v1/endpoints"


class RotateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new secret (none: we make one), and for how long the old one goes on signing (seconds; a day)."""

    secret: Annotated[str, msgspec.Meta(max_length=SECRET_MAX_CHARS)] = ""
    keep_s: Annotated[float, msgspec.Meta(ge=0, le=KEEP_MAX_S)] = KEEP_S


def endpoint_routes(shelf: EndpointShelf, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/endpoints`."""
    resource = Resource(PATH, shelf, peer_address, body=EndpointGiven)

    @post(
        PATH + "/{object_id:str}/rotate",
        status_code=200,
        guards=[may_edit(shelf)],
        **resource.options("rotate", dto=json_body(RotateBody)),
    )
    async def rotate(request: Asked, object_id: FromPath[str], data: JSONBody[RotateBody]) -> Response[Shown]:
        """Gives it a new secret, which is in this answer alone if we made it; for a while both sign what we send."""
        held = await shelf.rotate(
            request.user, unquote(object_id), data.secret, data.keep_s, address=peer_address(request)
        )
        return answer(held)

    return [*object_routes(resource), rotate]


def endpoint_test_routes(tryout: Tryout) -> list[HTTPRouteHandler]:
    """`POST /api/v1/endpoints/{id}/test`."""

    @post(PATH + "/{object_id:str}/test", status_code=200, tags=["endpoints"], operation_id="test_endpoint")
    async def test(request: Asked, object_id: FromPath[str]) -> TryoutResult:
        """Sends it a test notification, marked as one, and answers what came of that."""
        return await tryout.try_out(request.user, unquote(object_id))

    return [test]
