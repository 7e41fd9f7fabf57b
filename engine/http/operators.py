"""For operators: who is connected, and ending connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Request, delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from actors.addresses import Proxies
from engine.http.parameters import Cursor, Limit
from engine.http.ports import Operators
from engine.pages import PAGE_DEFAULT
from engine.verbs.operators import ConnectionPage
from protocol.errors import BadRequest
from protocol.model import Principal


class Disconnected(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections were ended."""

    disconnected: int


class PeerAddress:
    """From where a request came, for the record: the socket's peer, or who stands behind it at a trusted proxy."""

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        self._proxies = Proxies(trusted_proxies)

    def __call__(self, request: Request[Any, Any, Any]) -> str:
        """An address, or nothing for a connection that has none."""
        peer = request.client.host if request.client is not None else ""
        # Of several such headers all count, joined as HTTP joins them: the last hop's word is the last one.
        forwarded = request.headers.getall("x-forwarded-for", [])
        return self._proxies.client(peer, ", ".join(forwarded) if forwarded else None)


def operator_routes(operators: Operators, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`GET` and `DELETE /api/v1/connections`."""

    @get("/api/v1/connections")
    async def connections(
        request: Request[Principal, Any, Any],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        user: FromQuery[str | None] = None,
        workspace: FromQuery[str | None] = None,
    ) -> ConnectionPage:
        """Who is connected, oldest first; administrators of `system` see all workspaces, or the one they name."""
        return await operators.connections(request.user, workspace, user, cursor, limit)

    @delete("/api/v1/connections/{client_id:str}", status_code=204)
    async def disconnect(request: Request[Principal, Any, Any], client_id: FromPath[str]) -> None:
        """Ends one connection with 3503: its client does not come back by itself."""
        await operators.disconnect(request.user, client_id, peer_address(request))

    @delete("/api/v1/connections", status_code=200)
    async def disconnect_user(
        request: Request[Principal, Any, Any],
        user: FromQuery[str | None] = None,
        workspace: FromQuery[str | None] = None,
    ) -> Disconnected:
        """Ends all connections of a user with 3503. The user's token stays good: revoke it to keep him out."""
        if user is None:
            raise BadRequest("say whose connections: ?user=NAME")
        count = await operators.disconnect_user(request.user, user, workspace, peer_address(request))
        return Disconnected(disconnected=count)

    return [connections, disconnect, disconnect_user]
