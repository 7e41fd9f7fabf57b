"""HEAD answers as GET does, without the body (RFC 9110, section 9.3.2): probes and proxies ask so.

Litestar answers 405 where a route has only GET. One wrapper for all routes, so none can forget it.
"""

from __future__ import annotations

import trio
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """An ASGI application around another one, which sees every HEAD as a GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                is_endless = message.get("more_body", False)
                message["body"], message["more_body"] = b"", False
                await send(message)
                if is_endless:
                    # An event stream would go on; who asks for its head is done with the first piece.
                    request.cancel()
                return
            await send(message)

        scope["method"] = "GET"
        with trio.CancelScope() as request:
            await self._app(scope, receive, send_without_body)
