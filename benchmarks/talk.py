"""A conversation with the engine on trio, by hand: for clients of a soak that come and go, dawdle or misbehave.

Unlike `dial` (thousands of sockets that only listen, opened in waves) each of these is a task of its own that can be
abandoned at any moment. No WebSocket library: most of what these clients do, a library would not let them do.
"""

from __future__ import annotations

import struct
from types import TracebackType
from typing import Self

import trio

from benchmarks.dial import Target
from benchmarks.wire import (
    BINARY,
    CLOSE,
    FORMS,
    PING,
    TEXT,
    UNSOLICITED_PONG,
    Heard,
    client_frame,
    handshake,
    handshake_end,
    hear,
    walk,
)
from protocol import messages as m
from protocol.codec import encode

_READ_BYTES = 65_536
# Gone without a goodbye: the kernel answers whatever comes with a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


class Ended(Exception):
    """The server ended the conversation, with this close code (1006: without a word)."""

    def __init__(self, code: int = 1006) -> None:
        super().__init__(code)
        self.code = code


class Talk:
    """One connection; leaving the context closes it."""

    def __init__(self, target: Target, sock: trio.socket.SocketType) -> None:
        self.sock = sock
        self._target = target
        self._form = FORMS[target.form]
        self._data = bytearray()

    @classmethod
    async def connect(cls, target: Target, *, source: str = "127.0.0.1", receive_buffer_bytes: int = 0) -> Self:
        """A TCP connection from this address, nothing said yet. Raises OSError."""
        sock = trio.socket.socket()
        try:
            if receive_buffer_bytes:
                sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer_bytes)
            await sock.bind((source, 0))
            await sock.connect((target.host, target.port))
        except BaseException:
            sock.close()
            raise
        return cls(target, sock)

    async def greet(self, recover: m.Position | None = None) -> None:
        """Upgrade, then `auth` and, if there is a channel, `subscribe` in one write. Raises OSError, Ended."""
        await self.upgrade()
        await self.say(m.Auth(token=self._target.token))
        for channel in self._target.channels:
            await self.say(m.Subscribe(channel=channel, recover=recover))

    async def upgrade(self) -> None:
        """Becomes a WebSocket. Raises OSError, Ended, BadStream."""
        await self.send(handshake(self._target.host, self._target.port, self._form))
        while not (end := handshake_end(self._data)):
            await self._more()
        del self._data[:end]

    async def say(self, message: m.ClientMessage) -> None:
        """One message."""
        await self.send(client_frame(encode(message, self._form), self._form))

    async def send(self, data: bytes) -> None:
        """Bytes, whatever they mean. Raises OSError."""
        view = memoryview(data)
        while view:
            view = view[await self.sock.send(view) :]

    async def hear(self) -> Heard:
        """The next message; pings before it are answered. Raises Ended, OSError, BadStream."""
        while True:
            complete = 0
            for opcode, begin, end in walk(self._data):
                payload, complete = bytes(self._data[begin:end]), end
                if opcode in (TEXT, BINARY, CLOSE, PING):
                    break
            else:
                del self._data[:complete]
                await self._more()
                continue
            del self._data[:complete]
            if opcode == CLOSE:
                raise Ended(int.from_bytes(payload[:2], "big") if payload else 1005)
            if opcode == PING:
                await self.send(UNSOLICITED_PONG)
            else:
                return hear(opcode, payload)

    async def outlast(self) -> None:
        """Reads until the server has ended the connection."""
        while await self.sock.recv(_READ_BYTES):
            pass

    def abandon(self) -> None:
        """Gone in the middle of whatever it was, with a reset."""
        self.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _NO_LINGER)
        self.sock.close()

    async def _more(self) -> None:
        data = await self.sock.recv(_READ_BYTES)
        if not data:
            raise Ended
        self._data += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.sock.close()
