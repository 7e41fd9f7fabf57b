"""The trail of what administrators do: who, when, which verb, to whom, from which address. Append-only.

An act is written down before it is done: one that cannot be recorded (the store is away) is refused as a whole, so what
happened is always on record; what is on record may have been tried in vain. A row belongs to the workspace of the
administrator, also when one of `system` acts on another: that workspace's people learn nothing of the operators'.
Decided against recording tickets and reads: they change nothing, and would bury what does.
"""

from __future__ import annotations

import msgspec
import structlog
import trio

from actors.ports import Clock
from engine.roles import check
from engine.stores import AdministrativeAct, Store
from protocol.errors import BadRequest, Busy, PermissionDenied
from protocol.model import Principal

log = structlog.get_logger()
PAGE_MAX = 500
# What all administrators' lists answer to a cursor that is not theirs.
WRONG_CURSOR = "cursor: use the next_cursor of the page before"


class ActPage(msgspec.Struct, frozen=True, kw_only=True):
    """Acts, newest first, and where the next page starts (None: there is none)."""

    items: list[AdministrativeAct]
    next_cursor: str | None = None


class AuditTrail:
    """Writes acts down and shows them."""

    def __init__(self, store: Store, clock: Clock, answer_s: float) -> None:
        self._store = store
        self._clock = clock
        self._answer_s = answer_s

    async def record(self, who: Principal, verb: str, target: str, address: str = "") -> None:
        """Has an act on stable storage before it is done. Raises StoreUnavailable or Busy: then do not do it."""
        act = AdministrativeAct(
            workspace=who.workspace, at=self._clock(), by=who.user, verb=verb, target=target, address=address
        )
        with trio.move_on_after(self._answer_s):
            await self._store.add_act(act)
            log.info("administrative_act", workspace=act.workspace, by=act.by, verb=verb, target=target)
            return
        raise Busy(f"the act was not recorded within {self._answer_s:g} s and not done; send it again")

    async def page(self, who: Principal, cursor: str | None, limit: int) -> ActPage:
        """What the workspace's administrators did, newest first. Raises BadRequest for a cursor that is not ours."""
        check_administrator(who)
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise BadRequest(WRONG_CURSOR)
        limit = min(limit, PAGE_MAX)
        acts = await self._store.acts(who.workspace, None if cursor is None else int(cursor), limit + 1)
        more = len(acts) > limit
        return ActPage(items=acts[:limit], next_cursor=str(acts[limit - 1].number) if more else None)


def check_administrator(who: Principal) -> None:
    """Raises PermissionDenied for anybody but an administrator of a whole workspace."""
    check(who, "administer")
    if who.channels is not None:
        raise PermissionDenied("this token is limited to channels, and administration is not")
