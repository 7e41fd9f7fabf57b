"""Who may come in: one-use tickets for anybody with a token, tokens for tickets, revocations for administrators."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody

from engine.access.identity import IssuedTicket, IssuedToken
from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit
from engine.http.ports import Administration, Service
from engine.http.role_guards import needs
from engine.pages import PAGE_DEFAULT
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import BadRequest
from protocol.fields import Text, Ticket
from protocol.model import Principal
from protocol.times import rfc3339


class TicketBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A one-use ticket (`POST /api/v1/tickets`), to be exchanged."""

    ticket: Ticket


class RevocationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not good any more: the token with this `jti`, or all that `user` has until now; one of the two."""

    jti: str | None = None
    user: str | None = None
    reason: Text | None = None


class RevocationShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A revocation; `disconnected`, in the answer to its making: how many connections it has ended."""

    jti: str | None = None
    user: str | None = None
    reason: str | None = None
    by: str
    at: str
    ends_at: str
    disconnected: int | None = None


class RevocationList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of revocations; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[RevocationShown]
    next_cursor: str | None


def ticket_routes(service: Service) -> list[HTTPRouteHandler]:
    """`POST /api/v1/tickets`."""

    @post("/api/v1/tickets", status_code=200, sync_to_thread=False)
    def issue_ticket(request: Request[Principal, Any, Any]) -> IssuedTicket:
        """A ticket that stands for your token once, for half a minute, where no header can be sent: `?ticket=`."""
        return service.issue_ticket(request.user)

    return [issue_ticket]


def token_routes(service: Service, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`POST /api/v1/tokens`; the ticket says who it is, so these need no token."""

    @post("/api/v1/tokens", status_code=200, dto=json_body(TicketBody), return_dto=None)
    async def exchange_ticket(request: Request[Any, Any, Any], data: JSONBody[TicketBody]) -> IssuedToken:
        """A token of whoever made the ticket, good for an hour at most: how a link signs in to the page."""
        return await service.exchange(data.ticket, peer_address(request))

    return [exchange_ticket]


def revocation_routes(administration: Administration, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`GET`, `POST` and `DELETE /api/v1/revocations`."""

    @post(
        "/api/v1/revocations",
        status_code=200,
        guards=[needs("administer")],
        dto=json_body(RevocationBody),
        return_dto=None,
    )
    async def revoke(request: Request[Principal, Any, Any], data: JSONBody[RevocationBody]) -> RevocationShown:
        """Ends a token, or all tokens that a user has until now; who is connected with one is cut."""
        kind, target = _target(data.jti, data.user)
        done = await administration.revoke(request.user, kind, target, data.reason, peer_address(request))
        return _shown(done.revocation, done.disconnected)

    @get("/api/v1/revocations", sync_to_thread=False)
    def revocations(
        request: Request[Principal, Any, Any], limit: Limit = PAGE_DEFAULT, cursor: Cursor = None
    ) -> RevocationList:
        """What is revoked in this workspace and has not ended by itself."""
        page = administration.revocations(request.user, cursor, limit)
        return RevocationList(items=[_shown(row) for row in page.items], next_cursor=page.next_cursor)

    @delete("/api/v1/revocations", status_code=204)
    async def unrevoke(
        request: Request[Principal, Any, Any], jti: FromQuery[str | None] = None, user: FromQuery[str | None] = None
    ) -> None:
        """Takes a revocation back: tokens that it meant are good again until they end."""
        await administration.unrevoke(request.user, *_target(jti, user), peer_address(request))

    return [revoke, revocations, unrevoke]


def _target(jti: str | None, user: str | None) -> tuple[RevocationKind, str]:
    if jti is not None and user is None:
        return RevocationKind.JTI, jti
    if user is not None and jti is None:
        return RevocationKind.USER, user
    raise BadRequest("say either jti (one token) or user (all tokens of a user)")


def _shown(row: Revocation, disconnected: int | None = None) -> RevocationShown:
    is_user = row.kind is RevocationKind.USER
    return RevocationShown(
        jti=None if is_user else row.target,
        user=row.target if is_user else None,
        reason=row.reason,
        by=row.by,
        at=rfc3339(row.at),
        ends_at=rfc3339(row.ends_at),
        disconnected=disconnected,
    )
