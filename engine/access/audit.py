"""The audit trail: who did what, when, to what, from which address. Append-only.

What people do about alerts is written with the alerts, in the same transaction; here it is only read. What
administrators do is written here.

An act is written down before it is done: one that cannot be recorded (the store is away) is refused as a whole, so what
happened is always on record; what is on record may have been tried in vain. A row belongs to the workspace of the
administrator, also when one of `system` acts on another: that workspace's people learn nothing of the operators'.
Decided against recording tickets and reads: they change nothing, and would bury what does.
"""

from __future__ import annotations

import msgspec
import structlog
import trio
from msgspec.structs import replace

from actors.ports import Clock
from engine.access.roles import check_administrator, may
from engine.core.progress import TRACKER_VERBS
from engine.pages import PAGE_MAX, Count, Cursors
from engine.stores import Store
from engine.stores.trail import AdministrativeAct, TrailKind, TrailLine, TrailPlace, TrailQuery
from protocol.errors import Busy
from protocol.model import Alert, EventKind, Principal
from protocol.times import parse_rfc3339

log = structlog.get_logger()
# Of a page of the trail: the place of its last line.
CURSORS = Cursors("audit", tuple[Count, TrailKind, Count])


class TrailPage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of the trail, newest first, and where the next page starts (None: there is none)."""

    items: list[TrailLine]
    next_cursor: str | None = None


class TrailWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines somebody asks for; all that is given must hold. Times in microseconds."""

    by: str | None = None
    verb: str | None = None
    target: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    cursor: str | None = None
    limit: int = PAGE_MAX


class AuditTrail:
    """Writes administrators' acts down, and shows everybody's."""

    def __init__(self, store: Store, clock: Clock, answer_s: float) -> None:
        self._store = store
        self._clock = clock
        self._answer_s = answer_s

    async def record(self, who: Principal, verb: str, target: str, address: str = "", notes: str | None = None) -> None:
        """Has an act on stable storage before it is done. Raises StoreUnavailable or Busy: then do not do it."""
        act = AdministrativeAct(
            workspace=who.workspace,
            at=self._clock(),
            by=who.user,
            verb=verb,
            target=target,
            address=address,
            notes=notes,
        )
        with trio.move_on_after(self._answer_s):
            await self._store.add_act(act)
            log.info("administrative_act", workspace=act.workspace, by=act.by, verb=verb, target=target)
            return
        raise Busy(f"the act was not recorded within {self._answer_s:g} s and not done; send it again")

    async def page(self, who: Principal, wanted: TrailWanted) -> TrailPage:
        """What was done in the workspace, newest first. Raises BadRequest for a cursor that is not ours."""
        check_administrator(who)
        return await self._read(who.workspace, tuple(TrailKind), wanted)

    async def story(self, who: Principal, alert: Alert, cursor: str | None, limit: int) -> TrailPage:
        """What people did about an alert, newest first; behind that when it fired. Addresses: for administrators."""
        wanted = TrailWanted(target=alert.id, cursor=cursor, limit=limit)
        page = await self._read(who.workspace, (TrailKind.ALERT,), wanted)
        items = _discreet(who, page.items)
        if page.next_cursor is not None:
            return TrailPage(items=items, next_cursor=page.next_cursor)
        return TrailPage(items=[*items, _fired(alert)])

    async def of_tracker(self, who: Principal, project_id: str, cursor: str | None, limit: int) -> TrailPage:
        """What people did with a project's tracker, newest first. Addresses: for administrators."""
        wanted = TrailWanted(target=project_id, cursor=cursor, limit=limit)
        page = await self._read(who.workspace, (TrailKind.ADMINISTRATION,), wanted, TRACKER_VERBS)
        return replace(page, items=_discreet(who, page.items))

    async def _read(
        self, workspace: str, kinds: tuple[TrailKind, ...], wanted: TrailWanted, verbs: tuple[str, ...] = ()
    ) -> TrailPage:
        limit = min(wanted.limit, PAGE_MAX)
        query = TrailQuery(
            workspace=workspace,
            kinds=kinds,
            limit=limit + 1,
            by=wanted.by,
            verbs=verbs if wanted.verb is None else (wanted.verb,),
            target=wanted.target,
            since_us=wanted.since_us,
            until_us=wanted.until_us,
            before=None if wanted.cursor is None else _place(wanted.cursor),
        )
        lines = await self._store.trail(query)
        return TrailPage(items=lines[:limit], next_cursor=CURSORS.following(lines, limit, _numbers))


def _discreet(who: Principal, lines: list[TrailLine]) -> list[TrailLine]:
    """From where somebody acted is for administrators."""
    return lines if may(who, "administer") else [replace(line, address="") for line in lines]


def _fired(alert: Alert) -> TrailLine:
    """The beginning of every story. Its event is its record, and may have been trimmed: the alert itself knows."""
    place = TrailPlace(at=parse_rfc3339(alert.triggered_at), kind=TrailKind.ALERT, number=0)
    return TrailLine(place=place, by="", verb=EventKind.FIRED.value, target=alert.id, address="")


def _numbers(line: TrailLine) -> tuple[int, TrailKind, int]:
    return line.place.at, line.place.kind, line.place.number


def _place(cursor: str) -> TrailPlace:
    at, kind, number = CURSORS.place(cursor)
    return TrailPlace(at=at, kind=kind, number=number)
