"""Sockets for tests: a peer that writes bytes as it likes, and a gateway to reach. Real ones, in virtual time."""

from __future__ import annotations

import json
import ssl
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from actors.connection import Connection
from actors.frames import Frame
from actors.gateway import Converse, Gateway, GatewayLimits
from actors.ports import NewId
from actors.roster import Roster
from actors.tls import NewTls
from actors.websocket import WebSocketLimits
from protocol.codec import WireForm, decode_server
from protocol.messages import ServerMessage
from tests.support.actors import Ids, Recorder, start


def client_frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """A client's frame; its mask is zeros, which the protocol allows and a reader can read."""
    size = len(payload)
    head = bytes((opcode | (0x80 if final else 0),))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += struct.pack("!BH", 0xFE, size)
    else:
        head += struct.pack("!BQ", 0xFF, size)
    return head + bytes(4) + payload


def request_bytes(path: str = "/ws", headers: Mapping[str, str | bytes] | None = None, drop: str = "") -> bytes:
    """A handshake; `headers` replace the usual ones, values in bytes go out as they are; `drop` leaves one out."""
    fields: dict[str, str | bytes] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    } | dict(headers or {})
    fields.pop(drop, None)
    lines = [name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) for name, v in fields.items()]
    return b"\r\n".join([f"GET {path} HTTP/1.1".encode(), *lines, b"", b""])


class Peer:
    """The other end of a connection: writes bytes as it likes, reads heads and frames."""

    # In virtual time: whoever waits so long for a frame waits for one that does not come.
    PATIENCE_S = 1_000

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self._heard = b""

    async def send(self, data: bytes) -> None:
        """All of the bytes."""
        while data:
            data = data[await self.sock.send(data) :]

    async def upgrade(self, path: str = "/ws", headers: Mapping[str, str | bytes] | None = None) -> str:
        """Shakes hands; gives the head of the answer."""
        await self.send(request_bytes(path, headers))
        return await self.head()

    async def head(self) -> str:
        """The head of an HTTP answer."""
        while b"\r\n\r\n" not in self._heard:
            await self._more()
        head, self._heard = self._heard.split(b"\r\n\r\n", 1)
        return head.decode()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload. Raises EOFError at the end."""
        head = await self._take(2)
        size = head[1]
        if size == 126:
            size = int.from_bytes(await self._take(2), "big")
        elif size == 127:
            size = int.from_bytes(await self._take(8), "big")
        return head[0] & 0xF, await self._take(size)

    async def say(self, message: Mapping[str, Any]) -> None:
        """Sends one message in JSON."""
        await self.send(client_frame(1, json.dumps(message).encode()))

    async def hear(self) -> ServerMessage:
        """The next message in JSON; heartbeats are passed over."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 1:
                return decode_server(payload, WireForm.JSON)
            assert opcode == 9, f"expected a message, got opcode {opcode} {payload!r}"

    async def hear_close(self) -> tuple[int, str]:
        """Passes over what still comes, up to the Close and the end; gives its code and reason."""
        opcode, payload = 0, b""
        while opcode != 8:
            opcode, payload = await self.frame()
        assert await self.rest() == b"", "something came after Close"
        return int.from_bytes(payload[:2], "big"), payload[2:].decode()

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            while True:
                await self._more()
        except EOFError:
            rest, self._heard = self._heard, b""
            return rest

    def close(self) -> None:
        """Goes away."""
        self.sock.close()

    async def _take(self, size: int) -> bytes:
        while len(self._heard) < size:
            await self._more()
        taken, self._heard = self._heard[:size], self._heard[size:]
        return taken

    async def _more(self) -> None:
        with trio.fail_after(self.PATIENCE_S):
            data = await self.sock.recv(65_536)
        if not data:
            raise EOFError
        self._heard += data


