"""Connections as Hypercorn wants them, plain and over TLS, whose sends end by themselves.

Hypercorn sends under a shielded scope, which nothing outside can end. So the deadline is in here: of each piece while
the server runs, and of everything once it ends (`send_until`).
"""

from __future__ import annotations

import contextlib
import math
import ssl
from typing import cast

import trio

from actors.tls import PLAIN_ANSWER, PLAIN_REASON

# A client that does not take a piece in so long is gone; also the kernel's limit for unacknowledged bytes.
SEND_MAX_S = 5.0
SEND_PIECE_BYTES = 65_536
# How long a connection too many may take to read that it is one.
FULL_ANSWER_S = 1.0
# As the gateway's; the peer's part is two packets.
TLS_HANDSHAKE_S = 5.0


class Stream:
    """A connection as Hypercorn wants it, whose sends end by themselves: a shield outside cannot hold them."""

    def __init__(self, transport: trio.SocketStream) -> None:
        self.socket = transport.socket
        self._transport: trio.abc.Stream = transport
        self._sending = trio.CancelScope()
        self._ends_at = math.inf

    async def begin(self) -> None:
        """Nothing is agreed on before the first request."""

    def send_until(self, deadline: float) -> None:
        """From now on no send goes on after this moment, the running one included."""
        self._ends_at = deadline
        self._sending.deadline = min(self._sending.deadline, deadline)

    async def send_all(self, data: bytes) -> None:
        """Raises BrokenResourceError if the peer does not take the bytes in time; the connection is useless then."""
        for start in range(0, len(data), SEND_PIECE_BYTES):
            self._sending = trio.CancelScope(deadline=min(trio.current_time() + SEND_MAX_S, self._ends_at))
            with self._sending:
                await self._transport.send_all(data[start : start + SEND_PIECE_BYTES])
            if self._sending.cancelled_caught:
                await trio.aclose_forcefully(self._transport)
                raise trio.BrokenResourceError("the client does not read")

    async def receive_some(self, max_bytes: int) -> bytes | bytearray:
        """As the transport's."""
        return await self._transport.receive_some(max_bytes)

    async def send_eof(self) -> None:
        """As the transport's."""
        await cast(trio.SocketStream, self._transport).send_eof()

    async def aclose(self) -> None:
        """As the transport's."""
        await self._transport.aclose()


class TlsStream(Stream):
    """The same over TLS. That Hypercorn finds `do_handshake` tells it that requests are https."""

    def __init__(self, transport: trio.SocketStream, context: ssl.SSLContext) -> None:
        super().__init__(transport)
        self.transport_stream = transport
        # Not `https_compatible`: then it would hang up without the goodbye of TLS. That a peer does so is no fault:
        # Hypercorn takes the error of `receive_some` for the end that it is.
        self._tls = self._transport = trio.SSLStream(transport, context, server_side=True)

    async def begin(self) -> None:
        """The handshake. Raises BrokenResourceError, TooSlowError."""
        try:
            with trio.fail_after(TLS_HANDSHAKE_S):
                await self._tls.do_handshake()
        except trio.BrokenResourceError as fault:
            if isinstance(fault.__cause__, ssl.SSLError) and fault.__cause__.reason == PLAIN_REASON:
                await tell(self.transport_stream, PLAIN_ANSWER)
            raise

    async def do_handshake(self) -> None:
        """Done already."""
        await trio.lowlevel.checkpoint()

    def selected_alpn_protocol(self) -> str | None:
        """As agreed in the handshake."""
        agreed: str | None = self._tls.selected_alpn_protocol()
        return agreed

    async def send_eof(self) -> None:
        """TLS has no half-closed connections; `aclose` says goodbye."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """As the transport's; the goodbye to a peer that does not read is given up."""
        with trio.move_on_after(min(SEND_MAX_S, max(0.0, self._ends_at - trio.current_time()))):
            await self._transport.aclose()


async def tell(transport: trio.SocketStream, answer: bytes) -> None:
    """Says this to a connection that is not served, if it takes it soon."""
    with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(FULL_ANSWER_S):
        await transport.send_all(answer)
