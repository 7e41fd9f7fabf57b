"""The server's end of one WebSocket (RFC 6455): bytes in, messages out, over wsproto.

Owns: the reading side of a socket and wsproto's parser. Everything that goes out goes through the connection's outbox.
wsproto leaves the limits to us, so they are here: handshake time, bytes and fragments per message. Every violation gets
its Close frame (1002, 1003, 1007, 1009) before the end, nothing follows a Close, and the peer is drained for a moment
so that it can read it. One malformed handshake ends this connection and nothing else: whatever wsproto and h11 raise on
hostile bytes becomes HandshakeRefused.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

import trio
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from actors.frames import Frame, Frames
from actors.outbox import Outbox
from actors.tls import Tls, TlsFailed
from actors.upgrade import Accept, HandshakeRefused, refusal_bytes, upgrade_of
from protocol.errors import CloseCode, ConversationEnded
from protocol.limits import Limit

# A whole message, as long as one may be by default, in one read.
RECEIVE_BYTES = 65_536
# A peer that sends thousands of tiny frames in one packet must not hold the loop: about 1 ms of parsing.
EVENTS_PER_PASS = 50
# One for all connections, as it is pushed.
PING = Frames((Frame(b"\x89\x00"),))
_END_OF_HEAD = re.compile(rb"\n\r?\n")


@dataclass(frozen=True)
class WebSocketLimits:
    """Bounds of one connection."""

    handshake_s: float = 5.0
    message_max_bytes: int = 65_536
    fragments_max: int = 64
    # Replies that a peer does not read stop us from reading its requests, and history waits for it.
    reply_backlog_bytes: int = 65_536
    close_s: float = 2.0


class Disconnected(Exception):
    """The peer is gone, or has said goodbye with `code` (None: without a word)."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.code = code


def close_frame(code: int, reason: str = "") -> bytes:
    """A Close frame; the reason is cut at 123 bytes, between characters."""
    text = reason.encode()[:123].decode(errors="ignore").encode()
    return bytes((0x88, 2 + len(text))) + struct.pack("!H", code) + text


