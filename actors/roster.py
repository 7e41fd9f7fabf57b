"""Who is connected, and what all connections together have seen.

Owns: the connections that exist now, the drain that writes for all of them, and the counters that a restart of the
gateway must not set back (so it is made above the gateway and handed to it). The gateway enters and strikes off
connections, conversations report to `counters`, operators and revocations end whom they mean. Nothing here waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from actors.connection import Connection
from actors.frames import lane_of
from actors.lanes import SHED
from actors.outbox import Drain
from actors.ports import Observer
from actors.websocket import PING
from protocol.errors import CloseCode
from protocol.model import Principal


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


class Roster:
    """All connections that exist."""

    def __init__(self, observer: Observer) -> None:
        self.drain = Drain(observer)
        self.counters = SessionCounters()
        self.accepted = 0
        self.refused = 0
        self.tls_failed = 0
        self.errors = 0
        self.slow = 0
        self._connections: dict[str, Connection] = {}

    @property
    def count(self) -> int:
        """How many connections there are. (No `__len__`: an empty roster would be false.)"""
        return len(self._connections)

    def enter(self, connection: Connection) -> None:
        """A peer has become a WebSocket."""
        self._connections[connection.client_id] = connection

    def strike(self, connection: Connection) -> None:
        """A connection is over."""
        del self._connections[connection.client_id]

    def connections(self) -> list[Connection]:
        """All connections that exist now."""
        return list(self._connections.values())

    def end_where(self, is_meant: Callable[[Principal], bool], code: CloseCode, reason: str) -> int:
        """Ends the authenticated connections of these principals; how many there were. Never waits."""
        meant = [c for c in self._connections.values() if c.principal is not None and is_meant(c.principal)]
        for connection in meant:
            connection.end(code, reason)
        return len(meant)

    def ping_all(self) -> None:
        """Pushes the one shared ping frame to every connection."""
        for connection in self._connections.values():
            connection.outbox.push(PING)

    def statistics(self) -> dict[str, float]:
        """Connections, streams and subscriptions now; messages, errors and refusals since the start."""
        outboxes = [connection.outbox for connection in self._connections.values()]
        return {
            "connected_clients": len(self._connections),
            "active_subscriptions": self.counters.streams,
            "total_subscribers": self.counters.subscriptions,
            "connections_accepted": self.accepted,
            "connections_refused": self.refused,
            "tls_handshakes_failed": self.tls_failed,
            "messages_sent": self.drain.frames,
            "messages_received": self.counters.messages_received,
            "outbox_bytes": sum(outbox.waiting_bytes for outbox in outboxes),
            "outbox_lag_s": max((outbox.lag_s for outbox in outboxes), default=0.0),
            **{f"messages_dropped_{each.value}": self.drain.dropped[lane_of(each)] for each in SHED},
            "slow_disconnects": self.slow,
            "errors": self.errors + self.counters.errors,
        }
