"""Links that nobody but this engine could have written: `PAYLOAD.SIGNATURE`, both base64url. Pure, but for the keys.

The payload is no secret: whoever has the mail knows all of it. It is signed with a key made from those that sign
tokens, under the name of its purpose, so that no token is ever taken for a link, nor a link of one purpose for one of
another; when those are rotated, links of older keys go on working as long as tokens do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from engine.access.keys import KeyRing

# The longest ids make 700 characters; what is longer is not looked at.
LINK_MAX_CHARS = 1_500


class LinkInvalid(Exception):
    """No link of ours."""


class LinkSigner:
    """Signs and verifies. `keys`: those that sign tokens now; `purpose`: what its links are for."""

    def __init__(self, keys: Callable[[], KeyRing], purpose: bytes) -> None:
        self._keys = keys
        self._purpose = purpose

    def signed(self, payload: bytes) -> str:
        """The text of a link; empty if we have no key to sign."""
        signing = self._keys().signing
        if signing is None:
            return ""
        return f"{_text(payload)}.{_text(self._signature(signing.material, payload))}"

    def payload(self, link: str) -> bytes:
        """What was signed. Raises LinkInvalid."""
        if len(link) > LINK_MAX_CHARS:
            raise LinkInvalid("too long")
        first, _, second = link.partition(".")
        try:
            payload, signature = _bytes(first), _bytes(second)
        except (binascii.Error, ValueError) as fault:
            raise LinkInvalid("not in base64url") from fault
        secrets = [key.material for key in self._keys().keys if key.is_secret]
        # All are compared, each in constant time: which of them it was is nobody's business.
        matches = [hmac.compare_digest(self._signature(secret, payload), signature) for secret in secrets]
        if not any(matches):
            raise LinkInvalid("not signed by us")
        return payload

    def _signature(self, secret: bytes, payload: bytes) -> bytes:
        key = hmac.digest(secret, self._purpose, hashlib.sha256)
        return hmac.digest(key, payload, hashlib.sha256)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Raises ValueError for a text that is not exactly what `_text` would make: one link has one spelling."""
    content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(content) != text:
        raise ValueError("another spelling")
    return content
