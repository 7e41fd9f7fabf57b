"""One-use tickets: for browsers that cannot send a header, and for links.

Owns: the tickets that nobody has used yet, in memory; after a restart a page asks for another one. A ticket stands for
the token that it was made with, no longer than that lives, and is good once and for half a minute: in a URL it ends up
in logs and histories, and is worthless there. Kept as hashes, so that looking one up takes the same time whatever a
guesser guessed, and a memory dump shows none. Pure: the time is passed in (monotonic seconds).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from typing import NamedTuple

from actors.tally import one_less
from engine.access.claims import Refused, RefusedFor
from protocol.errors import LimitReached
from protocol.limits import Limit
from protocol.model import Principal
from protocol.wording import several

# 256 bits: nobody guesses one in half a minute, nor in the age of the universe.
_TICKET_BYTES = 32


class _Waiting(NamedTuple):
    who: Principal
    ends_at: float


class Tickets:
    """Tickets that wait to be used."""

    def __init__(self, lifetime_s: float = 30.0, per_user_max: int = 32, in_all_max: int = 10_000) -> None:
        self.lifetime_s = lifetime_s
        self._per_user_max = per_user_max
        self._in_all_max = in_all_max
        # Stands before each ticket, with a dot: with several nodes another one must know whom to ask.
        self.prefix = ""
        # In order of their ends, because all live equally long.
        self._waiting: dict[bytes, _Waiting] = {}
        self._per_user: Counter[tuple[str, str]] = Counter()

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def issue(self, who: Principal, now: float) -> str:
        """A ticket for the bearer of a token. Raises LimitReached."""
        self._forget_ended(now)
        own = self._per_user[who.workspace, who.user]
        if own >= self._per_user_max:
            raise LimitReached(
                f"{several(own, 'unused ticket')}, limit {self._per_user_max} for a user "
                f"(identity.tickets_per_user_max): use them, or wait {self.lifetime_s:g} s",
                Limit.TICKETS_PER_USER,
                self._next_end_s(now),
            )
        if len(self._waiting) >= self._in_all_max:
            # Without the count, which would tell about other workspaces.
            raise LimitReached(
                f"too many unused tickets, limit {self._in_all_max} (identity.tickets_max): wait a moment",
                Limit.TICKETS,
                self._next_end_s(now),
            )
        ticket = self.prefix + secrets.token_urlsafe(_TICKET_BYTES)
        self._waiting[_digest(ticket)] = _Waiting(who, now + self.lifetime_s)
        self._per_user[who.workspace, who.user] += 1
        return ticket

    def redeem(self, ticket: str, now: float) -> Principal:
        """Whose ticket this is; it is used up. Raises Refused."""
        waiting = self._take(_digest(ticket))
        if waiting is None or waiting.ends_at <= now:
            raise Refused(RefusedFor.TICKET)
        return waiting.who

    def _next_end_s(self, now: float) -> float:
        """When the oldest of all ends: often enough the moment to try again, and found without a search."""
        return next(iter(self._waiting.values())).ends_at - now

    def _forget_ended(self, now: float) -> None:
        while self._waiting:
            first = next(iter(self._waiting))
            if self._waiting[first].ends_at > now:
                return
            self._take(first)

    def _take(self, digest: bytes) -> _Waiting | None:
        waiting = self._waiting.pop(digest, None)
        if waiting is not None:
            one_less(self._per_user, (waiting.who.workspace, waiting.who.user))
        return waiting


def _digest(ticket: str) -> bytes:
    # `surrogatepass`: whatever text a stranger sends has a hash, and that is nobody's.
    return hashlib.sha256(ticket.encode(errors="surrogatepass")).digest()
