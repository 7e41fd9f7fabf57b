"""Between server and application: a request's body arrives in time, and is read to its end.

Two things that neither Hypercorn nor Litestar does, both found by trying. (1) A body may drip for ever: Hypercorn's
only limit is the pause between two reads. Here the whole body has a deadline. (2) An answer that does not read the body
(401, 404, 413) leaves Hypercorn's reader stuck in a full queue, and with it the connection for ever, even when the
client is gone: 20 of 20 aborted uploads did so. Here what remains is read and thrown away: for a while before the
answer, so that the client gets to read it, then beside it.
"""

from __future__ import annotations

import trio
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

from engine.http.problems import BodyTooSlow
from protocol.errors import BadRequest

# 4 MiB at 0.4 MB/s; a source that is slower than that should send less at a time.
BODY_MAX_S = 10.0
# Long enough for a body that is on its way already; who sends more than that does not get to read a friendly answer.
DISCARD_MAX_S = 2.0


class BodyGuard:
    """An ASGI application around another one. Raises BodyTooSlow into an application that waits for a slow body."""

    def __init__(self, app: ASGIApp, body_max_s: float = BODY_MAX_S, discard_max_s: float = DISCARD_MAX_S) -> None:
        self._app = app
        self._body_max_s = body_max_s
        self._discard_max_s = discard_max_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._body_max_s)

        async def send_beside_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                with trio.move_on_after(self._discard_max_s):
                    await body.discard()
            await _send(body, send, message)

        await self._app(scope, body.receive, send_beside_body)


async def _send(body: _Body, send: Send, message: Message) -> None:
    if body.is_complete:
        await send(message)
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(body.discard)
        await send(message)
        nursery.cancel_scope.cancel()


class _Body:
    """The receiving side of one request."""

    def __init__(self, receive: Receive, max_s: float) -> None:
        self._receive = receive
        self._max_s = max_s
        self._deadline = trio.current_time() + max_s
        self.is_complete = False

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """The next part; after the last one, waits for the disconnect.

        Raises BodyTooSlow, and BadRequest if the client leaves in the middle (a fault of nobody here).
        """
        if self.is_complete:
            return await self._next()
        with trio.CancelScope(deadline=self._deadline):
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise BadRequest("the client went away before its body had arrived")
            return message
        raise BodyTooSlow(f"the body did not arrive in {self._max_s:g} s")

    async def discard(self) -> None:
        """Reads what remains and drops it."""
        while not self.is_complete:
            await self._next()

    async def _next(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        message = await self._receive()
        # A disconnect has no `more_body`: nothing comes after it either.
        self.is_complete = not message.get("more_body", False)
        return message
