"""One connection of the client, from dialling to closing.

Owns: the socket and one writer task. Everything that is sent goes through the writer: a send that is cancelled half-way
tears the stream, so nobody else's cancellation may reach it, and a send that does not get on ends the connection.
Whatever ends a connection comes out of `converse` as an `Ended`, never as an exception.
"""

from __future__ import annotations

import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11
import trio
from wsproto.utilities import ProtocolError

from protocol import messages as m
from protocol.codec import WireForm, encode, form_of
from tocsin.errors import ConnectionLost, tls_hint
from tocsin.websocket import NORMAL, HandshakeRefused, PeerClosed, WebSocket

# Name look-up, TCP, TLS and upgrade together; a server that is slower is as good as away.
CONNECT_S = 5.0
# The server drains for 2 s after our Close; a longer wait helps nobody.
CLOSE_S = 2.0
# The server stops reading while too many of its answers are unread, but never for so long.
SEND_S = 30.0
# Channels prove every 5 s that they are silent; two proofs missing is worth a question, and 5 s for its answer.
QUIET_S = 10.0
GONE_S = 15.0
# Requests that wait for the writer; a program that sends faster waits.
OUTGOING_MAX = 64
# Messages that are here already are given out without asking the loop for a turn, but so many at most: about 5 ms.
MESSAGES_PER_TURN = 50
IS_IT_RUNNING = "is the engine running, and is this its address? start one with: tocsin serve"
IS_IT_HTTP = "this may be the engine's HTTP port, WebSocket is on another one"
# What the gateway answers at any other path than its own.
_WRONG_PATH = "connect to "

TRANSPORT_FAULTS = (
    HandshakeRefused,
    PeerClosed,
    OSError,
    trio.BrokenResourceError,
    trio.TooSlowError,
    # wsproto's and h11's: a peer that does not speak HTTP at all.
    ProtocolError,
    h11.ProtocolError,
    # Bytes beyond ASCII in the headers of a handshake.
    UnicodeDecodeError,
)


# What HTTP has for a path and a query.
_TARGET = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Ended:
    """Why a connection is over: in words, and the server's close code if it sent one; `hint`: what to look at.

    `is_final`: it is in vain to come back, whatever the code.
    """

    reason: str
    code: int | None = None
    hint: str = ""
    is_final: bool = False


