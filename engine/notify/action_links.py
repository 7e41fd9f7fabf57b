"""Links that do one thing for one person: acknowledge one alert, until a given time. Pure, but for the keys.

A link is `PAYLOAD.SIGNATURE`, both base64url; the payload says workspace, user, alert and action, and is no secret:
whoever has the mail knows all of it. It is signed with a key made from those that sign tokens, under a name of its own,
so that no token is ever taken for a link nor the other way round; when those are rotated, links of older keys go on
working as long as tokens do. A link opens nothing else, and only asks: the page that it leads to does nothing before
somebody presses the button (`engine/http/action_pages.py`), because mail programs and scanners open links themselves.

Decided against ids in the store (a row for each mail, for links that nobody follows) and against tokens (which open all
that their role may).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

import msgspec

from actors.ports import Clock
from engine.access.keys import KeyRing
from protocol.changes import Action
from protocol.times import SECOND_US

# The longest ids make 700 characters; what is longer is not looked at.
LINK_MAX_CHARS = 1_500
PATH = "/act/"
_PURPOSE = b"tocsin action link, version 1"


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """What a link asks for, and for whom. Times in Unix seconds."""

    workspace: str
    user: str
    alert_id: str
    action: Action
    issued_at: int
    expires_at: int


class LinkInvalid(Exception):
    """No link of ours."""


class LinkExpired(Exception):
    """It was good once."""


_decode = msgspec.json.Decoder(Asked).decode


class ActionLinks:
    """Makes and reads links. `keys`: those that sign tokens now; `site`: where people reach us (empty: no links)."""

    def __init__(self, keys: Callable[[], KeyRing], clock: Clock, site: str, lifetime_s: float) -> None:
        self._keys = keys
        self._clock = clock
        self._site = site.rstrip("/")
        self._lifetime_s = lifetime_s

    def link(self, workspace: str, user: str, alert_id: str, action: Action) -> str:
        """The address of a link; empty if there can be none: nobody knows where we are, or we have no key to sign."""
        signing = self._keys().signing
        if not self._site or signing is None:
            return ""
        now = self._clock() // SECOND_US
        asked = Asked(workspace, user, alert_id, action, now, now + int(self._lifetime_s))
        payload = msgspec.json.encode(asked)
        return f"{self._site}{PATH}{_text(payload)}.{_text(_signature(signing.material, payload))}"

    def read(self, link: str) -> Asked:
        """What a link asks for. Raises LinkInvalid, LinkExpired."""
        if len(link) > LINK_MAX_CHARS:
            raise LinkInvalid("too long")
        first, _, second = link.partition(".")
        try:
            payload, signature = _bytes(first), _bytes(second)
        except (binascii.Error, ValueError) as fault:
            raise LinkInvalid("not in base64url") from fault
        secrets = [key.material for key in self._keys().keys if key.is_secret]
        # All are compared, each in constant time: which of them it was is nobody's business.
        matches = [hmac.compare_digest(_signature(secret, payload), signature) for secret in secrets]
        if not any(matches):
            raise LinkInvalid("not signed by us")
        try:
            asked = _decode(payload)
        except msgspec.DecodeError as fault:
            raise LinkInvalid("signed by another version") from fault
        if asked.expires_at * SECOND_US <= self._clock():
            raise LinkExpired("it has ended")
        return asked


def _signature(secret: bytes, payload: bytes) -> bytes:
    key = hmac.digest(secret, _PURPOSE, hashlib.sha256)
    return hmac.digest(key, payload, hashlib.sha256)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for a text that is not exactly what `_text` would make: one link has one spelling."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(content) != text:
        raise ValueError("another spelling")
    return content
