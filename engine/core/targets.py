"""Where a request goes: an address of the web, taken apart strictly. Pure; `engine.core.addresses` judges what it
resolves to.

Refused is whatever two readers could read differently: users before the host, numbers that are no four decimal ones
(`127.1`, `0x7f.1`, `2130706433`), digits and dots of other scripts, backslashes, spaces, control characters. A name in
another script is written in its ASCII form (`xn--…`). Ports where something other than the web answers are refused, so
that nobody speaks to a mail server through us.

Decided against `urllib.parse`: it is lenient on purpose, and what it lets pass is exactly what is to be refused.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import msgspec

# As long as browsers and proxies agree on.
URL_MAX_CHARS = 2_048
NAME_MAX_CHARS = 253
PORTS = {"http": 80, "https": 443}
# Below it only the web's own are taken; these above it belong to databases, caches and machines' administration.
FIRST_FREE_PORT = 1_024
TAKEN_PORTS = frozenset(
    {
        *(1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4369, 5432, 5433, 5672, 5900, 5984, 6000, 6379, 6380),
        *(6443, 6666, 6667, 6668, 6669, 7000, 7001, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 26379, 27017, 27018),
    }
)

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>/[!-~]*|\?[!-~]*)?", re.ASCII)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)


class TargetInvalid(ValueError):
    """This is no address that we send to; the text says why and what to write, and never quotes what may be secret."""


class Target(msgspec.Struct, frozen=True):
    """Where to connect, and what to ask for there. `host` is a name or an address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As it stands in a URL and in `Host`: the port only if it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def masked(self) -> str:
        """As it may be shown: a path and a query often are the secret."""
        return f"{self.scheme}://{self.authority}" + ("/…" if self.path != "/" else "/")


def parse_target(url: str) -> Target:
    """Takes an address apart. Raises TargetInvalid."""
    if len(url) > URL_MAX_CHARS:
        raise TargetInvalid(f"it has {len(url)} characters, at most {URL_MAX_CHARS} are taken")
    if (found := _URL.fullmatch(url)) is None:
        raise TargetInvalid(
            "write it as https://host/path, in ASCII, without spaces, control characters and a fragment"
        )
    scheme = found["scheme"].lower()
    if scheme not in PORTS:
        raise TargetInvalid(f"{scheme}: is not sent to; use https: or http:")
    if "\\" in url or "#" in url:
        raise TargetInvalid("backslashes and fragments mean different things to different readers; leave them out")
    host, port = _host_and_port(found["authority"], scheme)
    path = found["path"] or "/"
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}")


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise TargetInvalid("a user before the host is not sent; take it out, and use a secret instead")
    if (found := _AUTHORITY.fullmatch(authority)) is None:
        raise TargetInvalid(
            "the host is a name in ASCII (xn--… for other scripts), an IPv4 or a bracketed IPv6 address"
        )
    port = int(found["port"] or PORTS[scheme])
    if port not in PORTS.values() and (port < FIRST_FREE_PORT or port > 65_535 or port in TAKEN_PORTS):
        raise TargetInvalid(
            f"nothing is sent to port {port}: use 80, 443, or one above 1023 that no other protocol has"
        )
    return _host(found["host"]), port


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except AddressValueError:
            raise TargetInvalid("what stands in the brackets is no IPv6 address") from None
    name = text.lower().removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise TargetInvalid("a numeric host is written as four decimal numbers, such as 192.0.2.1") from None
    if len(name) > NAME_MAX_CHARS or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise TargetInvalid("the host is no name: labels of 1-63 letters, digits and - with dots between them")
    return name
