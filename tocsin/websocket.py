"""The client's end of one WebSocket (RFC 6455): bytes in, messages out, over wsproto.

Owns: the stream and wsproto's parser. What has arrived is taken without waiting (`arrived`), so a program with hundreds
of connections does not need a turn of its loop for each message. Nothing is sent here: what is to go out is made here,
in the order in which it must go, and written by whoever owns the connection. Every end is an exception that says whose
it was: `HandshakeRefused`, `PeerClosed`, or `ConnectionLost` for a peer that has gone without a word.

Decided against: trio-websocket, which hands over one message a turn, and for several ends of a connection leaves the
caller waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection, events
from wsproto.connection import ConnectionState

from tocsin.errors import ConnectionLost

# The server's largest message: one event per frame, an alert of at most 64 KiB and what is around it.
MESSAGE_MAX_BYTES = 1_048_576
RECEIVE_BYTES = 65_536
# Of what is said in HTTP by somebody who refuses; it is shown to a person.
BODY_MAX_BYTES = 4_096
HUNG_UP = "the server hung up during the handshake"
BROKE = "the connection broke"
NORMAL, TOO_BIG = 1000, 1009


class HandshakeRefused(Exception):
    """The server answered the upgrade with HTTP: its status, and what it said."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class PeerClosed(Exception):
    """The server has sent its Close. `is_violation`: it did not; it broke the protocol, and we close with this code."""

    def __init__(self, code: int, reason: str, *, is_violation: bool = False) -> None:
        super().__init__(code, reason)
        self.code, self.reason, self.is_violation = code, reason, is_violation


class WebSocket:
    """One connection, from the upgrade on."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._parser = WSConnection(ConnectionType.CLIENT)
        # One iterator until it is used up: leaving it half-way would lose the parser's place.
        self._parsed: Iterator[events.Event] = iter(())
        # Of one message, so of one kind.
        self._parts: list[Any] = []
        self._size = 0
        # Of several pings the last one is answered (RFC 6455 section 5.5.3), so nothing piles up here.
        self._ping: bytes | None = None
        self.subprotocol: str | None = None
        # When anything was last heard (trio time).
        self.heard_at = trio.current_time()

    async def upgrade(self, host: str, target: str, subprotocol: str) -> None:
        """Becomes a WebSocket. Raises HandshakeRefused, ConnectionLost, and wsproto's and h11's for what is no HTTP."""
        request = events.Request(host=host, target=target, subprotocols=[subprotocol])
        status, body = 0, b""
        try:
            await self._stream.send_all(self._parser.send(request))
            while True:
                await self._read(HUNG_UP if not status else "")
                for event in self._parsed:
                    match event:
                        case events.AcceptConnection():
                            self.subprotocol = event.subprotocol
                            return
                        case events.RejectConnection():
                            status = event.status_code
                        case events.RejectData():
                            body += event.data
                if status and (self._parser.state is ConnectionState.CLOSED or len(body) > BODY_MAX_BYTES):
                    raise HandshakeRefused(status, body)
        except (trio.BrokenResourceError, ConnectionLost) as fault:
            if status:  # it has said enough
                raise HandshakeRefused(status, body) from fault
            raise ConnectionLost(HUNG_UP) from fault

    def arrived(self) -> str | bytes | None:
        """The next message of those that are here; None: there is none. Raises PeerClosed."""
        for event in self._parsed:
            match event:
                case events.TextMessage() | events.BytesMessage():
                    if (message := self._message(event)) is not None:
                        return message
                case events.Ping():
                    self._ping = bytes(event.payload)
                case events.CloseConnection():
                    # wsproto reports a violation like the peer's own Close, but then it does not change its state.
                    is_violation = self._parser.state is ConnectionState.OPEN
                    raise PeerClosed(int(event.code), event.reason or "", is_violation=is_violation)
        return None

    async def hear(self) -> None:
        """Waits for more of the server. Raises ConnectionLost when it is gone."""
        try:
            await self._read(BROKE)
        except trio.BrokenResourceError as fault:
            raise ConnectionLost(BROKE) from fault

    async def drain(self) -> None:
        """After our Close: reads until the server's, or until it is gone."""
        while self._parser.state is ConnectionState.LOCAL_CLOSING:
            for _ in self._parsed:
                pass
            if self._parser.state is ConnectionState.LOCAL_CLOSING:
                await self.hear()

    @property
    def has_to_answer(self) -> bool:
        """Whether the server waits for a Pong."""
        return self._ping is not None

    def pong(self) -> bytes:
        """The answer to the last ping; empty: there is none to answer."""
        ping, self._ping = self._ping, None
        return b"" if ping is None or self._is_closing else self._parser.send(events.Pong(payload=ping))

    def frame(self, payload: bytes) -> bytes:
        """A binary message."""
        return b"" if self._is_closing else self._parser.send(events.BytesMessage(data=payload))

    def text_frame(self, payload: bytes) -> bytes:
        """A text message of UTF-8."""
        return b"" if self._is_closing else self._parser.send(events.TextMessage(data=payload.decode()))

    def close_frame(self, code: int = NORMAL) -> bytes:
        """Our Close, or our answer to the server's; nothing goes out after it."""
        if self._parser.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return self._parser.send(events.CloseConnection(code=code))

    @property
    def _is_closing(self) -> bool:
        return self._parser.state is not ConnectionState.OPEN

    async def _read(self, otherwise: str) -> None:
        data = await self._stream.receive_some(RECEIVE_BYTES)
        if not data:
            raise ConnectionLost(otherwise)
        self.heard_at = trio.current_time()
        self._parser.receive_data(bytes(data))
        self._parsed = self._parser.events()

    def _message(self, event: events.TextMessage | events.BytesMessage) -> str | bytes | None:
        self._size += len(event.data)
        if self._size > MESSAGE_MAX_BYTES:
            text = f"a message of {self._size} so far, limit {MESSAGE_MAX_BYTES}"
            raise PeerClosed(TOO_BIG, text, is_violation=True)
        # Parts without anything in them have no size, so no number of them may be kept.
        if event.data:
            self._parts.append(event.data)
        if not event.message_finished:
            return None
        parts, self._parts, self._size = self._parts, [], 0
        return "".join(parts) if isinstance(event.data, str) else b"".join(parts)
