"""Accepts sockets and keeps each connection's troubles to itself.

Owns: the listening sockets, the connections and their tasks, the drain that writes for all of them, and the counters
that conversations report to. One boundary per connection: whatever goes wrong inside it ends it, counted and logged,
and nothing else (a stock server was ended as a whole by one byte in a handshake). Accepting survives resets and running
out of file descriptors. At the end everybody is told when to come back, spread over a few seconds, and has a moment to
read it.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.outbox import Drain, Frame, Outbox
from actors.ports import NewId, Observer
from actors.send import choose_send
from actors.supervisor import Started
from actors.websocket import PING, Disconnected, HandshakeRefused, Upgrade, WebSocket, WebSocketLimits
from protocol.codec import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL, form_of, frame_message
from protocol.errors import CloseCode, ConversationEnded
from protocol.messages import Bye, ServerMessage

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
    outbox_max_bytes: int = 1_048_576
    drain_s: float = 8.0


class SessionCounters:
    """What all conversations together have seen."""

    def __init__(self) -> None:
        self.messages_received = 0
        self.errors = 0
        # Subscriptions by stream; only streams that somebody follows.
        self._streams: Counter[str] = Counter()

    def followed(self, stream: str) -> None:
        """A subscription to this stream began."""
        self._streams[stream] += 1

    def left(self, stream: str) -> None:
        """A subscription to this stream is over."""
        self._streams[stream] -= 1
        if not self._streams[stream]:
            del self._streams[stream]

    @property
    def streams(self) -> int:
        """How many streams are followed."""
        return len(self._streams)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return self._streams.total()


class Connection:
    """One accepted WebSocket: what a conversation is handed."""

    def __init__(
        self,
        client_id: str,
        websocket: WebSocket,
        outbox: Outbox,
        scope: trio.CancelScope,
        counters: SessionCounters,
    ) -> None:
        self.client_id = client_id
        self.websocket = websocket
        self.outbox = outbox
        self.counters = counters
        self.subprotocol: str | None = None
        self.ending: ConversationEnded | None = None
        self._scope = scope

    def say(self, message: ServerMessage) -> None:
        """Answers the peer in its wire form. Never waits."""
        self.outbox.push(Frame(frame_message(message, form_of(self.subprotocol))))

    def end(self, code: CloseCode, reason: str) -> None:
        """Ends the conversation with this close code; the first reason stays. Callable from anywhere, never waits."""
        if self.ending is None:
            self.ending = ConversationEnded(code, reason)
            self._scope.cancel()

    def abort(self) -> None:
        """The socket is gone: ends the conversation without a word."""
        self._scope.cancel()


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
        observer: Observer,
        new_id: NewId,
    ) -> None:
        self._listeners = listeners
        self._converse = converse
        self._origins = origins
        self._limits = limits
        self._websocket_limits = websocket_limits
        self._new_id = new_id
        self._send = choose_send()
        self._drain = Drain(observer)
        self._connections: dict[str, Connection] = {}
        # Those whose handshake is not decided yet.
        self._arriving: set[str] = set()
        self._all_gone = trio.Event()
        self._is_closing = False
        self.counters = SessionCounters()
        self.accepted = 0
        self.refused = 0
        self.errors = 0
        self.slow = 0

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
                await self._drain.run()

    def ping_all(self) -> None:
        """Pushes the one shared ping frame to every connection."""
        for connection in self._connections.values():
            connection.outbox.push(PING)

    def connections(self) -> list[Connection]:
        """All connections that exist now."""
        return list(self._connections.values())

    def statistics(self) -> dict[str, int]:
        """Connections, streams and subscriptions now; messages, errors and refusals since the start."""
        outboxes = [connection.outbox for connection in self._connections.values()]
        return {
            "connected_clients": len(self._connections),
            "active_subscriptions": self.counters.streams,
            "total_subscribers": self.counters.subscriptions,
            "connections_accepted": self.accepted,
            "connections_refused": self.refused,
            "messages_sent": self._drain.frames,
            "messages_received": self.counters.messages_received,
            "outbox_bytes": sum(outbox.waiting_bytes for outbox in outboxes),
            "slow_disconnects": self.slow,
            "errors": self.errors + self.counters.errors,
        }

    async def _accept(self, listener: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                sock, _ = await listener.accept()
            except OSError as fault:
                if fault.errno in _NO_RESOURCES:
                    self.errors += 1
                    log.error("accept_without_resources", error=str(fault))
                    await trio.sleep(ACCEPT_PAUSE_S)
                elif fault.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise
                continue
            self.accepted += 1
            nursery.start_soon(self._serve, sock, nursery)

    async def _serve(self, sock: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        """The boundary: whatever happens to one connection stays here."""
        outbox = Outbox(sock, self._drain, nursery, self._limits.outbox_max_bytes, self._send)
        try:
            sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
            await self._hold(sock, outbox)
        except* (HandshakeRefused, Disconnected) as gone:
            self.refused += gone.subgroup(HandshakeRefused) is not None
        except* OSError:
            self.errors += 1  # reset by the peer at an unlucky moment
        except* Exception as fault:
            self.errors += 1
            log.error("connection_failed", exc_info=fault)
        finally:
            outbox.discard()
            sock.close()

    async def _hold(self, sock: trio.socket.SocketType, outbox: Outbox) -> None:
        websocket = WebSocket(sock, outbox, self._websocket_limits)
        scope = trio.CancelScope()
        connection = Connection(self._new_id(), websocket, outbox, scope, self.counters)
        outbox.on_trouble(lambda: self._is_slow(connection), connection.abort)
        connection.subprotocol = await self._shake_hands(connection)
        self._connections[connection.client_id] = connection
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
            del self._connections[connection.client_id]
            if not self._connections:
                self._all_gone.set()

    async def _shake_hands(self, connection: Connection) -> str | None:
        arriving, client_id = self._arriving, connection.client_id

        def accept(upgrade: Upgrade) -> str | None:
            arriving.discard(client_id)  # decided: who is refused, and only reads why, takes up nobody's place
            return self._accept_upgrade(upgrade)

        arriving.add(client_id)
        try:
            return await connection.websocket.handshake(accept)
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
            self.errors += 1
            log.error("conversation_failed", client=connection.client_id, exc_info=fault)
            connection.end(CloseCode.SERVER_ERROR, "internal error; come back")
        else:
            connection.end(CloseCode.NORMAL, "")

    def _is_slow(self, connection: Connection) -> None:
        if connection.ending is None:
            self.slow += 1
            connection.end(CloseCode.SLOW, f"more than {self._limits.outbox_max_bytes} bytes unread")

    def _accept_upgrade(self, upgrade: Upgrade) -> str | None:
        if upgrade.path not in PATHS:
            raise HandshakeRefused(404, "connect to /ws")
        if upgrade.origin is not None and upgrade.origin not in self._origins:
            raise HandshakeRefused(403, "this origin may not connect; add it to gateway.origins")
        count, limit = len(self._connections) + len(self._arriving), self._limits.connections_max
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
        for connection in self.connections():
            after_ms = random.randrange(RECONNECT_SPREAD_MS)  # noqa: S311  # spreads load, no secret
            connection.say(Bye(code=CloseCode.SHUTDOWN, reason="shutting down", reconnect_after_ms=after_ms))
            connection.end(CloseCode.SHUTDOWN, "shutting down")
        if self._connections:
            with trio.move_on_after(self._limits.drain_s):
                await self._all_gone.wait()
