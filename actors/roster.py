"""Who is connected, and what all connections together have seen.

Owns: the connections that exist now, the drain that writes for all of them, and the counters that a restart of the
gateway must not set back (so it is made above the gateway and handed to it). The gateway enters and strikes off
connections, conversations report to `counters`, operators and revocations end whom they mean. Nothing here waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from actors.drain import Drain
from actors.frames import IDLE_LANE, lane_of
from actors.lanes import SHED
from actors.peer import Peer
from actors.ports import Observer
from actors.tally import one_less
from actors.websocket import PING
from protocol.errors import CloseCode, ConversationEnded
from protocol.limits import Limit
from protocol.model import Principal
from protocol.wording import several

# `Roster.end_where`, for those who are handed only that.
EndWhere = Callable[[Callable[[Principal], bool], CloseCode, str], int]


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
        one_less(self._streams, stream)

    @property
    def streams(self) -> int:
        """How many streams are followed."""
        return len(self._streams)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions there are."""
        return self._streams.total()


@dataclass(frozen=True)
class RosterLimits:
    """Bounds on whose connections there are. Three and four fifths of all: none of them takes every place."""

    per_user_max: int = 12_000
    per_workspace_max: int = 16_000
    # In how many turns all are pinged. In one, the pongs of ten thousand peers came at once and held the loop 300 ms.
    ping_turns: int = 1


class Roster:
    """All connections that exist."""

    def __init__(self, observer: Observer, limits: RosterLimits | None = None) -> None:
        self._observer = observer
        self._limits = limits or RosterLimits()
        self.drain = Drain(observer)
        # Why nobody new may come in (too little memory); empty: they may.
        self.overload = ""
        self._of_user: Counter[tuple[str, str]] = Counter()
        self._of_workspace: Counter[str] = Counter()
        self.counters = SessionCounters()
        self.accepted = 0
        self.refused = 0
        self.tls_failed = 0
        self.forwarded_unreadable = 0
        self.errors = 0
        self.slow = 0
        self._connections: dict[str, Peer] = {}
        # The same ones by whose turn it is to be pinged.
        self._turns: list[dict[Peer, None]] = [{} for _ in range(self._limits.ping_turns)]
        self._entered = 0
        self._turn = 0

    @property
    def count(self) -> int:
        """How many connections there are. (No `__len__`: an empty roster would be false.)"""
        return len(self._connections)

    def enter(self, connection: Peer) -> None:
        """Somebody listens: a peer has become a WebSocket, or a stream was opened."""
        self._connections[connection.client_id] = connection
        connection.ping_turn = self._entered % len(self._turns)
        self._turns[connection.ping_turn][connection] = None
        self._entered += 1

    def strike(self, connection: Peer) -> None:
        """A connection is over."""
        del self._connections[connection.client_id]
        del self._turns[connection.ping_turn][connection]
        if connection.ending is not None:
            self._observer.ended(connection.ending.code)
        if connection.principal is not None:
            who = connection.principal
            one_less(self._of_user, (who.workspace, who.user))
            one_less(self._of_workspace, who.workspace)

    def claim(self, connection: Peer, who: Principal) -> None:
        """A connection is somebody's now, or has a fresh token. Raises ConversationEnded at a limit."""
        if connection.principal is None:
            self._check_room(who)
            self._of_user[who.workspace, who.user] += 1
            self._of_workspace[who.workspace] += 1
        connection.principal = who

    def count_refusal(self, limit: Limit | None) -> None:
        """Somebody was refused; counted, if it was at a limit."""
        if limit is not None:
            self._observer.refused(limit)

    def connections(self) -> list[Peer]:
        """All connections that exist now."""
        return list(self._connections.values())

    def find(self, client_id: str) -> Peer | None:
        """The connection of this id, if there is one."""
        return self._connections.get(client_id)

    def end_where(self, is_meant: Callable[[Principal], bool], code: CloseCode, reason: str) -> int:
        """Ends the authenticated connections of these principals; how many there were. Never waits."""
        meant = [
            each
            for each in self._connections.values()
            if each.principal is not None and each.ending is None and is_meant(each.principal)
        ]
        for connection in meant:
            connection.end(code, reason)
        return len(meant)

    def too_slow(self, connection: Peer, max_bytes: int) -> None:
        """It has left too much unread: ended and counted, unless it is ending already."""
        if connection.ending is None:
            self.slow += 1
            text = f"{connection.outbox.waiting_bytes} bytes unread and no room for the next, limit {max_bytes}"
            connection.end(CloseCode.SLOW, text, Limit.OUTBOX_BYTES)

    def overloaded(self, why: str) -> None:
        """Says why nobody new may come in (empty: they may again); who has not said who he is has to go."""
        self.overload = why
        if why:
            for connection in self.connections():
                if connection.principal is None:
                    connection.end(CloseCode.TRY_LATER, why, Limit.MEMORY)

    def ping_next(self) -> None:
        """Pushes the one shared ping frame to those whose turn it is; after `ping_turns` calls everybody had it."""
        self._turn = (self._turn + 1) % len(self._turns)
        for connection in self._turns[self._turn]:
            connection.outbox.push_all(PING)

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
            "forwarded_unreadable": self.forwarded_unreadable,
            "messages_sent": self.drain.frames,
            "messages_received": self.counters.messages_received,
            "outbox_bytes": sum(outbox.waiting_bytes for outbox in outboxes),
            "outbox_lag_s": max((outbox.lag_s for outbox in outboxes), default=0.0),
            **{f"messages_dropped_{each.value}": self.drain.dropped[lane_of(each)] for each in SHED},
            "hints_dropped": self.drain.dropped[IDLE_LANE],
            "slow_disconnects": self.slow,
            "errors": self.errors + self.counters.errors + self.drain.failures,
        }

    def _check_room(self, who: Principal) -> None:
        if self.overload:
            raise ConversationEnded(CloseCode.TRY_LATER, self.overload, Limit.MEMORY)
        of_user, of_workspace = self._of_user[who.workspace, who.user], self._of_workspace[who.workspace]
        if of_user >= self._limits.per_user_max:
            text = f"{several(of_user, 'connection')} of this user, limit {self._limits.per_user_max}"
            raise ConversationEnded(CloseCode.CONNECTION_LIMIT, text, Limit.CONNECTIONS_PER_USER)
        if of_workspace >= self._limits.per_workspace_max:
            text = f"{several(of_workspace, 'connection')} of this workspace, limit {self._limits.per_workspace_max}"
            raise ConversationEnded(CloseCode.CONNECTION_LIMIT, text, Limit.CONNECTIONS_PER_WORKSPACE)
