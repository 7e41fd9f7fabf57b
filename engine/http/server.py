"""Serves the HTTP application on a listening socket, with Hypercorn's connection handling inside our own life cycle.

Owns: the accept loop and every connection. Hypercorn reads and writes HTTP; it is given each connection wrapped in a
`_Stream`, because it sends under a shielded scope: a client that stops reading would hold a shutdown until the kernel
gives up (12 s were measured), and while running it would hold a task and a buffer as long. The wrapper's sends have a
deadline of their own, which a shutdown brings forward.

Cancelling `serve_http` is the shutdown: no new connection, idle ones are closed at once, running requests may end
within `GRACE_S`, then whatever is left is cut. A fault of one connection ends that connection alone.

Decided against: `hypercorn.trio.serve`, which offers no hold on its connections (the reason above), runs the lifespan
protocol that we do not need, and lets an unforeseen exception of one connection end the server.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import h11
import msgspec
import structlog
import trio
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from litestar.types import ASGIApp

from actors.supervisor import root_cause
from actors.tls import PLAIN_ANSWER, PLAIN_REASON
from engine.certificate import Certificate
from engine.http.head import HeadAsGet
from engine.http.problems import PROBLEM_JSON, RETRY_AFTER_S, Problem
from engine.http.requests import BODY_MAX_S, BodyGuard
from engine.sockets import host_and_port
from protocol.errors import Busy
from protocol.limits import Limit

# What a shutdown waits for running requests; an ack takes milliseconds, and 10 s is all that the whole engine has.
GRACE_S = 1.5
# A client that does not take a piece in so long is gone; also the kernel's limit for unacknowledged bytes.
SEND_MAX_S = 5.0
SEND_PIECE_BYTES = 65_536
# A new or idle connection that has not completed a request head by then is closed (slow headers, forgotten clients).
KEEP_ALIVE_S = 5
# A producer may keep its connection for days; Hypercorn's 1,000 made it reconnect every second under load.
REQUESTS_A_CONNECTION_MAX = 1_000_000_000
# How long a connection too many may take to read that it is one.
FULL_ANSWER_S = 1.0
# As the gateway's; the peer's part is two packets.
TLS_HANDSHAKE_S = 5.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HttpLimits:
    """What operators may set of the server's bounds: `api.connections_max` and `api.body_s`."""

    connections_max: int = 1_000
    body_s: float = BODY_MAX_S


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """`http://127.0.0.1:8080`: where clients find a listener."""
    return f"{scheme}://{host_and_port(listener)}"


