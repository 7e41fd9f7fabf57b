"""Serves the HTTP application on a listening socket, with Hypercorn's connection handling inside our own life cycle.

Owns: the accept loop and every connection. Hypercorn reads and writes HTTP; it is given each connection wrapped in a
`Stream`, because it sends under a shielded scope: a client that stops reading would hold a shutdown until the kernel
gives up (12 s were measured), and while running it would hold a task and a buffer as long. The wrapper's sends have a
deadline of their own, which a shutdown brings forward.

Cancelling `serve_http` is the shutdown: no new connection, idle ones are closed at once, running requests may end
within `GRACE_S`, then whatever is left is cut. A fault of one connection ends that connection alone. Who may come, and
who has to give way to whom, is decided in `engine/http/door.py`.

Decided against: `hypercorn.trio.serve`, which offers no hold on its connections (the reason above), runs the lifespan
protocol that we do not need, and lets an unforeseen exception of one connection end the server.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Mapping
from typing import Any, cast

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Event, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from litestar.types import ASGIApp

from actors.send import FLAGS, choose_send
from actors.supervisor import root_cause
from engine.access.certificate import Certificate
from engine.http.door import Guest, HttpDoor, HttpLimits, HttpRefused
from engine.http.head import HeadAsGet
from engine.http.requests import BodyGuard
from engine.http.streams import SEND_MAX_S, Stream, TlsStream, tell
from engine.sockets import host_and_port
from protocol.limits import Limit

# What a shutdown waits for running requests; an ack takes milliseconds, and 10 s is all that the whole engine has.
GRACE_S = 1.5
# A new or idle connection that has not completed a request head by then is closed (slow headers, forgotten clients).
KEEP_ALIVE_S = 5
# A producer may keep its connection for days; Hypercorn's 1,000 made it reconnect every second under load.
REQUESTS_A_CONNECTION_MAX = 1_000_000_000

logger = structlog.get_logger(__name__)


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
    on_drain: Callable[[], None] = lambda: None,
    task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until cancelled; closes the socket. Reports its HttpServer when it accepts connections.

    `on_drain` is called when it is to end: answers that would go on for ever must come to theirs.
    """
    server = HttpServer(
        app, listening_socket, certificate=certificate, count_refusal=count_refusal, limits=limits, on_drain=on_drain
    )
    await server.run(task_status=task_status)


class HttpServer:
    """One HTTP server; made and run by `serve_http`."""

    def __init__(
        self,
        app: ASGIApp,
        listening_socket: socket.socket,
        certificate: Certificate | None = None,
        count_refusal: Callable[[Limit], None] = lambda limit: None,
        limits: HttpLimits | None = None,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        limits = limits or HttpLimits()
        self._on_drain = on_drain
        listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_MAX_S * 1_000))
        self.address = address_of(listening_socket, "http" if certificate is None else "https")
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening_socket))
        self._app = wrap_app(cast(Any, BodyGuard(HeadAsGet(app), limits.body_s)), 0, "asgi")
        self._config = _hypercorn_config()
        self._context = WorkerContext(None)
        self._certificate = certificate
        self._door = HttpDoor(limits, count_refusal)
        self._send = choose_send()
        self._streams: dict[Stream, trio.CancelScope] = {}
        self._ends_at = math.inf
        self._served = self._failed = 0

    async def run(self, *, task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED) -> None:
        """Accepts and serves until cancelled, then drains."""
        async with trio.open_nursery() as connections:
            try:
                task_status.started(self)
                await trio.serve_listeners(self._serve, [self._listener], handler_nursery=connections)
            finally:
                await self._drain()

    def statistics(self) -> Mapping[str, int]:
        """Connections: open now, served, refused or ended at a limit, ended by a fault of ours."""
        return {
            "connections_open": len(self._streams),
            "connections_served": self._served,
            "connections_refused": self._door.refused,
            "connections_failed": self._failed,
        }

    async def _drain(self) -> None:
        self._ends_at = trio.current_time() + GRACE_S
        self._on_drain()
        # Idle connections wait for this event and close. Its `set` never waits, so it works while we are cancelled.
        await self._context.terminated.set()
        for stream, scope in self._streams.items():
            scope.deadline = self._ends_at
            stream.send_until(self._ends_at)

    async def _serve(self, transport: trio.SocketStream) -> None:
        """One connection, from its accept to its end."""
        # Shielded: the server's cancellation must leave running requests their grace.
        scope = trio.CancelScope(shield=True, deadline=self._ends_at)

        def give_way(answer: bytes) -> None:
            if self._certificate is None:  # else the peer expects no plain text
                self._send(transport.socket.fileno(), answer, len(answer), FLAGS)
            scope.cancel()

        try:
            guest = self._door.enter(_peer_of(transport), give_way)
        except HttpRefused as refusal:
            if self._certificate is None:  # a TLS handshake only to say no would be what an attacker wants
                await tell(transport, refusal.answer)
            return
        try:
            with scope:
                await self._hold(transport, guest, scope)
        finally:
            self._door.leave(guest)

    async def _hold(self, transport: trio.SocketStream, guest: Guest, scope: trio.CancelScope) -> None:
        """The boundary of one connection: whatever goes wrong in it is counted, logged, and ends it alone."""
        stream = Stream(transport) if self._certificate is None else TlsStream(transport, self._certificate.context)
        stream.send_until(self._ends_at)
        connection = _Connection(self._app, self._config, self._context, ConnectionState({}), cast(Any, stream))
        connection.on_rest = lambda rests: (self._door.rests if rests else self._door.asks)(guest)
        self._streams[stream] = scope
        try:
            await stream.begin()
            await connection.run()
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


def _peer_of(transport: trio.SocketStream) -> str:
    """Its address; empty if it is gone already."""
    try:
        return str(transport.socket.getpeername()[0])
    except OSError:
        return ""


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
    """Hypercorn's connection, with our choice of protocol where it would put its wrapper for all of them.

    `on_rest` hears when a request head is complete (False), and when its answer is and the next one may come (True).
    """

    on_rest: Callable[[bool], None]

    async def protocol_send(self, event: Event) -> None:
        """As Hypercorn's."""
        if isinstance(event, Updated):
            self.on_rest(event.idle)
        await super().protocol_send(event)

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


def _hypercorn_config() -> Config:
    config = Config()
    # None: Hypercorn keeps its hands off logging; faults reach our boundary or the application's.
    config.errorlog = None
    config.accesslog = None
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = REQUESTS_A_CONNECTION_MAX
    return config
