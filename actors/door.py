"""Who may come in: every check between the accept of a socket and its becoming a WebSocket.

Owns: who stands at the door (accepted, not yet inside), and how many sockets each address has. Decides at once when a
socket knocks (too many of its address, too many in all, too little memory) and again when its request has been read
(path, origin, the address behind a proxy, subprotocol). Synchronous; the gateway does the waiting.

Places at the door are bounded by a limit of their own. When all are taken, whoever has stood there longest gives way:
a crowd that connects and says nothing keeps nobody out for longer than it takes to connect once more. Decided against
pausing the accept (the silent ones would hold up everybody for 5 s) and against refusing the newest (they would win).
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
import trio

from actors.addresses import AddressFull, Counts, Proxies
from actors.roster import Roster
from actors.upgrade import HandshakeRefused, Upgrade
from protocol.codec import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL
from protocol.limits import Limit
from protocol.wording import several

log = structlog.get_logger()
# As much of a header as tells an operator what his proxy writes.
HEADER_SHOWN_CHARS = 100
PATHS = frozenset({"/", "/ws"})


@dataclass(frozen=True)
class DoorLimits:
    """Bounds on who comes in."""

    connections_max: int = 20_000
    per_address_max: int = 256
    handshakes_max: int = 4_096
    trusted_proxies: tuple[str, ...] = ()


class Visit:
    """One socket from its accept to its end."""

    __slots__ = ("address", "counted_as", "peer", "refusal", "scope")

    def __init__(self, peer: str) -> None:
        # What the socket says, and whose it is behind a trusted proxy.
        self.peer = self.address = peer
        # Under which key it is counted; empty: it is not.
        self.counted_as = ""
        # Why it may not come in, if that is decided.
        self.refusal: HandshakeRefused | None = None
        # What it waits in at the door; cancelled when it has to give way.
        self.scope = trio.CancelScope()


class Door:
    """The checks before the upgrade."""

    def __init__(self, roster: Roster, origins: frozenset[str], limits: DoorLimits) -> None:
        self._roster = roster
        self._origins = origins
        self._limits = limits
        self._proxies = Proxies(limits.trusted_proxies)
        # In order of their coming; a refused one stays until it has read why.
        self._waiting: dict[Visit, None] = {}
        self._undecided = 0
        self._counts = Counts(limits.per_address_max, self._proxies)
        self._is_closed = False

    def close(self) -> None:
        """From now on everybody is refused: the gateway drains."""
        self._is_closed = True

    def knock(self, peer: str) -> Visit:
        """A socket was accepted. Its `refusal` is set if that is decided already."""
        visit = Visit(peer)
        if len(self._waiting) >= self._limits.handshakes_max:
            self._evict(next(iter(self._waiting)))
        try:
            self._check_room()
            self._count_address(visit)
            self._undecided += 1
        except HandshakeRefused as refusal:
            self._refuse(visit, refusal)
        self._waiting[visit] = None
        return visit

    def admit(self, visit: Visit, upgrade: Upgrade) -> str | None:
        """The request was read: gives the subprotocol, or raises HandshakeRefused. Either way it is decided."""
        if visit not in self._waiting:
            # It had to give way in the very pass in which its request arrived: `leave` has undone what it took up.
            raise self.eviction(visit)
        self._undecided -= 1
        try:
            subprotocol = self._decide(visit, upgrade)
        except HandshakeRefused as refusal:
            self._refuse(visit, refusal)
            raise
        del self._waiting[visit]
        return subprotocol

    def leave(self, visit: Visit) -> None:
        """The socket is gone, or about to be."""
        if visit in self._waiting:
            del self._waiting[visit]
            self._undecided -= visit.refusal is None
        self._forget_address(visit)

    def eviction(self, visit: Visit) -> HandshakeRefused:
        """What somebody is told who had to give way: what he was told already, or that there are too many like him."""
        if visit.refusal is None:
            limit = self._limits.handshakes_max
            text = f"{several(limit, 'unfinished handshake')}, limit {limit}; try again"
            visit.refusal = HandshakeRefused(503, text, Limit.HANDSHAKES)
            self._roster.count_refusal(Limit.HANDSHAKES)
        return visit.refusal

    def _decide(self, visit: Visit, upgrade: Upgrade) -> str | None:
        if upgrade.path not in PATHS:
            raise HandshakeRefused(404, "connect to /ws")
        if upgrade.origin is not None and upgrade.origin not in self._origins:
            raise HandshakeRefused(403, "this origin may not connect; add it to gateway.origins")
        self._check_room()
        visit.address = self._behind(visit.peer, upgrade.forwarded_for)
        if visit.address != visit.peer:
            self._count_address(visit)
        for offered in upgrade.subprotocols:
            if offered in (JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL):
                return offered
        return None

    def _behind(self, peer: str, forwarded_for: str | None) -> str:
        before = self._proxies.unreadable
        address = self._proxies.client(peer, forwarded_for)
        if self._proxies.unreadable > before:
            self._roster.forwarded_unreadable += 1
            if not before:  # said once: it is the proxy's configuration, and every connection has the same trouble
                log.warning(
                    "forwarded_address_unreadable", proxy=peer, header=(forwarded_for or "")[-HEADER_SHOWN_CHARS:]
                )
        return address

    def _refuse(self, visit: Visit, refusal: HandshakeRefused) -> None:
        visit.refusal = refusal
        self._forget_address(visit)
        self._roster.count_refusal(refusal.limit)

    def _check_room(self) -> None:
        """Raises HandshakeRefused if nobody may come in now."""
        count, limit = self._roster.count + self._undecided, self._limits.connections_max
        if self._is_closed:
            raise HandshakeRefused(503, "shutting down; try again in a moment")
        if count >= limit:
            raise HandshakeRefused(
                503, f"{several(count, 'connection')}, limit {limit}; try again later", Limit.CONNECTIONS
            )
        if self._roster.overload:
            raise HandshakeRefused(503, f"{self._roster.overload}; try again later", Limit.MEMORY)

    def _count_address(self, visit: Visit) -> None:
        try:
            visit.counted_as = self._counts.enter(visit.address)
        except AddressFull as full:
            raise HandshakeRefused(429, str(full), Limit.CONNECTIONS_PER_ADDRESS) from None

    def _forget_address(self, visit: Visit) -> None:
        key, visit.counted_as = visit.counted_as, ""
        self._counts.leave(key)

    def _evict(self, visit: Visit) -> None:
        self.leave(visit)
        visit.scope.cancel()