async def serve_http(
    app: ASGIApp,
    listening_socket: socket.socket,
    *,
    certificate: Certificate | None = None,
    count_refusal: Callable[[Limit], None] = lambda limit: None,
    limits: HttpLimits | None = None,
    task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; closes the socket. Reports its HttpServer when it accepts connections."""
    server = HttpServer(app, listening_socket, certificate=certificate, count_refusal=count_refusal, limits=limits)
    await server.run(task_status=task_status)


class HttpServer:
    """One HTTP server; made and run by `serve_http`."""

    def __init__(
        self,
        app: ASGIApp,
        listening_socket: socket.socket,
        grace_s: float = GRACE_S,
        certificate: Certificate | None = None,
        count_refusal: Callable[[Limit], None] = lambda limit: None,
        limits: HttpLimits | None = None,
    ) -> None:
        self._limits = limits or HttpLimits()
        listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_MAX_S * 1_000))
        self.address = address_of(listening_socket, "http" if certificate is None else "https")
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening_socket))
        self._app = wrap_app(cast(Any, BodyGuard(HeadAsGet(app), self._limits.body_s)), 0, "asgi")
        self._config = _hypercorn_config()
        self._context = WorkerContext(None)
        self._grace_s = grace_s
        self._certificate = certificate
        self._count_refusal = count_refusal
        self._streams: dict[_Stream, trio.CancelScope] = {}
        self._ends_at = math.inf
        self._served = self._refused = self._failed = 0

    async def run(self, *, task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED) -> None:
        """Accepts and serves until cancelled, then drains."""
        async with trio.open_nursery() as connections:
            try:
                task_status.started(self)
                await trio.serve_listeners(self._serve, [self._listener], handler_nursery=connections)
            finally:
                await self._drain()

    def statistics(self) -> Mapping[str, int]:
        """Connections: open now, served, refused at the limit, ended by a fault of ours."""
        return {
            "connections_open": len(self._streams),
            "connections_served": self._served,
            "connections_refused": self._refused,
            "connections_failed": self._failed,
        }

    async def _drain(self) -> None:
        self._ends_at = trio.current_time() + self._grace_s
        # Idle connections wait for this event and close. Its `set` never waits, so it works while we are cancelled.
        await self._context.terminated.set()
        for stream, scope in self._streams.items():
            scope.deadline = self._ends_at
            stream.send_until(self._ends_at)

    async def _serve(self, transport: trio.SocketStream) -> None:
        """The boundary of one connection: whatever goes wrong in it is counted, logged, and ends it alone."""
        if len(self._streams) >= self._limits.connections_max:
            self._refused += 1
            self._count_refusal(Limit.HTTP_CONNECTIONS)
            logger.warning("http_connections_at_limit", limit=self._limits.connections_max)
            if self._certificate is None:  # a TLS handshake only to say no would be what an attacker wants
                await _tell(transport, _full_answer(len(self._streams), self._limits.connections_max))
            return
        stream = _Stream(transport) if self._certificate is None else _TlsStream(transport, self._certificate.context)
        stream.send_until(self._ends_at)
        # Shielded: the server's cancellation must leave running requests their grace.
        with trio.CancelScope(shield=True, deadline=self._ends_at) as scope:
            self._streams[stream] = scope
            try:
                await stream.begin()
                await _Connection(self._app, self._config, self._context, ConnectionState({}), cast(Any, stream)).run()
                self._served += 1
            except* _PEERS_DOING as rubbish:
                # A peer's doing, not a fault of ours: one line.
                self._failed += 1
                logger.info("http_connection_ended", cause=repr(root_cause(rubbish)))
            except* Exception as faults:
                self._failed += 1
                logger.error("http_connection_failed", exc_info=faults)
            finally:
                del self._streams[stream]


_PEERS_DOING = (
    h11.ProtocolError,
    UnicodeError,
    trio.BrokenResourceError,
    trio.BusyResourceError,
    trio.TooSlowError,
)


def _full_answer(count: int, limit: int) -> bytes:
    """What one connection too many is told; a health check that meets it knows that the loop turns."""
    detail = f"{count} HTTP connections, limit {limit} ({Limit.HTTP_CONNECTIONS.value}); try again in a moment"
    body = msgspec.json.encode(
        Problem(title="Service Unavailable", status=503, detail=detail, code=Busy.code, temporary=True)
    )
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER_S}\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _tell(transport: trio.SocketStream, answer: bytes) -> None:
    with contextlib.suppress(trio.BrokenResourceError), trio.move_on_after(FULL_ANSWER_S):
        await transport.send_all(answer)


class _Http1(H11Protocol):
    """HTTP/1.1 only. An offer to upgrade to HTTP/2 is ignored, as RFC 9110 section 7.8 allows: on a plain socket nobody
    needs it, and it would be a second protocol with its own floods to bound."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Says yes to every request."""

    async def _create_stream(self, request: h11.Request) -> None:
        """No upgrade is offered here: a request for one is answered like any other, whatever its headers hold."""
        headers = [(name, value) for name, value in request.headers if name.lower() != b"upgrade"]
        plain = h11.Request(
            method=request.method, target=request.target, headers=headers, http_version=request.http_version
        )
        await super()._create_stream(plain)


class _Connection(TCPServer):
    """Hypercorn's connection, with our choice of protocol where it would put its wrapper for all of them."""

    async def run(self) -> None:
        """As Hypercorn's. Then it is freed at once: its protocol's `send` is its own, a cycle for the collector."""
        try:
            await super().run()
        finally:
            vars(self).clear()

    @property
    def protocol(self) -> Any:
        """What reads the connection's bytes."""
        return self._protocol

    @protocol.setter
    def protocol(self, offered: ProtocolWrapper) -> None:
        o = offered
        self._protocol = _Http1(o.app, o.config, o.context, o.task_group, o.state, o.ssl, o.client, o.server, o.send)


class _Stream:
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


class _TlsStream(_Stream):
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
                await _tell(self.transport_stream, PLAIN_ANSWER)
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


def _hypercorn_config() -> Config:
    config = Config()
    # None: Hypercorn keeps its hands off logging; faults reach our boundary or the application's.
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = REQUESTS_A_CONNECTION_MAX
    return config
