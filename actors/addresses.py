"""Whose address a peer has: what counts as one address, how many connections it has, who is behind a trusted proxy.

Pure but for counts. The doors of both ports count connections by it, HTTP writes it into the audit trail.
`X-Forwarded-For` is believed only from a proxy that the configuration names, and only as far as such proxies vouch for
it: read from the right, because what is on the left anybody can write.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence

from actors.tally import one_less
from protocol.wording import several

# A proxy chain longer than this is no chain of ours; what is beyond is not looked at. Nothing that operators differ in.
FORWARDED_MAX_CHARS = 1_024
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The addresses and networks (10.0.0.0/8) whose word is taken. Raises ValueError for what is neither."""

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in networks]
        # How often a trusted proxy wrote something that is no address: whoever stands behind it was not counted.
        self.unreadable = 0

    def include(self, address: str) -> bool:
        """Whether this is one of them."""
        parsed = parse(address) if self._networks else None
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Whose connection it is: the peer's own, or that of the nearest address that no proxy of ours vouches for."""
        if forwarded_for is None or not self.include(peer):
            return peer
        for text in reversed(forwarded_for[-FORWARDED_MAX_CHARS:].split(",")):
            address = _host_of(text)
            if parse(address) is None:
                self.unreadable += 1
                return peer
            if not self.include(address):
                return address
        return peer


class AddressFull(Exception):
    """So many connections are from this address already; the text says how many, the limit, and what to do."""


class Counts:
    """How many connections of one port each address has.

    This machine's own programs and trusted proxies are not counted: behind one such address are many clients. The
    limits of the whole still hold for them.
    """

    def __init__(self, per_address_max: int, proxies: Proxies) -> None:
        self._per_address_max = per_address_max
        self._proxies = proxies
        self._counts: Counter[str] = Counter()

    def enter(self, address: str) -> str:
        """Counts one more; gives the key to `leave` with, empty if it is not counted. Raises AddressFull."""
        if is_loopback(address) or self._proxies.include(address):
            return ""
        key, limit = address_key(address), self._per_address_max
        if self._counts[key] >= limit:
            raise AddressFull(
                f"{several(self._counts[key], 'connection')} from this address, limit {limit}; close some first"
            )
        self._counts[key] += 1
        return key

    def leave(self, key: str) -> None:
        """One less."""
        if key:
            one_less(self._counts, key)


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


def _host_of(text: str) -> str:
    """The address of one hop as proxies write it: bare, quoted, with a port, an IPv6 one then in brackets."""
    text = text.strip().strip('"')
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        return text
    return host if port.removeprefix(":").isdecimal() or not port else text


def parse(text: str) -> Address | None:
    """The address, an IPv4 one also when it is written as IPv6; None for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
