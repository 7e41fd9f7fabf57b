"""Who sends a foreign form: a bearer of one of our tokens, or an integration with its key.

A key may stand wherever the sender can put one: `Authorization: Bearer KEY`, `Authorization: Key KEY` (Alerta's
clients), or `X-API-Key`. Never in the URL. The guard leaves a Principal in `request.user` and the integration, if it is
one's, in `request.state`.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from engine.http.ports import Service
from engine.input.integrations import Integrations, check_signature
from engine.sections.identity import Integration
from protocol.errors import BadRequest, Unauthorized
from protocol.fields import TOKEN_MAX_CHARS
from protocol.model import Principal

Connection = ASGIConnection[Any, Any, Any, Any]
SCHEMES = ("bearer", "key", "token")
KEY_HEADER = "x-api-key"
# Alerta's own clients may put their key into the URL, where proxies log it.
KEY_PARAMETERS = frozenset({"api-key", "api_key", "apikey", "key", "routing_key"})
SIGNATURE_HEADER = "x-grafana-alerting-signature"
TIMESTAMP_HEADER = "x-grafana-alerting-timestamp"


def require_sender(service: Service, integrations: Integrations) -> Guard:
    """A guard for the foreign forms."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        refuse_key_in_url(connection)
        admit(connection, credential(connection) or "", service, integrations)

    return guard


def admit(connection: Connection, credential: str, service: Service, integrations: Integrations) -> None:
    """Lets a sender in and leaves who it is in the connection. Raises Unauthorized, TooManyRequests."""
    if not credential or len(credential) > TOKEN_MAX_CHARS:
        raise Unauthorized("send a valid token or key: 'Authorization: Bearer <token>'")
    integration = integrations.of_key(credential)
    who = service.authenticate(credential) if integration is None else integrations.principal(integration)
    service.admit(who)
    connection.scope["user"] = who
    connection.state.integration = integration


def credential(connection: Connection) -> str | None:
    """The token or key of the headers; None without one."""
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() in SCHEMES and text.strip():
        return str(text.strip())
    key = connection.headers.get(KEY_HEADER)
    return str(key) if key else None


def refuse_key_in_url(connection: Connection) -> None:
    """Raises BadRequest if the query carries a key."""
    for name in KEY_PARAMETERS & {key.lower() for key in connection.query_params}:
        raise BadRequest(f"a key in the URL (?{name}=) is not accepted: send 'Authorization: Bearer <key>'")


def integration_of(
    request: Request[Principal, Any, Any], integrations: Integrations, name: str | None
) -> Integration | None:
    """The integration that sends: that of its key, else the named one. Raises UnknownChannel."""
    own: Integration | None = request.state.get("integration")
    if own is not None and name in (None, own.name):
        return own
    return integrations.named(name, request.user) if name is not None else None


def check_signed(request: Request[Principal, Any, Any], integration: Integration | None, body: bytes) -> None:
    """Raises Unauthorized if the integration signs its bodies and this one is not."""
    if integration is not None and integration.signature:
        headers = request.headers
        check_signature(
            integration.signature.reveal(), body, headers.get(SIGNATURE_HEADER), headers.get(TIMESTAMP_HEADER)
        )