@dataclass(frozen=True)
class Endpoint:
    """Where to connect."""

    host: str
    port: int
    path: str
    tls: ssl.SSLContext | None

    @classmethod
    def of(cls, url: str, ssl_context: ssl.SSLContext | None = None) -> Endpoint:
        """Reads `ws://host[:port][/path]` or `wss://…`. Raises ValueError that says what is allowed."""
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.username or parts.fragment:
            raise ValueError(f"url {url!r:.200} is not allowed: use ws://HOST:PORT or wss://HOST:PORT, without a token")
        secure = parts.scheme == "wss"
        if ssl_context is not None and not secure:
            raise ValueError(f"url {url!r:.200} is not encrypted, so there is no use for ssl_context: use wss://")
        context = (ssl_context or ssl.create_default_context()) if secure else None
        path = (parts.path or "/ws") + (f"?{parts.query}" if parts.query else "")
        if not _is_host(parts.hostname) or not _TARGET.fullmatch(path):
            raise ValueError(
                f"url {url!r:.200} is not allowed: no such host, or write %XX for what is not ASCII, and blanks"
            )
        return cls(parts.hostname, parts.port or (443 if secure else 80), path, context)

    @property
    def authority(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Connection:
    """An open connection: messages out, payloads in."""

    def __init__(self, websocket: WebSocket, stream: trio.abc.Stream) -> None:
        self._websocket = websocket
        self._stream = stream
        self._waiting: deque[bytes] = deque()
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._given = 0
        # The code to close with, once that is wanted.
        self._closing: int | None = None
        self._is_over = False
        self._said_all = trio.Event()
        self.form = form_of(websocket.subprotocol)
        # What the conversation runs in; cancelling it ends the connection politely.
        self.talk_scope = trio.CancelScope()

    def push(self, message: m.ClientMessage) -> None:
        """Sends a message of the conversation itself; there are only a few of these per subscription."""
        self._waiting.append(encode(message, self.form))
        self._work.unpark()

    async def send(self, payload: bytes) -> None:
        """Sends an encoded request, when there is room. Raises ConnectionLost."""
        while len(self._waiting) >= OUTGOING_MAX and not self._is_over:
            await self._room.park()
        if self._is_over:
            raise ConnectionLost
        self._waiting.append(payload)
        self._work.unpark()

    async def receive(self) -> str | bytes:
        """The next payload. Asks a silent server whether it lives; raises TooSlowError if it does not answer."""
        self._given += 1
        if self._given % MESSAGES_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
        began = trio.current_time()
        while True:
            payload = self._websocket.arrived()
            # Also behind a message: it may be long until the program asks for the next one.
            if self._websocket.has_to_answer:
                self._work.unpark()
            if payload is not None:
                return payload
            await self._hear(began)

    async def write(self) -> None:
        """The writer: sends what waits, in its order; after a Close nothing."""
        try:
            while True:
                if data := self._outgoing():
                    self._room.unpark_all()
                    with trio.fail_after(SEND_S):
                        await self._stream.send_all(data)
                elif self._closing is not None:
                    return
                else:
                    await self._work.park()
        finally:
            self._is_over = True
            self._room.unpark_all()
            self._said_all.set()

    async def close(self, code: int) -> None:
        """Says what waits and Close, and reads until the server has said its own."""
        self._closing = code
        self._work.unpark()
        await self._said_all.wait()
        await self._websocket.drain()

    def _outgoing(self) -> bytes:
        frame = self._websocket.frame if self.form is WireForm.MSGPACK else self._websocket.text_frame
        data = self._websocket.pong() + b"".join(map(frame, self._waiting))
        self._waiting.clear()
        return data if self._closing is None else data + self._websocket.close_frame(self._closing)

    async def _hear(self, began: float) -> None:
        """Waits for bytes of the server, `QUIET_S` before it is asked whether it lives, `GONE_S` in all."""
        # While nobody received, nothing was read: that is no silence of the server's.
        quiet_since = max(self._websocket.heard_at, began)
        # Compared as they are waited for: a difference can round to less, and we would wait for what is over.
        if trio.current_time() >= quiet_since + GONE_S:
            raise trio.TooSlowError(f"nothing heard for {GONE_S:g} s")
        if asked := trio.current_time() >= quiet_since + QUIET_S:
            self.push(m.Ping())
        with trio.move_on_at(quiet_since + (GONE_S if asked else QUIET_S)):
            await self._websocket.hear()


def _is_host(name: str) -> bool:
    """Whether a name can be looked up at all, and said in HTTP."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


Talk = Callable[[Connection], Awaitable[Ended | None]]


async def dial(endpoint: Endpoint) -> trio.abc.Stream:
    """An open stream to the server, encrypted if the url says so. Raises OSError, BrokenResourceError."""
    if endpoint.tls is None:
        return await trio.open_tcp_stream(endpoint.host, endpoint.port)
    stream = await trio.open_ssl_over_tcp_stream(
        endpoint.host, endpoint.port, ssl_context=endpoint.tls, https_compatible=True
    )
    try:
        # Now, and not with the first bytes: a certificate that is refused must come out as that.
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def converse(endpoint: Endpoint, form: WireForm, talk: Talk) -> Ended:
    """Connects and lets `talk` run until it returns or the connection breaks; says why it is over. Never raises."""
    ended = Ended("closed by us")
    try:
        with trio.fail_after(CONNECT_S):
            stream = await dial(endpoint)
        try:
            ended = await _upgraded(stream, endpoint, form, talk) or ended
        finally:
            await trio.aclose_forcefully(stream)
    except* (*TRANSPORT_FAULTS, ConnectionLost) as faults:
        ended = _explain(_first(faults))
    return ended


async def _upgraded(stream: trio.abc.Stream, endpoint: Endpoint, form: WireForm, talk: Talk) -> Ended | None:
    websocket = WebSocket(stream)
    with trio.fail_after(CONNECT_S):
        await websocket.upgrade(endpoint.authority, endpoint.path, form.subprotocol)
    connection, code = Connection(websocket, stream), NORMAL
    ended: Ended | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.write)
        try:
            with connection.talk_scope:
                ended = await talk(connection)
        except PeerClosed as closed:
            ended, code = _explain(closed), closed.code
        with trio.move_on_after(CLOSE_S):
            await connection.close(code)
        nursery.cancel_scope.cancel()
    return ended


def _first(faults: BaseExceptionGroup[Exception]) -> Exception:
    inner = faults.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _explain(fault: Exception) -> Ended:
    match fault:
        case PeerClosed(is_violation=True):
            return Ended(f"the server broke the protocol: {fault.reason}")
        case PeerClosed():
            return Ended(f"the server closed it: {fault.code} {fault.reason}".rstrip(), fault.code)
        case HandshakeRefused():
            body = fault.body.decode(errors="replace")[:200]
            is_gateway = body.startswith(_WRONG_PATH)
            hint = IS_IT_HTTP if fault.status in (403, 404) and not is_gateway else ""
            return Ended(f"the server refused the upgrade: HTTP {fault.status} {body}".rstrip(), hint=hint)
        case ProtocolError() | h11.ProtocolError() | UnicodeDecodeError():
            return Ended(f"this is no WebSocket server: {fault}", hint=IS_IT_RUNNING)
        case trio.TooSlowError():
            return Ended(str(fault) or f"no connection within {CONNECT_S:g} s", hint=IS_IT_RUNNING)
        case _:
            # A certificate that is refused was sent by somebody who runs.
            is_nobody = isinstance(fault, OSError) and not isinstance(fault, ssl.SSLError)
            reason = str(fault) or str(fault.__cause__ or "") or type(fault).__name__
            hint = tls_hint(fault.__cause__, "ws://")
            return Ended(reason, hint=hint or (IS_IT_RUNNING if is_nobody else ""))
