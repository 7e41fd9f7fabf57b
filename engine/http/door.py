"""Who may stay on the HTTP port: so many connections in all, and so many of each address.

Owns: the guests, which are the open connections, and what each is doing: new (has not completed a request head), idle
(was answered, and has not asked again), or busy. At the limit somebody gives way to the one who comes: the new one that
has been silent for longest, else the one that has been idle for longest, and only if all are busy the one who comes is
refused. So a crowd that connects and says nothing, or one word, keeps nobody out: a health check is answered, and a
producer whose idle connection was taken connects again. Synchronous; `engine/http/server.py` does the waiting.

Decided against refusing the newest (one silent address shut the port, health checks included).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
import structlog

from actors.addresses import AddressFull, Counts, Proxies
from engine.http.problems import PROBLEM_JSON, RETRY_AFTER_S, Problem
from engine.http.requests import BODY_MAX_S
from protocol.errors import Busy, TocsinError, TooManyRequests
from protocol.limits import Limit

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HttpLimits:
    """What operators may set of the server's bounds.

    They are `api.connections_max`, `api.body_s`, `gateway.connections_per_address_max`, `gateway.trusted_proxies`.
    """

    connections_max: int = 1_000
    body_s: float = BODY_MAX_S
    per_address_max: int = 256
    trusted_proxies: tuple[str, ...] = ()


class HttpRefused(Exception):
    """This connection may not stay; `answer` is what it is told."""

    def __init__(self, kind: type[TocsinError], detail: str, limit: Limit) -> None:
        super().__init__(detail)
        self.answer = _answer(kind, f"{detail} ({limit.value})")


class Guest:
    """One connection, from its accept to its end. `give_way` ends it at once, saying this if it can be said."""

    __slots__ = ("counted_as", "give_way")

    def __init__(self, counted_as: str, give_way: Callable[[bytes], None]) -> None:
        self.counted_as = counted_as
        self.give_way = give_way


class HttpDoor:
    """The guests of one HTTP server."""

    def __init__(self, limits: HttpLimits, count_refusal: Callable[[Limit], None]) -> None:
        self._connections_max = limits.connections_max
        self._counts = Counts(limits.per_address_max, Proxies(limits.trusted_proxies))
        self._count_refusal = count_refusal
        # Each in the order of their coming to it.
        self._new: dict[Guest, None] = {}
        self._idle: dict[Guest, None] = {}
        self._busy: dict[Guest, None] = {}
        self.refused = 0

    def enter(self, address: str, give_way: Callable[[bytes], None]) -> Guest:
        """Somebody has come. Raises HttpRefused if there is no place for him, and nobody gives way."""
        try:
            counted_as = self._counts.enter(address)
        except AddressFull as full:
            raise self._refusal(TooManyRequests, str(full), Limit.CONNECTIONS_PER_ADDRESS) from None
        guest = Guest(counted_as, give_way)
        try:
            self._make_room()
        except HttpRefused:
            self._counts.leave(counted_as)
            raise
        self._new[guest] = None
        return guest

    def leave(self, guest: Guest) -> None:
        """The connection is gone, or about to be."""
        for group in (self._new, self._idle, self._busy):
            if guest in group:
                del group[guest]
                self._counts.leave(guest.counted_as)

    def asks(self, guest: Guest) -> None:
        """A request head was completed."""
        self._move(guest, self._busy)

    def rests(self, guest: Guest) -> None:
        """Its request was answered."""
        self._move(guest, self._idle)

    def _move(self, guest: Guest, to: dict[Guest, None]) -> None:
        for group in (self._new, self._idle, self._busy):
            if guest in group:  # else it had to give way a moment ago
                del group[guest]
                to[guest] = None
                return

    def _make_room(self) -> None:
        count = len(self._new) + len(self._idle) + len(self._busy)
        if count < self._connections_max:
            return
        group = self._new or self._idle
        if not group:
            raise self._full(count)
        guest, was_answered = next(iter(group)), group is self._idle
        answer = self._full(count).answer
        self.leave(guest)
        # Who was answered before hears nothing: his client would take it for the answer to what it asks next.
        guest.give_way(b"" if was_answered else answer)

    def _full(self, count: int) -> HttpRefused:
        text = f"{count} HTTP connections, limit {self._connections_max}; try again in a moment"
        logger.warning("http_connections_at_limit", limit=self._connections_max)
        return self._refusal(Busy, text, Limit.HTTP_CONNECTIONS)

    def _refusal(self, kind: type[TocsinError], detail: str, limit: Limit) -> HttpRefused:
        self.refused += 1
        self._count_refusal(limit)
        return HttpRefused(kind, detail, limit)


def _answer(kind: type[TocsinError], detail: str) -> bytes:
    """Made by hand: the application never sees this connection. Who meets it knows that the loop turns."""
    status = HTTPStatus(kind.http_status)
    body = msgspec.json.encode(
        Problem(title=status.phrase, status=status, detail=detail, code=kind.code, temporary=kind.temporary)
    )
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nRetry-After: {RETRY_AFTER_S}\r\nContent-Type: {PROBLEM_JSON}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
