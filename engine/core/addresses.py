"""Which addresses the engine may connect to on behalf of those who configure notifications: the public ones.

Whoever may write down an endpoint could otherwise make the engine ask what only the engine can reach: a database, a
router, a cloud's metadata. So an address is judged after every notation was undone: of IPv4 in IPv6 (mapped, NAT64)
the IPv4 inside. Of IPv6 only what is given out to the world (2000::/3) is public, and not its tunnels and examples.
The operator may list networks that are allowed all the same.

Decided against `ipaddress.is_global`: Python 3.11 calls 6to4, NAT64, multicast and `::127.0.0.1` global. The tables are
IANA's registries of special-purpose addresses (RFC 6890 and its successors).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # "this" host: Linux connects to loopback
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; some clouds' metadata
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # examples, as are 198.51.100 and 203.0.113
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # the IETF's own: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # examples, as is 3fff
        "2002::/16",  # 6to4: an IPv4 address that anybody chooses
        "3fff::/20",
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")


class Networks:
    """What may be connected to: the public addresses, and those of the networks that the operator allows."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Raises ValueError for what is no network."""
        self._allowed: Sequence[Network] = tuple(ip_network(text, strict=False) for text in allowed)

    def allow(self, text: str) -> bool:
        """Whether this address, as a resolver writes it, may be connected to. What is no address may not."""
        try:
            address = plain(ip_address(text))
        except ValueError:
            return False
        return is_public(address) or any(address in network for network in self._allowed)


def plain(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def is_public(address: IPAddress) -> bool:
    """Whether a plain address is one that anybody on the internet can reach."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    # A zone (`fe80::1%eth0`) is for what is not public, whatever it is written behind.
    if address.scope_id is not None or address not in _PUBLIC_6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)