class TlsSocket:
    """A client's socket over TLS, with the three methods that a Peer uses."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.stream = stream

    @classmethod
    async def over(cls, sock: trio.socket.SocketType, context: ssl.SSLContext) -> TlsSocket:
        """Shakes hands."""
        stream = trio.SSLStream(trio.SocketStream(sock), context, server_hostname="127.0.0.1")
        await stream.do_handshake()
        return cls(stream)

    async def send(self, data: bytes) -> int:
        await self.stream.send_all(data)
        return len(data)

    async def recv(self, max_bytes: int) -> bytes:
        """An end without close_notify is an error: somebody could have cut the connection short."""
        return bytes(await self.stream.receive_some(max_bytes))

    def close(self) -> None:
        self.stream.transport_stream.socket.close()

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.stream.transport_stream.socket.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        self.stream.transport_stream.socket.shutdown(how)


async def echo(connection: Connection) -> None:
    """A conversation that says everything back."""
    while True:
        data = await connection.websocket.receive()
        payload = data.encode() if isinstance(data, str) else data
        opcode, size = (0x81 if isinstance(data, str) else 0x82), len(payload)
        short = bytes((opcode, size)) if size < 126 else b""
        head = short or (
            struct.pack("!BBH", opcode, 126, size) if size < 65_536 else struct.pack("!BBQ", opcode, 127, size)
        )
        connection.outbox.push(Frame(head + payload))


async def listening() -> trio.socket.SocketType:
    """A listening socket on a free port of this machine."""
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(100)
    return listener


@dataclass(frozen=True)
class Encryption:
    """Both ends of TLS: what a gateway is handed, and the context of clients that trust it."""

    new_tls: NewTls
    client: ssl.SSLContext


# What gateways of tests speak unless they are told: None is plain. A whole file of tests can be run over TLS with it.
DEFAULT_TLS: Encryption | None = None


class Served:
    """A running gateway and how to reach it."""

    def __init__(
        self, roster: Roster, address: tuple[str, int], scope: trio.CancelScope, tls: Encryption | None = None
    ) -> None:
        self.roster = roster
        self.address = address
        self.scope = scope
        self.tls = tls
        self.peers: list[Peer] = []

    async def dial(self) -> Peer:
        """A fresh connection: TCP, and TLS if the gateway speaks it."""
        peer = await self.dial_tcp()
        if self.tls is not None:
            peer.sock = await TlsSocket.over(peer.sock, self.tls.client)
        return peer

    async def dial_tcp(self) -> Peer:
        """A fresh TCP connection."""
        sock = trio.socket.socket()
        self.peers.append(Peer(sock))
        await sock.connect(self.address)
        # The kernel lives in real time: what it held back would come when virtual time is far ahead.
        sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        return self.peers[-1]

    async def connect(self, headers: Mapping[str, str | bytes] | None = None) -> Peer:
        """A fresh WebSocket."""
        peer = await self.dial()
        head = await peer.upgrade(headers=headers)
        assert head.startswith("HTTP/1.1 101"), head
        return peer


@asynccontextmanager
async def serving(
    converse: Converse = echo,
    *,
    origins: frozenset[str] = frozenset(),
    limits: GatewayLimits | None = None,
    websocket: WebSocketLimits | None = None,
    listener: Any = None,
    roster: Roster | None = None,
    tls: Encryption | None = None,
    new_id: NewId | None = None,
) -> AsyncIterator[Served]:
    """A gateway that serves inside the block; it drains at its end."""
    listener, tls = listener or await listening(), tls or DEFAULT_TLS
    roster = roster or Roster(Recorder())
    gateway = Gateway(
        [listener],
        converse,
        origins,
        limits or GatewayLimits(drain_s=4.0),
        websocket or WebSocketLimits(),
        roster,
        new_id or Ids("c"),
        tls.new_tls if tls else None,
    )
    async with trio.open_nursery() as nursery:
        await start(nursery, gateway.run)
        served = Served(roster, listener.getsockname(), nursery.cancel_scope, tls)
        try:
            yield served
        finally:
            for peer in served.peers:
                peer.close()
            nursery.cancel_scope.cancel()


HELLO = client_frame(1, b"hello")


async def refused(served: Served, path: str = "/ws", **headers: str) -> str:
    peer = await served.dial()
    return (await peer.upgrade(path, headers)).splitlines()[0]


async def assert_alive(peer: Peer) -> None:
    await peer.send(HELLO)
    assert await peer.frame() == (1, b"hello")
