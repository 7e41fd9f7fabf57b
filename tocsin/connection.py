"""One WebSocket connection of the client, from dialling to closing.

Owns: the socket, trio-websocket's reader on it, and one writer task. Everything that is sent goes through the writer: a
send that is cancelled half-way tears the stream, so nobody else's cancellation may reach it, and a send that does not
get on ends the connection. Whatever ends a connection comes out of `converse` as an `Ended`, never as an exception.

trio-websocket leaves three things to us, found by reading and measuring it: a peer that closes during the handshake
leaves the caller waiting; after the peer's Close nobody closes the socket; `aclose` can wait for a minute.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from protocol import messages as m
from protocol.codec import WireForm, encode, form_of
from tocsin.errors import ConnectionLost, tls_hint

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
# The server's largest message: one event per frame, an alert of at most 64 KiB and what is around it.
MESSAGE_MAX_BYTES = 1_048_576
RECEIVE_BYTES = 65_536
IS_IT_RUNNING = "is the engine running, and is this its address? start one with: tocsin serve"
IS_IT_HTTP = "this may be the engine's HTTP port, WebSocket is on another one"
# What the gateway answers at any other path than its own.
_WRONG_PATH = "connect to "
HUNG_UP = "the server hung up during the handshake"

TRANSPORT_FAULTS = (
    HandshakeError,
    ConnectionClosed,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    # wsproto's and h11's, which trio-websocket lets through: a peer that breaks the protocol, pings after its Close, or
    # does not speak HTTP at all.
    ProtocolError,
    h11.ProtocolError,
    # Bytes beyond ASCII in the headers of a handshake.
    UnicodeDecodeError,
)


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
        return cls(parts.hostname, parts.port or (443 if secure else 80), path, context)

    @property
    def authority(self) -> str:
        """Host and port as in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Wire(trio.abc.Stream):
    """The stream under trio-websocket: notes when anything was heard, and says so when a handshake gets no answer."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.heard_at = trio.current_time()
        self.is_open = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes of the peer. Raises ConnectionLost if it hangs up during the handshake."""
        with self._handshake():
            data = await self._stream.receive_some(max_bytes)
        if not data and not self.is_open:
            raise ConnectionLost(HUNG_UP)
        self.heard_at = trio.current_time()
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Bytes to the peer. Raises ConnectionLost if it hangs up during the handshake."""
        with self._handshake():
            await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream below."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Closes the stream below."""
        await self._stream.aclose()

    @contextmanager
    def _handshake(self) -> Iterator[None]:
        try:
            yield
        except trio.BrokenResourceError as fault:
            if self.is_open:
                raise
            raise ConnectionLost(HUNG_UP) from fault


class Connection:
    """An open connection: messages out, payloads in."""

    def __init__(self, websocket: WebSocketConnection, wire: Wire) -> None:
        self._websocket = websocket
        self._wire = wire
        self._waiting: deque[bytes] = deque()
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._is_over = False
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
        began, asked = trio.current_time(), False
        while True:
            # What was heard while nobody received is not known: the library reads one message ahead at most.
            quiet_since = max(self._wire.heard_at, began)
            # Compared as they are waited for: a difference can round to less, and we would wait for what is over.
            if trio.current_time() >= quiet_since + GONE_S:
                raise trio.TooSlowError(f"nothing heard for {GONE_S:g} s")
            if asked := trio.current_time() >= quiet_since + QUIET_S:
                self.push(m.Ping())
            with trio.move_on_at(quiet_since + (GONE_S if asked else QUIET_S)):
                data: str | bytes = await self._websocket.get_message()
                return data

    async def write(self) -> None:
        """The writer: sends what waits, one message after the other."""
        is_binary = self.form is WireForm.MSGPACK
        try:
            while True:
                while self._waiting:
                    payload = self._waiting.popleft()
                    self._room.unpark()
                    with trio.fail_after(SEND_S):
                        await self._websocket.send_message(payload if is_binary else payload.decode())
                await self._work.park()
        finally:
            self._is_over = True
            self._room.unpark_all()


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
    ended: Ended | None = None
    wire = Wire(stream)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(CONNECT_S):
            websocket = await wrap_client_stream(
                nursery,
                wire,  # type: ignore[arg-type]  # any Stream does: it is read and written, nothing else
                endpoint.authority,
                endpoint.path,
                subprotocols=[form.subprotocol],
                max_message_size=MESSAGE_MAX_BYTES,
                receive_buffer_size=RECEIVE_BYTES,
            )
        wire.is_open = True
        connection = Connection(websocket, wire)
        nursery.start_soon(connection.write)
        with connection.talk_scope:
            ended = await talk(connection)
        with trio.move_on_after(CLOSE_S):
            await websocket.aclose()
        nursery.cancel_scope.cancel()
    return ended


def _first(faults: BaseExceptionGroup[Exception]) -> Exception:
    inner = faults.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _explain(fault: Exception) -> Ended:
    match fault:
        case ConnectionClosed():
            closed = fault.reason
            # 1006 is no code of the server's: there was no Close at all (RFC 6455 section 7.1.5).
            if closed is None or closed.code == 1006:
                return Ended("the connection broke")
            return Ended(f"the server closed it: {closed.code} {closed.reason or ''}".rstrip(), closed.code)
        case ConnectionRejected():
            body = (fault.body or b"").decode(errors="replace")[:200]
            is_gateway = body.startswith(_WRONG_PATH)
            hint = IS_IT_HTTP if fault.status_code in (403, 404) and not is_gateway else ""
            return Ended(f"the server refused the upgrade: HTTP {fault.status_code} {body}".rstrip(), hint=hint)
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
