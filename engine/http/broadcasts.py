"""`POST /api/v1/broadcast`: an operator's word to whoever is connected now."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.role_guards import needs
from protocol.fields import TEXT_MAX_CHARS, Id
from protocol.hints import BroadcastTo
from protocol.model import Principal

Message = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX_CHARS)]


class Broadcasts(Protocol):
    """What of the engine tells everybody."""

    async def send(self, who: Principal, to: BroadcastTo, target: str, message: str, address: str) -> int:
        """How many were told. Raises UnknownChannel, StoreUnavailable."""


class BroadcastBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to tell (`to` and its `id`), and what."""

    to: BroadcastTo
    id: Id
    message: Message


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections (sockets and event streams) it was handed to."""

    told: int


def broadcast_routes(broadcasts: Broadcasts, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`POST /api/v1/broadcast`."""

    @post(
        "/api/v1/broadcast", status_code=200, guards=[needs("broadcast")], dto=json_body(BroadcastBody), return_dto=None
    )
    async def broadcast(request: Request[Principal, Any, Any], data: JSONBody[BroadcastBody]) -> Told:
        """Tells whoever is connected now: a client, the followers of a framework or project, a user, a workspace."""
        told = await broadcasts.send(request.user, data.to, data.id, data.message, peer_address(request))
        return Told(told=told)

    return [broadcast]
