"""TLS for one connection of the gateway, without a task or a stream of its own.

Owns: the TLS state of one socket, between two memory buffers (`ssl.SSLObject`), and ciphertext that the kernel did not
take. Its `send` keeps the contract of `actors.send`, so that the outbox writes through it as it writes through libc's;
the WebSocket reads through `receive`. Waits for the socket in the handshake and in `receive`, never in `send`. Whatever
hostile bytes do to OpenSSL ends this connection: TlsFailed in the handshake, an OSError (ssl.SSLError) afterwards.

The order of ciphertext is the order of encryption, so what is encrypted must leave before anything newer. `send` says
that bytes are sent only when all of their ciphertext is (as SSL_write does): until then the outbox offers the same
bytes again and they stay in its count, and at most one piece (ENCRYPT_MAX_BYTES) exists a second time, encrypted.

Decided against `trio.SSLStream`: it cannot write without waiting. Known cost: Python's `ssl` gives the GIL away for
each call. Beside threads that compute all the time a fan-out over TLS waits for each of them, as `socket.send` would;
there a proxy that ends TLS is the better way.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import ssl
from collections.abc import Callable

import trio

from actors.send import FLAGS, PIECE_MAX_BYTES, Send

# Encrypted at once: four records, one `send`. What the kernel does not take of it waits here beside the outbox's copy.
ENCRYPT_MAX_BYTES = PIECE_MAX_BYTES
# As without TLS (`actors.websocket`).
RECEIVE_BYTES = 65_536
# TLS itself answers some messages (key updates). A peer that provokes so much of it without reading is hostile.
ANSWERS_MAX_BYTES = 16_384
# The name that OpenSSL gives to "this is HTTP", and what whoever spoke it is told.
PLAIN_REASON = "HTTP_REQUEST"
PLAIN_HINT = "this port speaks TLS: connect with wss:// or https://"
PLAIN_ANSWER = (
    "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
    f"Content-Length: {len(PLAIN_HINT) + 1}\r\n\r\n{PLAIN_HINT}\n"
).encode()


class TlsFailed(Exception):
    """The peer did not get through the TLS handshake; the text says why."""


class Tls:
    """One connection's TLS."""

    __slots__ = ("_incoming", "_outgoing", "_send", "_ssl", "_taken", "_unsent", "is_open")

    def __init__(self, context: ssl.SSLContext, send: Send) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._send = send
        # Ciphertext that the kernel did not take, and how many bytes of the caller's are in it.
        self._unsent = b""
        self._taken = 0
        self.is_open = False

    async def handshake(self, sock: trio.socket.SocketType) -> bool:
        """Shakes hands; False: the peer hung up. Raises TlsFailed, OSError. The caller bounds the time."""
        while True:
            try:
                self._ssl.do_handshake()
                self.is_open = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as fault:
                raise self._refused(sock.fileno(), fault) from fault
            answer = self._outgoing.read()
            while answer:
                answer = answer[await sock.send(answer) :]
            if self.is_open:
                return True
            data = await sock.recv(RECEIVE_BYTES)
            if not data:
                return False
            self._incoming.write(data)

    def send(self, fd: int, data: bytes, size: int, flags: int) -> int:
        """Encrypts and sends, as a `Send`: -1 and an errno if nothing is out yet; then offer the same bytes again."""
        done = 0
        while True:
            if self._unsent:
                sent = self._send(fd, self._unsent, len(self._unsent), flags)
                if sent != len(self._unsent):
                    if sent >= 0:
                        self._unsent = self._unsent[sent:]
                        ctypes.set_errno(errno.EAGAIN)
                    return done or -1
                self._unsent = b""
                done += self._taken
                self._taken = 0
            if done == size:
                return done
            try:
                self._taken = self._ssl.write(data[done : done + ENCRYPT_MAX_BYTES])
            except ssl.SSLError:
                ctypes.set_errno(errno.EPIPE)  # TLS is over: the outbox ends the connection
                return done or -1
            self._unsent = self._outgoing.read()

    async def receive(self, sock: trio.socket.SocketType) -> bytes:
        """The next bytes of the peer, at most RECEIVE_BYTES; none at the end. Raises OSError."""
        while True:
            if not self._incoming.pending:  # there is something if it came together with the end of the handshake
                data = await sock.recv(RECEIVE_BYTES)
                if not data:
                    return b""
                self._incoming.write(data)
            plain, is_over = self._decrypt(sock.fileno())
            if plain or is_over:
                return plain
            if self._outgoing.pending > ANSWERS_MAX_BYTES:
                raise ssl.SSLError(f"more than {ANSWERS_MAX_BYTES} bytes of answers to key updates unread")

    def close(self, fd: int) -> None:
        """Says that nothing more will come (close_notify), if the kernel has room for it. Everything must be sent."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own is not there yet, or TLS is over already
            self._ssl.unwrap()
        self._tell(fd, self._outgoing.read())

    def _decrypt(self, fd: int) -> tuple[bytes, bool]:
        """What the peer's bytes say, and whether it has said that nothing more will come."""
        parts = []
        try:
            while part := self._ssl.read(RECEIVE_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        except ssl.SSLError:
            # The alert that OpenSSL made of it; after ciphertext that waits it could not be read.
            if not self._unsent:
                self._tell(fd, self._outgoing.read())
            raise
        return b"".join(parts), True

    def _refused(self, fd: int, fault: ssl.SSLError) -> TlsFailed:
        if fault.reason == PLAIN_REASON:
            self._tell(fd, PLAIN_ANSWER)
            return TlsFailed("plain HTTP or WebSocket on a port that speaks TLS")
        self._tell(fd, self._outgoing.read())
        return TlsFailed(f"no TLS handshake: {fault.reason or fault}")

    def _tell(self, fd: int, last: bytes) -> None:
        """A last word, not waited for: the connection ends whether it is heard or not."""
        if last:
            self._send(fd, last, len(last), FLAGS)


# One for each connection, with the certificate of this moment.
NewTls = Callable[[Send], Tls]
