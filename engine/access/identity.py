"""Who may come in, and who may stay: tokens, tickets, and what has been revoked. The one gate of all doors.

Owns nothing that a restart of the store must not lose: it is made above the store, and what the store knows of
revocations is read into it before a door opens. Everything here is synchronous: between a revocation and the look at a
token nothing can come, so who is let in after a revocation is not who it meant. Whoever is refused, for whatever
reason, gets one generic sentence; operators get a count by reason.
"""

from __future__ import annotations

import msgspec
import trio

from actors.ports import Clock
from engine.access.auth import Authenticator
from engine.access.claims import Refused, RefusedFor
from engine.access.revocation import Revocations
from engine.access.tickets import Tickets
from engine.ids import now_us
from engine.sections.identity import Identity as Limits
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.times import SECOND_US, rfc3339

# Whoever opens the page with a link has it for a working day's part, and asks for another link then; what the link's
# maker had may be good for much longer.
EXCHANGED_S = 3_600


class IssuedTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket: good once, until then, instead of a token."""

    ticket: str
    expires_at: str


class IssuedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that a ticket was exchanged for, and when it ends."""

    token: str
    expires_at: str


class Identity:
    """Says who somebody is, if he may come in. `clock`: microseconds."""

    def __init__(self, authenticator: Authenticator, clock: Clock = now_us, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self.authenticator = authenticator
        self.revocations = Revocations(limits.revocations_per_workspace_max, limits.revocations_max)
        self.tickets = Tickets(limits.ticket_s, limits.tickets_per_user_max, limits.tickets_max)
        self._clock = clock

    def authenticate(self, token: str) -> Principal:
        """Who the bearer of a token is. Raises TokenExpired for one that was good once, Unauthorized for others."""
        try:
            who = self.authenticator.read(token)
            if self.revocations.covers(who):
                raise Refused(RefusedFor.REVOKED)
        except Refused as fault:
            raise self.authenticator.refusal(fault.reason) from fault
        return who

    def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a ticket is; it is used up. Raises Unauthorized."""
        try:
            return self.admit(self.tickets.redeem(ticket, trio.current_time()))
        except Refused as fault:
            raise self.authenticator.refusal(fault.reason) from fault

    def admit(self, who: Principal) -> Principal:
        """Whose ticket was good a moment ago, here or on another node, if he still may come in. Raises Unauthorized."""
        if self.is_over(who) or who.expires_at * SECOND_US <= self._clock():
            raise self.authenticator.refusal(RefusedFor.TICKET)
        return who

    def issue_ticket(self, who: Principal) -> IssuedTicket:
        """A ticket that stands for the token that `who` came with. Raises LimitReached."""
        ends_at = self._clock() + int(self.tickets.lifetime_s * SECOND_US)
        return IssuedTicket(
            ticket=self.tickets.issue(who, trio.current_time()),
            expires_at=rfc3339(min(ends_at, who.expires_at * SECOND_US)),
        )

    def token_for(self, who: Principal) -> IssuedToken:
        """A short-lived token of the bearer of a ticket: what he came with, no longer, and revoked together with it.

        Raises Unauthorized if that was revoked meanwhile, BadRequest if no token of ours would be let in.
        """
        who, now = self.admit(who), self._clock() // SECOND_US
        ends_at = min(now + EXCHANGED_S, who.expires_at)
        token = self.authenticator.issue(
            who.workspace, who.user, who.role, ends_at - now, who.channels, who.token_id or None
        )
        try:
            self.authenticator.read(token)
        except Refused as fault:
            raise BadRequest(
                "tickets are exchanged for tokens of this engine's own, and it takes only those of another issuer "
                "(identity.issuer, identity.audience): sign in with one of those"
            ) from fault
        return IssuedToken(token=token, expires_at=rfc3339(ends_at * SECOND_US))

    def is_over(self, who: Principal) -> bool:
        """Whether somebody who was let in would not be let in with the same token now, though it has not expired."""
        is_key_gone = bool(who.key) and who.key not in self.authenticator.keys.ids
        return is_key_gone or self.revocations.covers(who)
