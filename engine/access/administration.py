"""What administrators of a workspace do about who may come in: revoke tokens, see what is revoked, take it back.

Stored before it counts, and counts before it is answered: when the answer comes the token is refused at every door and
whoever was connected with it has been cut. A revocation whose storing takes too long counts here in any case, because
it may yet be stored, and on other nodes as soon as it is; it is safe to send the same again. The workspace is the
administrator's own, so nobody learns of others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import structlog
import trio

from actors.ports import Clock
from actors.roster import EndWhere
from engine.access.audit import AuditTrail
from engine.access.claims import TOKEN_ID_MAX_CHARS, is_token_id
from engine.access.identity import Identity
from engine.access.revocation import KEPT_US, RevocationPage
from engine.access.roles import check_administrator
from engine.input.commands import check_text
from engine.others import Others
from engine.stores import Store
from engine.stores.connections import Revocation, RevocationKind
from protocol.errors import BadRequest, Busy, CloseCode, LimitReached, UnknownChannel
from protocol.limits import Limit
from protocol.model import Principal
from protocol.names import check_id

REVOKED = "this token is not valid any more"
log = structlog.get_logger()


class Revoked(NamedTuple):
    """A revocation that counts, and how many connections it has ended."""

    revocation: Revocation
    disconnected: int


class Administration:
    """The administrators' verbs. `end_where` ends the connections of those it is asked about."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        end_where: EndWhere,
        trail: AuditTrail,
        clock: Clock,
        answer_s: float,
        others: Others,
        count_refusal: Callable[[Limit | None], None] = lambda limit: None,
    ) -> None:
        self._store = store
        self._identity = identity
        self._end_where = end_where
        self._trail = trail
        self._clock = clock
        self._answer_s = answer_s
        self._count_refusal = count_refusal
        # They have the same gate.
        self._others = others
        # Two changes of one revocation come to the store in the order in which they were asked for.
        self._one_at_a_time = trio.Lock()

    async def revoke(
        self, who: Principal, kind: RevocationKind, target: str, reason: str | None, address: str = ""
    ) -> Revoked:
        """Ends a token, or all tokens that a user has until now. Raises StoreUnavailable: then nothing was done."""
        check_administrator(who)
        check_target(kind, target)
        check_text(reason or "", "reason")
        revocations = self._identity.revocations
        try:
            revocations.check_room(who.workspace, kind, target, self._clock())
        except LimitReached as fault:
            self._count_refusal(fault.limit)
            raise
        await self._trail.record(who, f"revoke_{kind.value}", target, address)
        # Only now: what was issued while the act was put on record is meant as well.
        now = self._clock()
        row = Revocation(
            workspace=who.workspace, kind=kind, target=target, at=now, ends_at=now + KEPT_US, by=who.user, reason=reason
        )
        is_stored = False

        def stored() -> None:
            # Sooner or later: also when the answer was given already, or whoever asked has gone away.
            nonlocal is_stored
            is_stored = True
            newer = revocations.find(row.workspace, kind, target)
            if newer is None or newer.at <= row.at:
                revocations.add(row)
            self._others.revocations_changed()

        # Shielded: a client that goes away meanwhile must not leave it stored and its connections alive.
        with trio.move_on_after(self._answer_s, shield=True):
            async with self._one_at_a_time:
                await self._store.revoke(row, stored)
        if not is_stored:
            revocations.add(row, is_stored=False)
        ended = self._end_where(revocations.covers, CloseCode.INVALID_TOKEN, REVOKED)
        log.info("revoked", workspace=who.workspace, kind=kind.value, by=who.user, disconnected=ended)
        if not is_stored:
            raise Busy(
                f"in force at this node, but not stored within {self._answer_s:g} s: send it again, "
                "or a restart may forget it"
            )
        await self._others.caught_up()
        return Revoked(row, ended)

    def revocations(self, who: Principal, cursor: str | None, limit: int) -> RevocationPage:
        """What is revoked in the workspace, page by page. Raises BadRequest for a cursor that is not ours."""
        check_administrator(who)
        return self._identity.revocations.page(who.workspace, cursor, limit)

    async def unrevoke(self, who: Principal, kind: RevocationKind, target: str, address: str = "") -> None:
        """Takes a revocation back: what it meant is good again, until it ends. Raises UnknownChannel, Busy."""
        check_administrator(who)
        revocations = self._identity.revocations
        if revocations.find(who.workspace, kind, target) is None:
            raise UnknownChannel("there is no such revocation")
        await self._trail.record(who, f"unrevoke_{kind.value}", target, address)

        def stored() -> None:
            revocations.remove(who.workspace, kind, target)
            self._others.revocations_changed()

        with trio.move_on_after(self._answer_s, shield=True) as waiting:
            async with self._one_at_a_time:
                await self._store.unrevoke(who.workspace, kind, target, stored)
        if waiting.cancelled_caught:
            raise Busy(f"not stored within {self._answer_s:g} s: still in force, send it again")
        log.info("unrevoked", workspace=who.workspace, kind=kind.value, by=who.user)
        await self._others.caught_up()


def check_target(kind: RevocationKind, target: str) -> None:
    """Raises BadRequest if no token can have this id, or no user this name."""
    if kind is RevocationKind.USER:
        check_id(target, "user")
    elif not is_token_id(target):
        raise BadRequest(f"jti {target[:64]!r} is not allowed: use 1 to {TOKEN_ID_MAX_CHARS} printable characters")
