"""What people do about alerts: one verb for all doors, for one alert or ten thousand.

Checks the right and the words, finds the alerts' channels, and puts commands into their mailboxes: one for up to
`TOGETHER_MAX` alerts of a channel, which are decided, stored and told together. A channel gets the next of a bulk only
when the one before is done, so that a bulk of ten thousand takes no more room in a mailbox than one of five hundred,
and triggers come in between. Keeps nothing and decides nothing about alerts.

An alert that its channel may have forgotten (a closed one) is read and sent along; what the channel remembers itself
goes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from actors.cell import Cell
from actors.mailbox import Envelope, Receipt
from actors.ports import Answer
from actors.registry import Registry
from engine.access.quotas import Quotas
from engine.access.roles import check, may_see
from engine.core.turn import UNKNOWN_ALERT
from engine.input.commands import check_text, is_storable
from engine.shelf.directory import USER
from engine.stores import Located, Store
from engine.verbs.answers import Tally, slot
from protocol.changes import JUDGING_ACTIONS, Action
from protocol.commands import Act
from protocol.errors import BadRequest, Busy, TocsinError
from protocol.items import ItemResult
from protocol.model import Principal, Reason, Status
from protocol.names import check_id

# One event tells so many: its message stays well below 64 KiB, and its commit below 10 ms.
TOGETHER_MAX = 500
# A morning's backlog in one request; at 40 bytes an id that is 400 kB. Who has more sends it in parts.
BULK_MAX = 10_000


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants done: `notes` are his words, `assignee` (None: nobody) goes with ASSIGN alone.

    `noise` (None: he does not say) goes with `JUDGING_ACTIONS`.
    """

    action: Action
    notes: str | None = None
    assignee: str | None = None
    noise: bool | None = None
    # From where it is asked, for the record.
    address: str = ""

    def check(self) -> None:
        """Raises BadRequest for words that cannot be kept, or that say nothing."""
        check_text(self.notes or "", "notes")
        if self.noise is not None and self.action not in JUDGING_ACTIONS:
            raise BadRequest("noise: it goes with acknowledge, resolve and comment")
        if self.action is Action.COMMENT and self.noise is None and not (self.notes or "").strip():
            raise BadRequest('notes: a comment needs some words, such as {"notes": "disk ordered"}, or "noise"')
        if self.assignee is not None:
            check_id(self.assignee, "assigned_to")


class _Portion(NamedTuple):
    """Alerts of one channel that are changed together, and their places in the request."""

    cell: Cell
    act: Act
    places: Sequence[int]


