"""The HTTP application: routes, guards, errors, headers and the OpenAPI document, put together.

Litestar does the routing and the document; what it does by default and we do not want is off: its logging set-up (it
takes over the root logger), its schema pages (they load scripts from other people's servers), its lifespan (the
engine owns its own start and stop). Every route that is not in `operations.py` lives under one router with the bearer
guard, so that a new route is closed unless somebody puts it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import Message, Scope

from actors.ports import Clock
from engine.http.admission import revocation_routes, ticket_routes, token_routes
from engine.http.alert_changes import alert_change_routes
from engine.http.alertmanager import RESOLVE_TIMEOUT_S
from engine.http.alertmanager_routes import SilencesOf, alertmanager_routes
from engine.http.alerts import alert_routes
from engine.http.guards import refuse_token_in_url, refuse_unknown_parameters, require_bearer
from engine.http.handing import HandsOver
from engine.http.openapi import DocumentedProblems
from engine.http.operations import operation_routes
from engine.http.operators import PeerAddress, operator_routes
from engine.http.ports import About, Administration, MetricsRender, Operators, Service
from engine.http.problems import own_limit, respond_http_exception, respond_tocsin_error, respond_unforeseen
from engine.http.trail import trail_routes
from engine.http.triggers import trigger_routes
from engine.ids import now_us
from protocol.errors import TocsinError
from protocol.limits import Limit

# 1,000 triggers with long messages fit; a Prometheus posts batches of at most 256 alerts, some hundred kB.
BODY_MAX_BYTES = 4 * 1024 * 1024

CountRefusal = Callable[[Limit], None]
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # Answers are data; whatever a browser is tricked into showing of them must load and run nothing.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def create_app(
    service: Service,
    administration: Administration,
    operators: Operators,
    metrics_render: MetricsRender,
    about: Callable[[], About],
    body_max_bytes: int = BODY_MAX_BYTES,
    clock: Clock = now_us,
    resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
    count_refusal: CountRefusal = lambda limit: None,
    trusted_proxies: Sequence[str] = (),
    overload: Callable[[], str] = str,
    routes: Sequence[HTTPRouteHandler] = (),
    routers: Sequence[Router] = (),
    silences: SilencesOf = lambda workspace: (),
    handed: HandsOver | None = None,
) -> Litestar:
    """The ASGI application. `about` is called per request: the socket's address is known only after its bind.

    `routes`: more of those that need a token; `routers`: others, which have guards of their own.
    `silences`: those of a workspace that may be in force. `handed`: who does requests later (None: nobody).
    """
    peer_address = PeerAddress(trusted_proxies)
    private = UncopiedRouter(
        "/",
        guards=[require_bearer(service), refuse_unknown_parameters],
        security=[{"bearer": []}],
        route_handlers=[
            *trigger_routes(service, handed),
            *ticket_routes(service),
            *revocation_routes(administration, peer_address),
            *operator_routes(operators, peer_address),
            *alert_routes(service),
            *alert_change_routes(service, peer_address),
            *trail_routes(service, operators),
            *alertmanager_routes(service, clock, about().version, resolve_timeout_s, silences),
            *routes,
        ],
    )
    return Litestar(
        route_handlers=[
            private,
            *token_routes(service, peer_address),
            *routers,
            *operation_routes(service, metrics_render, about, overload),
        ],
        guards=[refuse_token_in_url],
        exception_handlers={
            TocsinError: counted(respond_tocsin_error, count_refusal),
            HTTPException: counted(respond_http_exception, count_refusal),
            Exception: respond_unforeseen,
        },
        before_send=[add_security_headers],
        request_max_body_size=body_max_bytes,
        openapi_config=_openapi(about().version),
        logging_config=None,
        debug=False,
    )


class UncopiedRouter(Router):
    """A router that is put into one application only: it goes there itself, and not a deep copy, which took a fifth of
    an application's start."""

    def __deepcopy__(self, _: dict[int, Any]) -> UncopiedRouter:
        return self


def counted(
    respond: Callable[[Request[Any, Any, Any], Any], Response[Any]], count_refusal: CountRefusal
) -> Callable[[Request[Any, Any, Any], Any], Response[Any]]:
    """The same answer, counted if it is a refusal at a limit of HTTP's own."""

    def respond_and_count(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if limit := own_limit(error):
            count_refusal(limit)
        return respond(request, error)

    return respond_and_count


async def add_security_headers(message: Message, _: Scope) -> None:
    """Adds the headers that every answer has, unless the route has set its own."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)


async def refuse_page(response: Response[Any]) -> Response[Any]:
    """Below `/schema` the framework answers what it does not have with a page of its own; here it is a problem too."""
    if response.status_code == NotFoundException.status_code:
        raise NotFoundException
    return response


def _openapi(version: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Tocsin",
        version=version,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        render_plugins=[DocumentedProblems(path=["/", "/openapi.json"])],
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, after_request=refuse_page, dto=None, return_dto=None
        ),
    )
