"""Accepts sockets and keeps each connection's troubles to itself.

Owns: the listening sockets, the tasks of the connections and of the drain; who is connected is in the roster, which
outlives the gateway. One boundary per connection: whatever goes wrong inside it ends it, counted and logged, and
nothing else (a stock server was ended as a whole by one byte in a handshake). Accepting survives resets and running out
of file descriptors. At the end everybody is told when to come back, spread over a few seconds, and has a moment to read
it.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.connection import Connection
from actors.outbox import Outbox, OutboxLimits
from actors.ports import NewId
from actors.roster import Roster
from actors.send import choose_send
from actors.supervisor import Started
from actors.tls import NewTls
from actors.websocket import Disconnected, HandshakeRefused, Upgrade, WebSocket, WebSocketLimits
from protocol.codec import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL
from protocol.errors import CloseCode, ConversationEnded
from protocol.messages import Bye

log = structlog.get_logger()

# Nothing to accept with: others must close something first. Not an event that we could wait for.
ACCEPT_PAUSE_S = 0.1
_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Reconnects after a shutdown are spread over this time, so that a thousand clients do not come back at once.
RECONNECT_SPREAD_MS = 3_000
PATHS = frozenset({"/", "/ws"})


@dataclass(frozen=True)
class GatewayLimits:
    """Bounds of the gateway as a whole."""

    connections_max: int = 20_000
    outbox_soft_bytes: int = 262_144
    outbox_max_bytes: int = 1_048_576
    drain_s: float = 8.0


Converse = Callable[[Connection], Awaitable[None]]


class Gateway:
    """The WebSocket server."""

    def __init__(
        self,
        listeners: Sequence[trio.socket.SocketType],
        converse: Converse,
        origins: frozenset[str],
        limits: GatewayLimits,
        websocket_limits: WebSocketLimits,
        roster: Roster,
        new_id: NewId,
        new_tls: NewTls | None = None,
    ) -> None:
        self._listeners = listeners
        self._converse = converse
        self._origins = origins
        self._limits = limits
        self._websocket_limits = websocket_limits
        self._new_id = new_id
        # None: connections are plain.
        self._new_tls = new_tls
        self._outbox_limits = OutboxLimits(limits.outbox_soft_bytes, limits.outbox_max_bytes)
        self._send = choose_send()
        self._roster = roster
        # Those whose handshake is not decided yet.
        self._arriving: set[str] = set()
        self._all_gone = trio.Event()
        self._is_closing = False

    async def run(self, status: Started) -> None:
        """Serves until cancelled, then drains."""
        self._is_closing = False
        async with trio.open_nursery() as tasks:
            nursery = await tasks.start(self._hold_connections)
            try:
                async with trio.open_nursery() as accepting:
                    for listener in self._listeners:
                        accepting.start_soon(self._accept, listener, nursery)
                    status.started()
            finally:
                # Clients are told when to come back; bounded by drain_s.
                with trio.CancelScope(shield=True):
                    await self._say_goodbye()
                nursery.cancel_scope.cancel()

    async def _hold_connections(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Where the connections and the drain live: they outlast the accepting, until the goodbye is over."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                task_status.started(nursery)
                await self._roster.drain.run()

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                sock, _ = await listener.accept()
            except OSError as fault:
                if fault.errno in _NO_RESOURCES:
                    self._roster.errors += 1
                    log.error("accept_without_resources", error=str(fault))
                    await trio.sleep(ACCEPT_PAUSE_S)
                elif fault.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise
                continue
            self._roster.accepted += 1
            nursery.start_soon(self._serve, sock, nursery)

    async def _serve(self, sock: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        """The boundary: whatever happens to one connection stays here."""
        tls = self._new_tls(self._send) if self._new_tls else None
        send = tls.send if tls else self._send
        outbox = Outbox(sock, self._roster.drain, nursery, self._outbox_limits, send)
        try:
            sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            await self._hold(WebSocket(sock, outbox, self._websocket_limits, tls), outbox)
        except* (HandshakeRefused, Disconnected) as gone:
            self._roster.refused += gone.subgroup(HandshakeRefused) is not None
        except* OSError:
            self._roster.errors += 1  # reset by the peer at an unlucky moment
        except* Exception as fault:
            self._roster.errors += 1
            log.error("connection_failed", exc_info=fault)
        finally:
            outbox.discard()
            sock.close()

    async def _hold(self, websocket: WebSocket, outbox: Outbox) -> None:
        scope = trio.CancelScope()
        connection = Connection(self._new_id(), websocket, outbox, scope)
        outbox.on_trouble(lambda: self._is_slow(connection), connection.abort)
        connection.subprotocol = await self._shake_hands(connection)
        self._roster.enter(connection)
        try:
            with scope:
                await self._talk(connection)
            if connection.ending is not None:
                code, reason = connection.ending.code, connection.ending.reason
                await websocket.close(code, reason, drop_waiting=code is CloseCode.SLOW)
            elif outbox.sealed:
                await websocket.finish()  # the peer said Close, ours is on its way
        finally:
            # Only now: a drain waits until everybody has had its Close.
            self._roster.strike(connection)
            if not self._roster.count:
                self._all_gone.set()

    async def _shake_hands(self, connection: Connection) -> str | None:
        arriving, client_id = self._arriving, connection.client_id

        def accept(upgrade: Upgrade) -> str | None:
            arriving.discard(client_id)  # decided: who is refused, and only reads why, takes up nobody's place
            return self._accept_upgrade(upgrade)

        arriving.add(client_id)
        try:
            return await connection.websocket.handshake(accept)
        except HandshakeRefused as refusal:
            self._roster.tls_failed += refusal.status == 0
            raise
        finally:
            arriving.discard(client_id)

    async def _talk(self, connection: Connection) -> None:
        try:
            await self._converse(connection)
        except ConversationEnded as end:
            connection.end(end.code, end.reason)
        except Disconnected:
            return
        except Exception as fault:  # a conversation that crashed is one client's trouble: it is told to come back
            self._roster.errors += 1
            log.error("conversation_failed", client=connection.client_id, exc_info=fault)
            connection.end(CloseCode.SERVER_ERROR, "internal error; come back")
        else:
            connection.end(CloseCode.NORMAL, "")

    def _is_slow(self, connection: Connection) -> None:
        if connection.ending is None:
            self._roster.slow += 1
            connection.end(CloseCode.SLOW, f"more than {self._limits.outbox_max_bytes} bytes unread")

    def _accept_upgrade(self, upgrade: Upgrade) -> str | None:
        if upgrade.path not in PATHS:
            raise HandshakeRefused(404, "connect to /ws")
        if upgrade.origin is not None and upgrade.origin not in self._origins:
            raise HandshakeRefused(403, "this origin may not connect; add it to gateway.origins")
        count, limit = self._roster.count + len(self._arriving), self._limits.connections_max
        if self._is_closing or count >= limit:
            raise HandshakeRefused(503, f"{count} connections, limit {limit}; try again later")
        for offered in upgrade.subprotocols:
            if offered in (JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL):
                return offered
        return None

    async def _say_goodbye(self) -> None:
        self._is_closing = True
        for listener in self._listeners:
            listener.close()
        self._all_gone = trio.Event()
        for connection in self._roster.connections():
            after_ms = random.randrange(RECONNECT_SPREAD_MS)  # noqa: S311  # spreads load, no secret
            connection.say(Bye(code=CloseCode.SHUTDOWN, reason="shutting down", reconnect_after_ms=after_ms))
            connection.end(CloseCode.SHUTDOWN, "shutting down")
        if self._roster.count:
            with trio.move_on_after(self._limits.drain_s):
                await self._all_gone.wait()
