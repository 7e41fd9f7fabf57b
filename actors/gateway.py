"""Accepts sockets and keeps each connection's troubles to itself.

Owns: the listening sockets, the tasks of the connections and of the drain; who is connected is in the roster, which
outlives the gateway. One boundary per connection: whatever goes wrong inside it ends it, counted and logged, and
nothing else (a stock server was ended as a whole by one byte in a handshake). Accepting survives resets and running out
of file descriptors. Who may come in is decided at the door (`actors/door.py`). At the end everybody is told when to
come back, spread over a few seconds, and has a moment to read it; of many the closes are spread as well, so that
neither we nor who takes them over has to do everything at once.
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
import trio

from actors.connection import Connection
from actors.door import Door, DoorLimits, Visit
from actors.outbox import Outbox, OutboxLimits
from actors.peer import reconnect_after_ms
from actors.ports import NewId
from actors.roster import Roster
from actors.send import choose_send
from actors.supervisor import Started
from actors.tls import NewTls
from actors.upgrade import HandshakeRefused
from actors.websocket import Disconnected, WebSocket, WebSocketLimits
from protocol.errors import CloseCode, ConversationEnded
from protocol.messages import Bye

log = structlog.get_logger()

# Nothing to accept with: others must close something first. Not an event that we could wait for.
ACCEPT_PAUSE_S = 0.1
_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(frozen=True)
class GatewayLimits:
    """Bounds of the gateway as a whole."""

    door: DoorLimits = field(default_factory=DoorLimits)
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    drain_s: float = 8.0
    # Of the drain: so many closes are under way at once; if there are more connections, over so long a time.
    drain_closes_max: int = 256
    drain_spread_s: float = 2.0


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
        self._door = Door(roster, origins, limits.door)
        self._limits = limits
        self._websocket_limits = websocket_limits
        self._new_id = new_id
        # None: connections are plain.
        self._new_tls = new_tls
        self._send = choose_send()
        self._roster = roster
        # Its own connections; the roster has the event streams as well.
        self._open: dict[str, Connection] = {}
        # Whose close is under way in a drain.
        self._parting: set[str] = set()
        # Set and made anew whenever a connection has ended: the drain waits for that.
        self._one_gone = trio.Event()

    async def run(self, status: Started) -> None:
        """Serves until cancelled, then drains."""
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
                sock, address = await listener.accept()
            except OSError as fault:
                if fault.errno in _NO_RESOURCES:
                    self._roster.errors += 1
                    log.error("accept_without_resources", error=str(fault))
                    await trio.sleep(ACCEPT_PAUSE_S)
                elif fault.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise
                continue
            self._roster.accepted += 1
            # At once, not in its task: the next one must meet what this one takes up.
            visit = self._door.knock(str(address[0]) if isinstance(address, tuple) else "")
            nursery.start_soon(self._serve, sock, visit, nursery)

    async def _serve(self, sock: trio.socket.SocketType, visit: Visit, nursery: trio.Nursery) -> None:
        """The boundary: whatever happens to one connection stays here."""
        try:
            await self._attend(sock, visit, nursery)
        except* (HandshakeRefused, Disconnected) as gone:
            self._roster.refused += gone.subgroup(HandshakeRefused) is not None
        except* OSError:
            self._roster.errors += 1  # reset by the peer at an unlucky moment
        except* Exception as fault:
            self._roster.errors += 1
            log.error("connection_failed", exc_info=fault)
        finally:
            self._door.leave(visit)
            visit.refusal = None  # its traceback holds the visit: a cycle that only the garbage collector would free
            sock.close()

    async def _attend(self, sock: trio.socket.SocketType, visit: Visit, nursery: trio.Nursery) -> None:
        sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        tls = self._new_tls(self._send) if self._new_tls else None
        send = tls.send if tls else self._send
        outbox = Outbox(sock, self._roster.drain, nursery, self._limits.outbox, send)
        try:
            await self._hold(WebSocket(sock, outbox, self._websocket_limits, tls), outbox, visit)
        finally:
            outbox.discard()

    async def _hold(self, websocket: WebSocket, outbox: Outbox, visit: Visit) -> None:
        scope = trio.CancelScope()
        connection = Connection(self._new_id(), websocket, outbox, scope)
        max_bytes = self._limits.outbox.max_bytes
        outbox.on_trouble(lambda: self._roster.too_slow(connection, max_bytes), connection.abort)
        connection.subprotocol = await self._shake_hands(websocket, visit)
        connection.address = visit.address
        self._roster.enter(connection)
        self._open[connection.client_id] = connection
        try:
            with scope:
                await self._talk(connection)
            if connection.ending is not None:
                code, reason = connection.ending.code, connection.ending.reason
                self._roster.count_refusal(connection.ending.limit)
                await websocket.close(code, reason, drop_waiting=code is CloseCode.SLOW)
            elif outbox.sealed:
                await websocket.finish()  # the peer said Close, ours is on its way
        finally:
            # Only now: a drain waits until everybody has had its Close.
            self._roster.strike(connection)
            del self._open[connection.client_id]
            self._parting.discard(connection.client_id)
            self._one_gone.set()

    async def _shake_hands(self, websocket: WebSocket, visit: Visit) -> str | None:
        """At the door: gives the subprotocol, or raises HandshakeRefused."""
        with visit.scope:
            if visit.refusal is not None:
                await websocket.refuse(visit.refusal)
                raise visit.refusal
            try:
                return await websocket.handshake(functools.partial(self._door.admit, visit))
            except HandshakeRefused as refusal:
                self._roster.tls_failed += refusal.status == 0
                if visit.refusal is None:  # it was not the door that refused
                    self._roster.count_refusal(refusal.limit)
                raise
        # Had to give way to somebody who came later.
        eviction = self._door.eviction(visit)
        websocket.refuse_at_once(eviction)
        try:
            raise eviction
        finally:
            del eviction  # as above: this frame is in its traceback

    async def _talk(self, connection: Connection) -> None:
        try:
            await self._converse(connection)
        except ConversationEnded as end:
            connection.end(end.code, end.reason, end.limit)
        except Disconnected:
            return
        except Exception as fault:  # a conversation that crashed is one client's trouble: it is told to come back
            self._roster.errors += 1
            log.error("conversation_failed", client=connection.client_id, exc_info=fault)
            connection.end(CloseCode.SERVER_ERROR, "internal error; come back")
        else:
            connection.end(CloseCode.NORMAL, "")

    async def _say_goodbye(self) -> None:
        """Tells everybody when to come back, and closes; takes `drain_s` at most."""
        self._door.close()
        for listener in self._listeners:
            listener.close()
        connections = list(self._open.values())
        for connection in connections:
            connection.say(
                Bye(code=CloseCode.SHUTDOWN, reason="shutting down", reconnect_after_ms=reconnect_after_ms())
            )
        with trio.move_on_after(self._limits.drain_s):
            # The last ones need a moment of their own to read their Close.
            with trio.move_on_after(max(0.0, self._limits.drain_s - self._websocket_limits.close_s)):
                await self._close_in_turn(connections)
            for connection in connections:
                connection.end(CloseCode.SHUTDOWN, "shutting down")
            while self._open:
                await self._wait_for_an_end()

    async def _close_in_turn(self, connections: Sequence[Connection]) -> None:
        at_once, began = self._limits.drain_closes_max, trio.current_time()
        pause_s = self._limits.drain_spread_s / len(connections) if len(connections) > at_once else 0.0
        for number, connection in enumerate(connections):
            while len(self._parting) >= at_once:
                await self._wait_for_an_end()
            if connection.client_id in self._open:  # else it left by itself
                self._parting.add(connection.client_id)
                connection.end(CloseCode.SHUTDOWN, "shutting down")
            if pause_s:
                await trio.sleep_until(began + (number + 1) * pause_s)

    async def _wait_for_an_end(self) -> None:
        self._one_gone = trio.Event()
        await self._one_gone.wait()