class WebSocket:
    """One connection's reading side."""

    def __init__(
        self, sock: trio.socket.SocketType, outbox: Outbox, limits: WebSocketLimits, tls: Tls | None = None
    ) -> None:
        self._sock = sock
        self._tls = tls
        self._outbox = outbox
        self._limits = limits
        self._parser = WSConnection(ConnectionType.SERVER)
        self._events = 0
        # One iterator until it is used up: leaving it half-way would lose the parser's place.
        self._parsed: Iterator[events.Event] = iter(())
        self._parts: list[str] | list[bytes] = []
        self._size = 0
        self._fragments = 0
        # When something was last heard, and since when a message is incomplete (trio time).
        self.heard_at = trio.current_time()
        self.message_since: float | None = None
        self._on_incomplete: Callable[[], None] | None = None
        self._may_answer: Callable[[], bool] = _always

    def on_incomplete(self, call: Callable[[], None] | None) -> None:
        """Whom to tell (None: nobody more) that a message has begun and is not complete: its time runs."""
        self._on_incomplete = call

    def on_control(self, may_answer: Callable[[], bool] | None) -> None:
        """Whom to ask (None: nobody more), for each ping and pong of the peer, whether to take and answer it."""
        self._may_answer = may_answer or _always

    async def handshake(self, accept: Accept) -> str | None:
        """Becomes a WebSocket, or raises HandshakeRefused or Disconnected. Gives the chosen subprotocol."""
        try:
            return await self._shake_hands(accept)
        except HandshakeRefused as refusal:
            await self.refuse(refusal)
            raise

    async def refuse(self, refusal: HandshakeRefused) -> None:
        """Says in HTTP why not, and lets the peer read it. Who expects TLS and has none yet cannot be told anything."""
        if self._tls is None or self._tls.is_open:
            self._outbox.seal(refusal_bytes(refusal))
            await self.finish()

    def refuse_at_once(self, refusal: HandshakeRefused) -> None:
        """The same without waiting: what the kernel takes now has been said."""
        if self._tls is None or self._tls.is_open:
            self._outbox.seal(refusal_bytes(refusal))
            self._outbox.write()

    async def receive(self) -> str | bytes:
        """The next complete message. Raises Disconnected, or ConversationEnded with the code to close with."""
        while True:
            for event in self._parsed:
                self._events += 1
                if self._events % EVENTS_PER_PASS == 0:
                    await trio.lowlevel.checkpoint()
                if isinstance(event, events.CloseConnection):
                    await self._peer_closes(event)
                message = self._handle(event)
                if message is not None:
                    return message
            if self._outbox.waiting_bytes > self._limits.reply_backlog_bytes:
                await self._wait_until_read()
            data = await self._read()
            if not data:
                raise Disconnected
            self._parser.receive_data(data)
            self._parsed = self._parser.events()

    async def pace(self) -> None:
        """Waits for the peer to read what it was sent, as history at its own pace does; that it reads is life."""
        await self._outbox.wait_below(self._limits.reply_backlog_bytes)
        self.heard_at = trio.current_time()

    async def _wait_until_read(self) -> None:
        """Waits for the peer to read what we said; the time of a message that it has begun does not run meanwhile."""
        is_incomplete, self.message_since = self.message_since is not None, None
        await self._outbox.wait_below(self._limits.reply_backlog_bytes)
        if is_incomplete:
            self._begin_message()

    def _begin_message(self) -> None:
        self.message_since = trio.current_time()
        if self._on_incomplete is not None:
            self._on_incomplete()

    async def close(self, code: int, reason: str, *, drop_waiting: bool = False) -> None:
        """Sends Close, lets the peer read it, and comes back when the peer has closed or had its time."""
        self._outbox.seal(close_frame(code, reason), drop_waiting=drop_waiting)
        await self.finish()

    async def finish(self) -> None:
        """After the last frame was sealed: waits until it is written and the peer has closed, or had its time."""
        with trio.move_on_after(self._limits.close_s):
            await self._outbox.wait_below(0)
            await self._linger()

    async def _linger(self) -> None:
        # A reset would throw away what the peer has not read yet: say that we are done, and read until it is.
        with contextlib.suppress(OSError, Disconnected):
            if self._tls is not None:
                self._tls.close(self._sock.fileno())
            self._sock.shutdown(trio.socket.SHUT_WR)
            while await self._read():
                pass

    async def _shake_hands(self, accept: Accept) -> str | None:
        limit_s = self._limits.handshake_s
        try:
            with trio.fail_after(limit_s):
                if self._tls is not None:
                    await self._encrypt(self._tls)
                request, early = await self._request()
            upgrade = upgrade_of(request)
            subprotocol = accept(upgrade)
            self._outbox.push(Frame(self._parser.send(events.AcceptConnection(subprotocol=subprotocol))))
        except trio.TooSlowError as fault:
            status = 408 if self._tls is None or self._tls.is_open else 0
            raise HandshakeRefused(status, f"no handshake within {limit_s:g} s", Limit.HANDSHAKE_TIME) from fault
        except RemoteProtocolError as fault:
            _let_go(fault)
            hint = fault.event_hint
            status = hint.status_code if isinstance(hint, events.RejectConnection) else 400
            raise HandshakeRefused(status, "this port speaks WebSocket: connect with ws://") from fault
        except (LocalProtocolError, ValueError) as fault:  # hostile bytes in a header: Unicode errors among others
            _let_go(fault)
            raise HandshakeRefused(400, "bad handshake") from fault
        self._parser.receive_data(early)
        self._parsed = self._parser.events()
        return subprotocol

    async def _encrypt(self, tls: Tls) -> None:
        try:
            is_there = await tls.handshake(self._sock)
        except TlsFailed as fault:
            raise HandshakeRefused(0, str(fault)) from fault
        except OSError as gone:
            raise Disconnected from gone
        if not is_there:
            raise Disconnected

    async def _request(self) -> tuple[events.Request, bytes]:
        """The peer's request, and what came behind it in the same packet (the parser would forget that)."""
        heard = bytearray()
        while True:
            data = await self._read()
            if not data:
                raise Disconnected
            heard += data  # the parser refuses a head of more than 16 kB
            self._parser.receive_data(data)
            for event in self._parser.events():
                if isinstance(event, events.Request):
                    return event, bytes(_END_OF_HEAD.split(heard, maxsplit=1)[1])

    async def _read(self) -> bytes:
        try:
            data: bytes = await (self._tls.receive(self._sock) if self._tls else self._sock.recv(RECEIVE_BYTES))
        except OSError as gone:
            raise Disconnected from gone
        self.heard_at = trio.current_time()
        return data

    def _handle(self, event: events.Event) -> str | bytes | None:
        match event:
            case events.TextMessage() | events.BytesMessage():
                return self._message(event)
            case events.Pong():
                self._may_answer()
            case events.Ping() if self._may_answer():
                self._outbox.push(Frame(bytes((0x8A, len(event.payload))) + bytes(event.payload)))
        return None

    def _message(self, event: events.TextMessage | events.BytesMessage) -> str | bytes | None:
        data = event.data
        self._size += len(data) if isinstance(data, bytes | bytearray) or data.isascii() else len(data.encode())
        if self._size > self._limits.message_max_bytes:
            text = f"message of {self._size} bytes so far, limit {self._limits.message_max_bytes}"
            raise ConversationEnded(CloseCode.TOO_BIG, text, Limit.MESSAGE_BYTES)
        self._fragments += event.frame_finished
        if self._fragments > self._limits.fragments_max:
            text = f"message of {self._fragments} fragments so far, limit {self._limits.fragments_max}"
            raise ConversationEnded(CloseCode.TOO_BIG, text, Limit.MESSAGE_FRAGMENTS)
        self._parts.append(data)  # type: ignore[arg-type]  # the parser never mixes kinds within a message
        if not event.message_finished:
            if self.message_since is None:
                self._begin_message()
            return None
        parts, self._parts, self._size, self._fragments = self._parts, [], 0, 0
        self.message_since = None
        if len(parts) == 1:
            return parts[0] if isinstance(parts[0], str) else bytes(parts[0])
        if isinstance(parts[0], str):
            return "".join(parts)
        return b"".join(parts)

    async def _peer_closes(self, event: events.CloseConnection) -> NoReturn:
        # wsproto reports a violation like the peer's own Close, but then it does not change its state.
        code = event.code
        if self._parser.state is ConnectionState.OPEN:
            raise ConversationEnded(CloseCode(code), str(event.reason or "protocol error"))
        self._outbox.seal(b"\x88\x00" if code in (None, 1005) else close_frame(code))
        with trio.move_on_after(self._limits.close_s):
            await self._outbox.wait_below(0)
        raise Disconnected(code)


def _always() -> bool:
    """Before anybody wants to know."""
    return True


def _let_go(fault: BaseException) -> None:
    """Forgets where a foreign fault came from: h11 keeps its own in a frame of that fault's own traceback.

    That is a cycle with the whole connection in it, which only the garbage collector could free.
    """
    cause: BaseException | None = fault
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
