"""Signs webhooks as Standard Webhooks 1.0 says, so that a receiver can tell ours from anybody's.

`webhook-id` is the message's key: the same however often it is tried. `webhook-signature` is `v1,<base64>` of
HMAC-SHA256 over `id.timestamp.body`; while a secret is being rotated there is one for each, with a space between.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256

from engine.notify.endpoint_checks import key_bytes
from protocol.times import SECOND_US


def signed_headers(key: str, body: bytes, secrets: Sequence[str], now: int) -> dict[str, str]:
    """The three headers; without secrets the message is not signed, and says what it is all the same."""
    timestamp = str(now // SECOND_US)
    content = f"{key}.{timestamp}.".encode() + body
    headers = {"webhook-id": key, "webhook-timestamp": timestamp}
    if secrets:
        headers["webhook-signature"] = " ".join(_signature(secret, content) for secret in secrets)
    return headers


def _signature(secret: str, content: bytes) -> str:
    digest = hmac.new(key_bytes(secret), content, sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
