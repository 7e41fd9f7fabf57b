"""Who may come in: every check between the accept of a socket and its becoming a WebSocket.

Owns: who stands at the door (accepted, not yet inside), and how many sockets each address has. Decides at once when a
socket knocks (too many of its address, too many in all, too little memory) and again when its request has been read
(path, origin, the address behind a proxy, subprotocol). Synchronous; the gateway does the waiting.

Places at the door are bounded by a limit of their own. When all are taken, whoever has stood there longest gives way:
a crowd that connects and says nothing keeps nobody out for longer than it takes to connect once more. Decided against
pausing the accept (the silent ones would hold up everybody for 5 s) and against refusing the newest (they would win).
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from actors.roster import Roster
from actors.upgrade import HandshakeRefused, Upgrade
from protocol.codec import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL
from protocol.limits import Limit

PATHS = frozenset({"/", "/ws"})
# A proxy chain longer than this is no chain of ours; what is beyond is not looked at.
FORWARDED_MAX_CHARS = 1_024
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
        self._proxies = [ipaddress.ip_network(text, strict=False) for text in limits.trusted_proxies]
        # In order of their coming; a refused one stays until it has read why.
        self._waiting: dict[Visit, None] = {}
        self._undecided = 0
        self._of_address: Counter[str] = Counter()
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
            if not self._is_exempt(peer):
                self._count_address(visit)
            self._undecided += 1
        except HandshakeRefused as refusal:
            self._refuse(visit, refusal)
        self._waiting[visit] = None
        return visit

    def admit(self, visit: Visit, upgrade: Upgrade) -> str | None:
        """The request was read: gives the subprotocol, or raises HandshakeRefused. Either way it is decided."""
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
            text = f"{limit} unfinished handshakes, limit {limit}; try again"
            visit.refusal = HandshakeRefused(503, text, Limit.HANDSHAKES)
            self._roster.count_refusal(Limit.HANDSHAKES)
        return visit.refusal

    def _decide(self, visit: Visit, upgrade: Upgrade) -> str | None:
        if upgrade.path not in PATHS:
            raise HandshakeRefused(404, "connect to /ws")
        if upgrade.origin is not None and upgrade.origin not in self._origins:
            raise HandshakeRefused(403, "this origin may not connect; add it to gateway.origins")
        self._check_room()
        if self._is_proxy(visit.peer) and upgrade.forwarded_for is not None:
            visit.address = self._behind(upgrade.forwarded_for) or visit.peer
            if not self._is_exempt(visit.address):
                self._count_address(visit)
        for offered in upgrade.subprotocols:
            if offered in (JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL):
                return offered
        return None

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
            raise HandshakeRefused(503, f"{count} connections, limit {limit}; try again later", Limit.CONNECTIONS)
        if self._roster.overload:
            raise HandshakeRefused(503, f"{self._roster.overload}; try again later", Limit.MEMORY)

    def _count_address(self, visit: Visit) -> None:
        key, limit = address_key(visit.address), self._limits.per_address_max
        if self._of_address[key] >= limit:
            raise HandshakeRefused(
                429,
                f"{self._of_address[key]} connections from this address, limit {limit}; close some first",
                Limit.CONNECTIONS_PER_ADDRESS,
            )
        self._of_address[key] += 1
        visit.counted_as = key

    def _forget_address(self, visit: Visit) -> None:
        key, visit.counted_as = visit.counted_as, ""
        if key:
            self._of_address[key] -= 1
            if not self._of_address[key]:
                del self._of_address[key]

    def _evict(self, visit: Visit) -> None:
        self.leave(visit)
        visit.scope.cancel()

    def _is_exempt(self, address: str) -> bool:
        """This machine's own programs, and proxies: behind one address are many clients. Total limits still hold."""
        return _is_loopback(address) or self._is_proxy(address)

    def _is_proxy(self, address: str) -> bool:
        return bool(self._proxies) and _is_in(address, self._proxies)

    def _behind(self, forwarded_for: str) -> str | None:
        """The nearest address that no proxy of ours vouches for: what is left of it anybody could have written."""
        for text in reversed(forwarded_for[-FORWARDED_MAX_CHARS:].split(",")):
            address = text.strip()
            if _parsed(address) is None:
                return None
            if not self._is_proxy(address):
                return address
        return None


def address_key(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 subscriber has to himself."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_loopback(text: str) -> bool:
    address = _parsed(text)
    return address is not None and address.is_loopback


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    address = _parsed(text)
    return address is not None and any(address in network for network in networks)
