"""Follows what comes in: HTTP requests, and what is asked over WebSockets.

A span for each, which ends with the answer; while it is handled `actors.tracing.CURRENT` says where it stands. Nothing
that may be a secret is in it: no query, and of the path only the route (`/act/{link}`). Probes and scrapes are left
out. A message over a WebSocket has no headers: it begins a trace of its own.

An event stream is a request that ends when its reader goes.
"""

from __future__ import annotations

from collections.abc import Sequence

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import SpanKind

from actors.ports import Answer, Desk
from actors.tracing import CURRENT
from engine.tracing.spans import Tracing, fail, place
from protocol import messages as m
from protocol.items import ItemResult
from protocol.model import Principal, StreamKey

NOT_FOLLOWED = frozenset({"/healthz", "/readyz", "/metrics", "/favicon.ico"})
_SERVER_FAULT = 500


class FollowedApp:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != ScopeType.HTTP or scope["path"] in NOT_FOLLOWED:
            await self._app(scope, receive, send)
            return
        method, status = str(scope["method"]), 0
        caller = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        about = {"http.request.method": method, "url.scheme": str(scope["scheme"])}
        span = self._tracing.enter(method, SpanKind.SERVER, caller, about)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = CURRENT.set(place(span))
        try:
            await self._app(scope, receive, watched)
        finally:
            CURRENT.reset(token)
            if span.is_recording():
                if route := scope.get("path_template"):
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
                if isinstance(who := scope.get("user"), Principal):
                    span.set_attribute("tocsin.workspace", who.workspace)
                span.set_attribute("http.response.status_code", status)
                if not status or status >= _SERVER_FAULT:
                    fail(span, f"answered {status}" if status else "not answered")
            span.end()


class FollowedDesk:
    """The sessions' `Desk` around another one."""

    def __init__(self, desk: Desk, tracing: Tracing) -> None:
        self._desk = desk
        self._tracing = tracing

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises Unauthorized or TokenExpired."""
        return self._desk.authenticate(token)

    async def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a one-use ticket is. Raises Unauthorized."""
        return await self._desk.redeem(ticket)

    def locate(self, who: Principal, channel: str | None, framework_id: str | None) -> StreamKey:
        """Which stream is meant, if `who` may read it. Raises TocsinError."""
        return self._desk.locate(who, channel, framework_id)

    async def mark_read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these notifications."""
        return await self._desk.mark_read(who, keys)

    async def submit(self, who: Principal, request: m.ClientMessage, answer: Answer, address: str = "") -> None:
        """Takes a request; its span ends when it is answered."""
        kind = str(request.__struct_config__.tag)
        about = {"network.protocol.name": "websocket", "tocsin.workspace": who.workspace}
        span = self._tracing.begin(f"websocket {kind}", SpanKind.SERVER, None, about)

        def answered(results: Sequence[ItemResult]) -> None:
            span.set_attribute("tocsin.items", len(results))
            span.end()
            answer(results)

        token = CURRENT.set(place(span))
        try:
            await self._desk.submit(who, request, answered if span.is_recording() else answer, address)
        except Exception as fault:
            fail(span, str(fault))
            span.end()
            raise
        finally:
            CURRENT.reset(token)
