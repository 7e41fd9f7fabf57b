"""Who may come in: a bearer token, or a one-use ticket, becomes a Principal before the body is read.

Tokens travel in the `Authorization` header only. In a URL they end up in proxies' logs and browsers' histories, so a
request that carries one there is refused even where no token is needed: better a failing script today than a leak.
A ticket is made for URLs: good once and not for long. Only to read, as a link must not change anything.

The guards are coroutines though they wait for nothing: the framework runs plain functions in threads, and who may come
in is decided on the loop, where nothing can come between.
"""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import Guard

from actors.addresses import is_loopback
from engine.access.roles import SYSTEM_WORKSPACE
from engine.http.ports import Service
from protocol.errors import BadRequest, PermissionDenied, Unauthorized
from protocol.fields import TOKEN_MAX_CHARS
from protocol.model import Principal

Connection = ASGIConnection[Any, Any, Any, Any]
TOKEN_PARAMETERS = frozenset({"token", "access_token"})
TICKET_PARAMETER = "ticket"


async def refuse_token_in_url(connection: Connection, _: BaseRouteHandler) -> None:
    """Raises BadRequest if the query carries a token."""
    for name in TOKEN_PARAMETERS & {key.lower() for key in connection.query_params}:
        raise BadRequest(f"a token in the URL (?{name}=) is not accepted: send 'Authorization: Bearer <token>'")


async def refuse_unknown_parameters(connection: Connection, handler: BaseRouteHandler) -> None:
    """Raises BadRequest if what is read or deleted is asked with a parameter that the route does not have.

    A filter with a slip of the pen must not answer (or delete) everything.
    """
    if connection.scope.get("method") not in ("GET", "HEAD", "DELETE"):
        return
    # The ticket has a check of its own, in whatever case it is written.
    known = {
        field.kwarg_definition.name or name
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    }
    unknown = [name for name in connection.query_params if name not in known and name.lower() != TICKET_PARAMETER]
    if unknown:
        allowed = ", ".join(sorted(known)) or "none"
        raise BadRequest(f"there is no parameter {unknown[0][:64]!r} here; known: {allowed}")


def url_ticket(connection: Connection) -> str | None:
    """The ticket of the query, if there is one. Raises BadRequest where none may be."""
    names = [name for name in connection.query_params if name.lower() == TICKET_PARAMETER]
    if not names:
        return None
    tickets = connection.query_params.getall(TICKET_PARAMETER, [])
    if names != [TICKET_PARAMETER] or len(tickets) != 1 or "authorization" in connection.headers:
        raise BadRequest("send either one ?ticket= or 'Authorization: Bearer <token>'")
    if connection.scope.get("method") not in ("GET", "HEAD"):
        raise BadRequest("a ticket in the URL only reads: send 'Authorization: Bearer <token>' to change something")
    return str(tickets[0])


def bearer_token(connection: Connection) -> str:
    """The token of the `Authorization` header; the scheme's case does not matter. Raises Unauthorized."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_MAX_CHARS:
        raise Unauthorized("send a valid token: 'Authorization: Bearer <token>'")
    return token


def require_bearer(service: Service) -> Guard:
    """A guard that lets requests with a good token (or ticket) in and leaves their Principal in `request.user`."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        ticket = url_ticket(connection)
        token = bearer_token(connection) if ticket is None else ""
        who = service.authenticate(token) if ticket is None else await service.redeem(ticket)
        service.admit(who)
        connection.scope["user"] = who

    return guard


# What proxies add; whoever makes one up himself only loses by it.
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


def require_operator(service: Service) -> Guard:
    """A guard for what shows all workspaces at once (metrics): this machine itself, or an administrator of `system`.

    Behind a proxy on this machine every connection is local; a request that was passed on says so, and is not. A proxy
    that does not say so must not pass these paths on.
    """

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        was_passed_on = any(header in connection.headers for header in _FORWARDED)
        if not was_passed_on and (connection.client is None or is_loopback(connection.client.host)):
            return
        who: Principal = service.authenticate(bearer_token(connection))
        if (who.workspace, who.role) != (SYSTEM_WORKSPACE, "admin"):
            raise PermissionDenied(f"from another machine this needs role admin in the workspace {SYSTEM_WORKSPACE!r}")

    return guard
