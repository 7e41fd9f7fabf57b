"""The HTTP request with which a WebSocket begins: what we look at in it, and how it is refused.

Values and bytes only; who reads and writes them is `actors/websocket.py`, who decides `actors/door.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wsproto import events

from protocol.limits import Limit

# A refused client is told to come back no sooner; ours wait a random time of their own besides.
RETRY_AFTER_S = 1
_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    426: "Upgrade Required",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Upgrade:
    """A request to become a WebSocket: path, Origin and X-Forwarded-For if any, offered subprotocols."""

    path: str
    origin: str | None
    subprotocols: tuple[str, ...]
    forwarded_for: str | None = None


class HandshakeRefused(Exception):
    """The peer did not become a WebSocket; `status` is the HTTP status that it was given (0: none, TLS failed).

    `limit`: the limit that was reached, if that is the reason.
    """

    def __init__(self, status: int, reason: str, limit: Limit | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.limit = limit


# Gives the subprotocol to accept (None: none), or raises HandshakeRefused.
Accept = Callable[[Upgrade], str | None]


def refusal_bytes(refusal: HandshakeRefused) -> bytes:
    """The refusal in HTTP, made by hand: after hostile bytes the parser is in no state to send anything."""
    status, body = refusal.status, f"{refusal.reason}\n".encode()
    head = f"HTTP/1.1 {status} {_PHRASES.get(status, 'Refused')}\r\nConnection: close\r\n"
    more = "Sec-WebSocket-Version: 13\r\n" if status == 426 else ""
    more += f"Retry-After: {RETRY_AFTER_S}\r\n" if status in (429, 503) else ""
    fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + more + fields).encode() + body


def upgrade_of(request: events.Request) -> Upgrade:
    """What a parsed request asks for."""
    # Of several Origin headers all count, joined as HTTP joins them: such a list is on no list of ours.
    path = request.target.partition("?")[0]
    return Upgrade(path, _header(request, b"origin"), tuple(request.subprotocols), _header(request, b"x-forwarded-for"))


def _header(request: events.Request, wanted: bytes) -> str | None:
    values = [value.decode("latin-1") for name, value in request.extra_headers if name.lower() == wanted]
    return ", ".join(values) if values else None
