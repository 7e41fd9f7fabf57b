"""Whose address a peer has: what counts as one address, and who stands behind a trusted proxy.

Pure. The door counts connections by it, HTTP writes it into the audit trail. `X-Forwarded-For` is believed only from a
proxy that the configuration names, and only as far as such proxies vouch for it: read from the right, because what is
on the left anybody can write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

# A proxy chain longer than this is no chain of ours; what is beyond is not looked at. Nothing that operators differ in.
FORWARDED_MAX_CHARS = 1_024
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The addresses and networks (10.0.0.0/8) whose word is taken. Raises ValueError for what is neither."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in networks]

    def include(self, address: str) -> bool:
        """Whether this is one of them."""
        parsed = parse(address) if self._networks else None
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Whose connection it is: the peer's own, or that of the nearest address that no proxy of ours vouches for."""
        if forwarded_for is None or not self.include(peer):
            return peer
        for text in reversed(forwarded_for[-FORWARDED_MAX_CHARS:].split(",")):
            address = text.strip()
            if parse(address) is None:
                return peer
            if not self.include(address):
                return address
        return peer


def address_key(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 subscriber has to himself."""
    parsed = parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address if parsed is None else str(parsed)


def is_loopback(address: str) -> bool:
    """Whether it is this machine's own."""
    parsed = parse(address)
    return parsed is not None and parsed.is_loopback


def parse(text: str) -> Address | None:
    """The address, an IPv4 one also when it is written as IPv6; None for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
