"""One verb for all doors: who may, which channel, and the results after the commit.

Sockets, HTTP, sources and embedding programs all call this. It checks the right and the input, turns wire input into
commands, finds the channels, and puts the commands into their mailboxes; the channels answer through a receipt. It
keeps no alerts and decides nothing about them. The workspace always comes from the principal, never from the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import trio

from actors.mailbox import Envelope, Receipt
from actors.ports import Answer, Clock
from actors.registry import Registry
from engine.access.audit import AuditTrail, TrailPage
from engine.access.auth import check
from engine.access.identity import Identity, IssuedTicket, IssuedToken
from engine.access.quotas import Quotas
from engine.access.roles import may_see
from engine.cache.reads import CachedReads
from engine.core.identity import identity_of
from engine.input.commands import is_storable, to_observe, to_ring
from engine.others import Others
from engine.pages import PAGE_MAX
from engine.shelf.archived import archived
from engine.stores import AlertPage, AlertQuery, RecipientPage, RowPage, Store
from engine.telemetry.metrics import Metrics
from engine.verbs.answers import Tally, slot
from engine.verbs.foresight import Foresight
from engine.verbs.people import BULK_MAX, Deed, People, refused
from protocol import messages as m
from protocol.changes import Action
from protocol.commands import Act, Command, Ring
from protocol.effects import FOR_PEOPLE
from protocol.errors import (
    BadRequest,
    Busy,
    LimitReached,
    PermissionDenied,
    StoreUnavailable,
    UnknownChannel,
)
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Alert, ChannelKey, Principal, StreamKey
from protocol.names import check_id, parse_channel


class Service:
    """The engine's verbs. All raise TocsinError when the request as a whole is refused."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        identity: Identity,
        metrics: Metrics,
        clock: Clock,
        answer_s: float,
        quotas: Quotas,
        others: Others,
        why_archived: Callable[[ChannelKey], str] = lambda key: "",
        reads: CachedReads | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._identity = identity
        self._metrics = metrics
        self._tally = Tally(metrics)
        self._clock = clock
        self._answer_s = answer_s
        self._quotas = quotas
        self._people = People(store, registry, quotas, self._tally, answer_s, self._require_store)
        self._foresight = Foresight(self._hand, answer_s)
        self._trail = AuditTrail(store, clock, answer_s)
        self._why_archived = why_archived
        self._reads = reads
        self._others = others

    @property
    def is_ready(self) -> bool:
        """Whether a trigger would be acked now."""
        # Of commits the store knows what came of the last one: if nobody tries again it would be away for ever.
        return self._store.is_reachable and (self._store.is_available or not self._registry.waits_for_store)

    @property
    def why_unready(self) -> str:
        """Why not, in words for everybody (the log has the rest); empty: it would."""
        if self.is_ready:
            return ""
        for words in FOR_PEOPLE:
            if self._registry.why_away.startswith(words):
                return words
        return "it takes no writes" if self._store.is_reachable else "its server does not answer"

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises Unauthorized or TokenExpired."""
        return self._identity.authenticate(token)

    async def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a one-use ticket is; another node may have made it. Raises Unauthorized."""
        who = await self._others.redeem(ticket)
        return self._identity.redeem(ticket) if who is None else self._identity.admit(who)

    def issue_ticket(self, who: Principal) -> IssuedTicket:
        """A one-use ticket that stands for the token of `who`. Raises LimitReached."""
        try:
            return self._identity.issue_ticket(who)
        except LimitReached as fault:
            self._tally.refused(fault)
            raise

    async def exchange(self, ticket: str, address: str = "") -> IssuedToken:
        """A short-lived token for a ticket, which is used up; on record. Raises Unauthorized, Busy, TooManyRequests."""
        who = await self.redeem(ticket)
        self.admit(who)
        await self._trail.record(who, "sign_in", who.user, address)
        # After the record, which may take a while: what was revoked meanwhile must not come back as new.
        return self._identity.token_for(who)

    def admit(self, who: Principal) -> None:
        """One HTTP request of this user. Raises TooManyRequests."""
        self._quotas.request(who)

    def charge(self, who: Principal, items: int) -> None:
        """So many items of one HTTP request. Raises TooManyRequests: then do nothing of it."""
        self._quotas.items(who, items)

    def locate(self, who: Principal, channel: str | None, framework_id: str | None) -> StreamKey:
        """Which stream is meant, if `who` may read it. Derived streams are for tokens without a list of channels."""
        check(who, "read")
        if (channel is None) is (framework_id is None):
            raise BadRequest("say either frameworkId or channel")
        if framework_id is not None:
            key: StreamKey = ChannelKey(who.workspace, check_id(framework_id, "frameworkId"))
        else:
            key = parse_channel(channel or "", who.workspace, who.user)
        if who.channels is not None and not (isinstance(key, ChannelKey) and key.framework in who.channels):
            raise PermissionDenied("this token is limited to other channels")
        return key

    async def submit(self, who: Principal, request: m.ClientMessage, answer: Answer, address: str = "") -> None:
        """Takes a request of a socket, from an address; `answer` gets the results after the commit."""
        match request:
            case m.Trigger():
                if (request.alert is None) is (request.alerts is None):
                    raise BadRequest("say either alert or alerts")
                self._ring(who, request.alerts or [request.alert], answer)  # type: ignore[list-item]
            case m.Reading():
                self._read(who, request.readings, answer)
            case m.Acknowledge() | m.Resolve():
                action = Action.ACKNOWLEDGE if isinstance(request, m.Acknowledge) else Action.RESOLVE
                deed = Deed(action=action, notes=request.notes, noise=request.noise, address=address)
                await self._people.submit(who, _ids(request), deed, answer)
            case _:
                raise BadRequest("this message is not a request")

    async def trigger(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """Rings; answers after the commit, one result per input, in order."""
        return await self._wait(lambda answer: self._ring(who, inputs, answer))

    async def read(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """Holds readings against the rules of their frameworks; one result per reading, in order."""
        return await self._wait(lambda answer: self._read(who, readings, answer))

    async def preview(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """What would happen to these triggers if they came now, and why (`Previewed`). Nothing happens."""
        return await self._foresight.of(who, [(each.framework_id, to_ring(each)) for each in inputs])

    async def preview_readings(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """The same for readings."""
        now = self._clock()
        return await self._foresight.of(who, [(each.framework_id, to_observe(each, now)) for each in readings])

    async def report(self, who: Principal, reports: Sequence[tuple[str, Ring]]) -> list[ItemResult]:
        """Rings for a source that re-sends: pairs of framework and a Ring whose `source` is set."""
        check(who, "trigger")
        commands: list[tuple[str, Command]] = list(reports)

        def put(answer: Answer) -> None:
            frameworks = [framework for framework, _ in reports]
            self._put(who, commands, self._tally.counted(answer, who.workspace, frameworks))
            for framework, ring in reports:
                self._metrics.triggered(framework, ring.alert_type)

        return await self._wait(put)

    async def reported_in(self, who: Principal, ring: Ring) -> list[str]:
        """The frameworks, of those that this token reaches, where what this Ring is about is open, in order."""
        check(who, "trigger")
        found = await self._store.where_open(who.workspace, lambda framework: identity_of(framework, ring))
        return [framework for framework in found if who.channels is None or framework in who.channels]

    async def acknowledge_reported(self, who: Principal, framework: str, ring: Ring) -> ItemResult:
        """Somebody looks after what this Ring reported, whatever its id is; idempotent."""
        check(who, "respond")
        command = Act(identity=identity_of(framework, ring), action=Action.ACKNOWLEDGE, by=who.user)
        results = await self._wait(lambda answer: self._put(who, [(framework, command)], self._tally.counted(answer)))
        return results[0]

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does this about up to 10,000 alerts; one result per alert, in order. Idempotent."""
        return await self._people.act(who, alert_ids, deed)

    async def acknowledge(
        self, who: Principal, alert_ids: Sequence[str], notes: str | None = None, noise: bool | None = None
    ) -> list[ItemResult]:
        """Somebody looks after these alerts; idempotent. `noise`: whether they should not have rung."""
        return await self.act(who, alert_ids, Deed(action=Action.ACKNOWLEDGE, notes=notes, noise=noise))

    async def resolve(
        self, who: Principal, alert_ids: Sequence[str], notes: str | None = None, noise: bool | None = None
    ) -> list[ItemResult]:
        """These alerts are over; idempotent. `noise`: whether they should not have rung."""
        return await self.act(who, alert_ids, Deed(action=Action.RESOLVE, notes=notes, noise=noise))

    async def matching(self, who: Principal, query: AlertQuery) -> list[str]:
        """The ids of all alerts that a query means, newest first. Raises BadRequest if they are too many for a bulk."""
        check(who, "read")
        query = msgspec.structs.replace(query, workspace=who.workspace, frameworks=who.channels)
        found = await self._store.matching(query, BULK_MAX + 1)
        if len(found) > BULK_MAX:
            raise BadRequest(f"the filter finds more than {BULK_MAX} alerts, the limit of one request: narrow it")
        return found

    async def story(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> TrailPage:
        """What people did about an alert, newest first, and when it fired. Raises UnknownChannel as `alert` does."""
        return await self._trail.story(who, await self.alert(who, alert_id), cursor, limit)

    async def alerts(self, who: Principal, query: AlertQuery) -> AlertPage:
        """A page of the workspace's alerts, newest first."""
        check(who, "read")
        query = msgspec.structs.replace(query, workspace=who.workspace, frameworks=who.channels)
        return await (self._reads.alerts(self._store, who.user, query) if self._reads else self._store.alerts(query))

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        """One alert. Raises UnknownChannel if this workspace (or this token) has no such alert."""
        check(who, "read")
        # A text that no store takes is nobody's id.
        found = await self._store.alert(who.workspace, alert_id) if is_storable(alert_id) else None
        if found is None or not may_see(who, found[0].framework):
            raise UnknownChannel("there is no such alert")
        return found[1]

    async def recipients(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        """Who says to have received and seen an alert, and when. Raises UnknownChannel as `alert` does."""
        await self.alert(who, alert_id)
        return await self._store.recipients(who.workspace, alert_id, cursor, limit)

    async def mark_read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these notifications (None: all): how many he had not, and how many are unread yet."""
        check(who, "read")
        # A text that no store takes is nobody's key.
        keys = keys and [key for key in keys if is_storable(key)]
        with trio.move_on_after(self._answer_s):
            read = await self._store.read(who.workspace, who.user, keys)
            return read, await self._store.unread(who.workspace, who.user)
        raise Busy(f"not stored within {self._answer_s:g} s, and perhaps later: send the same again, it does no harm")

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        """A page of the open alerts, newest first, each with the label sets of its sources. Raises BadRequest."""
        check(who, "read")
        return await self._store.open_rows(
            AlertQuery(workspace=who.workspace, frameworks=who.channels, cursor=cursor, limit=PAGE_MAX)
        )

    def _ring(self, who: Principal, inputs: Sequence[TriggerInput], answer: Answer) -> None:
        check(who, "trigger")
        counts = Counter((trigger.framework_id, trigger.alert_type) for trigger in inputs)
        for framework, _ in counts:
            check_id(framework, "framework_id")
        commands: list[tuple[str, Command]] = [(trigger.framework_id, to_ring(trigger)) for trigger in inputs]
        frameworks = [trigger.framework_id for trigger in inputs]
        self._put(who, commands, self._tally.measured(answer, who.workspace, frameworks))
        for (framework, alert_type), count in counts.items():
            self._metrics.triggered(framework, alert_type, count)

    def _read(self, who: Principal, readings: Sequence[ReadingInput], answer: Answer) -> None:
        check(who, "trigger")
        now = self._clock()
        for reading in readings:
            check_id(reading.framework_id, "framework_id")
        commands = [(reading.framework_id, to_observe(reading, now)) for reading in readings]
        frameworks = [reading.framework_id for reading in readings]
        self._put(who, commands, self._tally.measured(answer, who.workspace, frameworks, readings))

    def _put(self, who: Principal, commands: Sequence[tuple[str, Command]], answer: Answer) -> None:
        receipt = Receipt(len(commands), answer)
        by_framework: dict[str, list[Envelope]] = {}
        for index, (framework, command) in enumerate(commands):
            by_framework.setdefault(framework, []).append(Envelope(command, receipt, index))
        self._hand(who, by_framework, len(commands))

    def _hand(self, who: Principal, by_framework: dict[str, list[Envelope]], items: int) -> None:
        """Commands, in order, into the mailboxes. With one channel all or none; else channel by channel."""
        if who.channels is not None and not by_framework.keys() <= set(who.channels):
            raise PermissionDenied("this token is limited to other channels")
        self._require_store()
        self._quotas.workspace_items(who.workspace, items)
        for framework in list(by_framework):
            if reason := self._why_archived(ChannelKey(who.workspace, framework)):
                for envelope in by_framework.pop(framework):
                    envelope.answer(archived(reason))
        cells = {framework: self._registry.cell(ChannelKey(who.workspace, framework)) for framework in by_framework}
        for framework, envelopes in by_framework.items():
            try:
                cells[framework].put_all(envelopes)
            except Busy as fault:
                self._tally.refused(fault)
                if len(cells) == 1:
                    raise
                for envelope in envelopes:
                    envelope.answer(refused(fault))

    async def _wait(self, put: Callable[[Answer], None]) -> list[ItemResult]:
        answered, results = slot()
        put(answered)
        return await results(self._answer_s)

    def _require_store(self) -> None:
        if why := self.why_unready:
            raise StoreUnavailable(f"the store is away ({why}); nothing was stored, send it again in a moment")


def _ids(request: m.Acknowledge | m.Resolve) -> Sequence[str]:
    if (request.alert_id is None) is (request.alert_ids is None):
        raise BadRequest("say either alertId or alertIds")
    return request.alert_ids or [request.alert_id or ""]
