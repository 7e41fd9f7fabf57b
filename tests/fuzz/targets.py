"""What is fuzzed: every place where a stranger's bytes meet a parser. A target takes bytes and must come back.

It may raise only what its door promises; anything else is an escape. What was understood is held against a second
truth (it encodes to something that decodes to the same), so that a target can also fail quietly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.frames import Frame
from actors.upgrade import HandshakeRefused
from actors.websocket import Disconnected, WebSocket, WebSocketLimits
from engine.access.auth import Authenticator
from engine.http.alertmanager import PostableAlert, to_report
from engine.http.bodies import json_body
from engine.input.commands import to_observe, to_ring
from protocol import messages as m
from protocol.codec import WireForm, decode_client, decode_server, encode, request_id
from protocol.errors import BadRequest, ConversationEnded, TocsinError, TokenExpired, Unauthorized
from protocol.names import parse_channel

NOW_US = 1_767_225_600_000_000
_AUTHENTICATOR = Authenticator(b"a secret for tests, 32 bytes long or more", clock=lambda: NOW_US // 1_000_000)
_POSTED: Any = json_body(list[PostableAlert])
_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def client_message(data: bytes, form: WireForm) -> None:
    """A message to the server, and what the engine makes of it."""
    request_id(data, form)
    try:
        message = decode_client(data, form)
    except BadRequest:
        return
    assert decode_client(encode(message, form), form) == message
    try:
        match message:
            case m.Trigger():
                for trigger in message.alerts or [message.alert]:
                    if trigger is not None:
                        to_ring(trigger)
            case m.Reading():
                for reading in message.readings:
                    to_observe(reading, NOW_US)
            case m.Subscribe(channel=str(channel)):
                parse_channel(channel, "acme", "ann")
    except TocsinError:
        return


def server_message(data: bytes, form: WireForm) -> None:
    """A message to the client."""
    try:
        message = decode_server(data, form)
    except BadRequest:
        return
    assert decode_server(encode(message, form), form) == message


def token(data: bytes) -> None:
    """A bearer's token. None that a fuzzer makes is good: it has no secret."""
    try:
        _AUTHENTICATOR.authenticate(data.decode("utf-8", "surrogateescape"))
    except (Unauthorized, TokenExpired):
        return
    raise AssertionError("a forged token was taken")


class _Headers(dict[str, str]):
    headers: Any
    scope: Any


def posted_alerts(data: bytes) -> None:
    """What a Prometheus posts."""
    body = _POSTED.__new__(_POSTED)
    body.asgi_connection = _Headers()
    body.asgi_connection.headers = {}
    body.asgi_connection.scope = {"method": "POST", "path_template": "/api/v2/alerts"}
    try:
        for alert in body.decode_bytes(data):
            to_report(alert, NOW_US)
    except TocsinError:
        return


class _Socket:
    """Gives what it was given, in pieces of a size that the data chooses, then the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data[1:]
        self._size = 1 + (data[0] if data else 0)

    async def recv(self, _: int) -> bytes:
        await trio.lowlevel.checkpoint()
        piece, self._data = self._data[: self._size], self._data[self._size :]
        return piece

    def shutdown(self, _: int) -> None:
        pass


class _Outbox:
    """Takes everything at once."""

    sealed = False
    waiting_bytes = 0

    def push(self, frame: Frame) -> None:
        assert not self.sealed, "something was pushed after the Close"

    def seal(self, last: bytes, *, drop_waiting: bool = False) -> None:
        self.sealed = True

    async def wait_below(self, _: int) -> None:
        await trio.lowlevel.checkpoint()


def _converse(data: bytes) -> None:
    async def main() -> None:
        websocket = WebSocket(_Socket(data), _Outbox(), WebSocketLimits())  # type: ignore[arg-type]  # what it uses
        try:
            await websocket.handshake(lambda upgrade: upgrade.subprotocols[0] if upgrade.subprotocols else None)
            while True:
                await websocket.receive()
        except ConversationEnded as end:
            await websocket.close(end.code, end.reason)
        except (Disconnected, HandshakeRefused):
            return

    trio.run(main)


def handshake(data: bytes) -> None:
    """Everything from the first byte on."""
    _converse(data)


def frames(data: bytes) -> None:
    """Everything behind a good handshake."""
    _converse(data[:1] + _UPGRADE + data[1:])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "client-json": lambda data: client_message(data, WireForm.JSON),
    "client-msgpack": lambda data: client_message(data, WireForm.MSGPACK),
    "server-json": lambda data: server_message(data, WireForm.JSON),
    "server-msgpack": lambda data: server_message(data, WireForm.MSGPACK),
    "token": token,
    "posted-alerts": posted_alerts,
    "handshake": handshake,
    "frames": frames,
}
