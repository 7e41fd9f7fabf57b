"""A server for tests of the client: in memory, so that time is virtual, and each connection does as its script says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from trio.testing import memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from protocol import messages as m
from protocol.codec import MSGPACK_SUBPROTOCOL, WireForm, decode_client, encode, form_of
from protocol.model import Alert, AlertState, EventKind, Severity
from tocsin.connection import Endpoint

AT = "2026-01-01T00:00:00.000000Z"
HELLO = m.AuthSuccess(client_id="c1", workspace_id="acme", user_id="ann", expires_at=AT, ping=30.0)
CHANNEL = "alerts:acme:web"


def an_alert(offset: int, prev: int | None = None, epoch: str = "e1", channel: str = CHANNEL, **more: Any) -> Any:
    """The message of the event at an offset; it follows on the one before unless `prev` says otherwise."""
    fields = {"title": f"alert {offset}", "severity": Severity.WARNING, "occurrences": 1} | more
    event = fields.pop("event", EventKind.FIRED)
    suppressed, by = fields.pop("suppressed", None), fields.pop("by", None)
    fields = {"current_value": None, "threshold_value": None, "state": AlertState.ACTIVE} | fields
    alert = Alert(
        id=f"a{offset}", framework_id="web", triggered_at=AT, last_seen_at=AT, notification_sent=False, **fields
    )
    message = m.AlertMessage(
        channel=channel, epoch=epoch, offset=offset, prev=offset - 1 if prev is None else prev, event=event,
        data=alert, timestamp=AT, by=by,
    )  # fmt: skip
    return message if suppressed is None else m.AlertMessage(
        **{name: getattr(message, name) for name in message.__struct_fields__} | {"suppressed": suppressed}
    )  # fmt: skip


class Peer:
    """The server's end of one connection."""

    def __init__(self, websocket: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self.websocket = websocket
        self.stream = stream
        self.form = form_of(websocket.subprotocol)

    async def hear(self) -> Any:
        """The client's next message; a ping that only asks whether we live is answered and passed over."""
        while True:
            message = decode_client(await self.websocket.get_message(), self.form)
            if not isinstance(message, m.Ping) or message.id is not None:
                return message
            await self.say(m.Pong())

    async def say(self, *messages: m.ServerMessage) -> None:
        """Says these."""
        for message in messages:
            payload = encode(message, self.form)
            await self.websocket.send_message(payload if self.form is WireForm.MSGPACK else payload.decode())

    async def greet(self) -> m.Auth:
        """Takes `auth`, whatever the token."""
        auth: m.Auth = await self.hear()
        assert isinstance(auth, m.Auth)
        await self.say(HELLO)
        return auth

    async def subscribed(
        self, offset: int = 0, reason: str = "fresh", epoch: str = "e1", channel: str = CHANNEL
    ) -> m.Subscribe:
        """Takes a `subscribe` and grants it."""
        ask: m.Subscribe = await self.hear()
        assert isinstance(ask, m.Subscribe)
        is_recovered = reason == "ok"
        await self.say(
            m.Subscribed(id=ask.id, channel=channel, epoch=epoch, offset=offset, recovered=is_recovered, reason=reason)
        )
        return ask

    async def closed(self) -> None:
        """Waits until the client hangs up."""
        await self.websocket._close_handshake.wait()


Script = Callable[[Peer], Awaitable[None]]


class Server:
    """Takes one connection per script, in order; then refuses. A script's end cuts its connection."""

    def __init__(self, nursery: trio.Nursery, *scripts: Script, subprotocol: str | None = MSGPACK_SUBPROTOCOL) -> None:
        self._nursery = nursery
        self._scripts = list(scripts)
        self._subprotocol = subprotocol
        # When each connection was tried.
        self.dialled_at: list[float] = []
        self.offered: list[tuple[str, ...]] = []

    async def dial(self, endpoint: Endpoint) -> trio.abc.Stream:
        """In place of `tocsin.connection.dial`."""
        await trio.lowlevel.checkpoint()
        self.dialled_at.append(trio.current_time())
        if not self._scripts:
            raise OSError("connection refused")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._serve, self._scripts.pop(0), ours)
        return theirs

    async def _serve(self, script: Script, stream: trio.abc.Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                if getattr(script, "is_raw", False):
                    await script(stream)  # type: ignore[arg-type]
                else:
                    request = await wrap_server_stream(nursery, stream)
                    self.offered.append(request.proposed_subprotocols)
                    await script(Peer(await request.accept(subprotocol=self._subprotocol), stream))
                nursery.cancel_scope.cancel()
        except* ConnectionClosed:
            pass  # the client hung up: a script is over then, wherever it stood
        finally:
            await trio.aclose_forcefully(stream)


def raw(script: Callable[[trio.abc.Stream], Awaitable[None]]) -> Script:
    """A script that gets the bare stream, before any handshake."""
    script.is_raw = True  # type: ignore[attr-defined]
    return script  # type: ignore[return-value]