class People:
    """Carries what people ask for to the channels."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        quotas: Quotas,
        tally: Tally,
        answer_s: float,
        require_store: Callable[[], None],
    ) -> None:
        self._store = store
        self._require_store = require_store
        self._registry = registry
        self._quotas = quotas
        self._tally = tally
        self._answer_s = answer_s

    async def submit(self, who: Principal, alert_ids: Sequence[str], deed: Deed, answer: Answer) -> None:
        """Puts it into the mailboxes; `answer` gets one result per alert, in order, after the commits."""
        waves, unknown = await self._plan(who, alert_ids, deed)
        receipt = Receipt(len(alert_ids), self._tally.counted(answer))
        for place in unknown:
            receipt.settle(place, _about(alert_ids[place], UNKNOWN_ALERT))
        for portion in [portion for wave in waves for portion in wave]:
            self._put(portion, receipt, portion.places)

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does it, wave after wave; one result per alert, in order. Raises TocsinError if nothing at all was done."""
        waves, unknown = await self._plan(who, alert_ids, deed)
        warning = await self._warning(who, deed)
        results = {place: _about(alert_ids[place], UNKNOWN_ALERT) for place in unknown}
        for wave in waves:
            places = [place for portion in wave for place in portion.places]
            try:
                answered = await self._surge(wave, len(places))
            except TocsinError as fault:
                if not results:
                    raise
                # Part of it is done: what is left says so by itself, and may be sent again with the rest.
                answered = [_about(alert_ids[place], refused(fault)) for place in places]
            results.update(zip(places, answered, strict=True))
        done = [results[place] for place in range(len(alert_ids))]
        self._tally.counted(lambda _: None)(done)
        return [_warned(result, warning) for result in done] if warning else done

    async def _warning(self, who: Principal, deed: Deed) -> str | None:
        """What to say of an assignee whom we do not know: producers name people before anybody has described them."""
        if deed.action is not Action.ASSIGN or deed.assignee is None:
            return None
        user = (await self._store.objects_named(who.workspace, USER, [deed.assignee])).get(deed.assignee)
        if user is not None and user.archived_at is None:
            return None
        return f"{deed.assignee} is not a user of this workspace: nobody can be notified"

    async def _surge(self, wave: Sequence[_Portion], items: int) -> list[ItemResult]:
        """One portion of each channel; waits for all of them."""
        answered, wait = slot()
        receipt, start = Receipt(items, answered), 0
        for portion in wave:
            end = start + len(portion.places)
            self._put(portion, receipt, range(start, end))
            start = end
        return await wait(self._answer_s)

    def _put(self, portion: _Portion, receipt: Receipt, places: Sequence[int]) -> None:
        envelope = Envelope(portion.act, receipt, *places)
        try:
            portion.cell.put_all([envelope])
        except Busy as fault:
            self._tally.refused(fault)
            envelope.answer(refused(fault))

    async def _plan(
        self, who: Principal, alert_ids: Sequence[str], deed: Deed
    ) -> tuple[list[list[_Portion]], list[int]]:
        """Who may, and which channels: portions in waves (one a channel in each), and the places of unknown alerts."""
        check(who, "respond")
        deed.check()
        self._require_store()
        self._quotas.workspace_items(who.workspace, len(alert_ids))
        located = await self._store.locate(who.workspace, [each for each in alert_ids if is_storable(each)])
        known = {alert_id: found for alert_id, found in located.items() if may_see(who, found.key.framework)}
        by_channel: dict[str, list[int]] = {}
        for place, alert_id in enumerate(alert_ids):
            if alert_id in known:
                by_channel.setdefault(known[alert_id].key.framework, []).append(place)
        # All cells first: if there cannot be one, the request is refused before any of it was done.
        cells = {
            framework: self._registry.cell(known[alert_ids[places[0]]].key) for framework, places in by_channel.items()
        }
        waves: list[list[_Portion]] = []
        for framework, places in by_channel.items():
            for number, start in enumerate(range(0, len(places), TOGETHER_MAX)):
                part = places[start : start + TOGETHER_MAX]
                if number == len(waves):
                    waves.append([])
                act = _act(who, deed, [alert_ids[place] for place in part], known)
                waves[number].append(_Portion(cells[framework], act, part))
        return waves, [place for place, alert_id in enumerate(alert_ids) if alert_id not in known]


def _act(who: Principal, deed: Deed, alert_ids: Sequence[str], known: Mapping[str, Located]) -> Act:
    closed = {alert_id: known[alert_id].closed for alert_id in alert_ids}
    return Act(
        alert_ids=tuple(alert_ids),
        action=deed.action,
        by=who.user,
        notes=deed.notes,
        assignee=deed.assignee,
        noise=deed.noise,
        address=deed.address,
        closed=tuple(row for row in closed.values() if row is not None),
    )


def _about(alert_id: str, result: ItemResult) -> ItemResult:
    """A refusal with the id that was asked about: in a list of thousands the place alone helps nobody."""
    return msgspec.structs.replace(result, alert_id=alert_id)


def _warned(result: ItemResult, warning: str) -> ItemResult:
    """What was done, with what to say about it; a refusal has said its own."""
    if result.status is Status.REJECTED or result.message:
        return result
    return msgspec.structs.replace(result, message=warning)


def refused(fault: TocsinError) -> ItemResult:
    """The answer to an item that found no room, or no store."""
    return ItemResult(status=Status.REJECTED, reason=Reason.BUSY, message=fault.message)
