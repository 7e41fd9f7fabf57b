"""Mail addresses: which are good enough to be written into a mail, and in what form a mail server takes them. Pure.

One address and nothing else: no list, no comment, no line end. What has a line end could add headers or recipients of
its own; the grammar here is that of real mailboxes, far smaller than RFC 5322's (no quoted local parts, no literals).
"""

from __future__ import annotations

import re
from typing import NamedTuple

# RFC 5321, section 4.5.3.1: 64 before the @, 255 behind it, 254 as a whole.
ADDRESS_MAX_CHARS = 254
LOCAL_MAX_CHARS = 64
# Letters of any script, as RFC 6531 has them; a dot at neither end and never two.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_DOMAIN = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_NAMED = re.compile(r"(?P<name>[^<>\x00-\x1f\x7f]{0,100}?)\s*<(?P<address>[^<>]*)>")


class Mailbox(NamedTuple):
    """An address as mail servers take it, and the name beside it (empty: none)."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.address.rpartition("@")[2]


def address_in(text: str) -> Mailbox | None:
    """`ada@example.com` or `Ada <ada@example.com>`; None if it is neither. A domain of another script is encoded."""
    named = _NAMED.fullmatch(text.strip())
    address, name = (named["address"], named["name"].strip(' "')) if named else (text.strip(), "")
    local, at, domain = address.rpartition("@")
    if not at or len(address) > ADDRESS_MAX_CHARS or len(local) > LOCAL_MAX_CHARS or not _LOCAL.fullmatch(local):
        return None
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        return None
    return Mailbox(f"{local}@{domain}", name) if _DOMAIN.fullmatch(domain) else None
