"""A service for tests of the HTTP door: remembers what it was asked, answers what it was told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.access.administration import Revoked
from engine.access.audit import TrailPage, TrailWanted
from engine.access.identity import IssuedTicket, IssuedToken
from engine.access.revocation import RevocationPage
from engine.others import ConnectionInfo
from engine.stores import AlertPage, AlertQuery, RecipientPage, RowPage
from engine.stores.connections import Revocation, RevocationKind
from engine.stores.trail import TrailKind, TrailLine, TrailPlace
from engine.verbs.operators import ConnectionPage
from engine.verbs.people import Deed
from protocol.commands import Ring
from protocol.effects import AlertRecipient
from protocol.errors import TokenExpired, TooManyRequests, Unauthorized, UnknownChannel
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.limits import Limit
from protocol.model import Alert, AlertState, Principal, Reason, Severity, Status
from protocol.rows import Row

TOKEN = "good"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
WHO = Principal(workspace="acme", user="ada", role="admin", expires_at=2**40, channels=("web", "db"))
ALERT = Alert(
    id="018f0000-0000-7000-8000-000000000001",
    framework_id="web",
    severity=Severity.ERROR,
    state=AlertState.ACTIVE,
    current_value=None,
    threshold_value=None,
    title="Slow",
    occurrences=1,
    triggered_at="2026-01-01T00:00:00.000000Z",
    last_seen_at="2026-01-01T00:01:00.000000Z",
    notification_sent=False,
    labels={"host": "h1"},
)
CONNECTION = ConnectionInfo(
    client_id="c1",
    workspace="acme",
    user="eve",
    role="viewer",
    address="203.0.113.7",
    connected_at="2026-01-01T00:00:00.000000Z",
    subscriptions=2,
    messages_in=3,
    messages_out=4,
    waiting_bytes=0,
    lag_s=0.0,
    dropped=0,
)
LINE = TrailLine(
    place=TrailPlace(at=0, kind=TrailKind.ADMINISTRATION, number=7),
    by="ada",
    verb="disconnect",
    target="c1",
    address="::1",
)
FIRED = ItemResult(status=Status.FIRED, reason=Reason.FIRED, alert_id=ALERT.id, offset=7)


def a_revocation(kind: RevocationKind, target: str, reason: str | None) -> Revocation:
    return Revocation(workspace="acme", kind=kind, target=target, at=0, ends_at=10**6, by="ada", reason=reason)


class FakeService:
    """Fulfils `engine.http.ports.Service` and `Administration`."""

    def __init__(self) -> None:
        self.why_unready = ""
        self.is_flooded = False
        self.items_max = 10_000
        self.principals = {TOKEN: WHO}
        # Tickets that wait, and the tokens that they stand for.
        self.tickets: dict[str, str] = {}
        self.asked: list[tuple[str, Any]] = []
        self.result = FIRED
        self.rows: list[Row] = []
        self.page = AlertPage(items=[ALERT], next_cursor="more")
        self.failure: Exception | None = None

    @property
    def is_ready(self) -> bool:
        return not self.why_unready

    def authenticate(self, token: str) -> Principal:
        if token == "old":
            raise TokenExpired()
        if token not in self.principals:
            raise Unauthorized("invalid token")
        return self.principals[token]

    async def redeem(self, ticket: str) -> Principal:
        return self.principals[self.tickets.pop(ticket)] if ticket in self.tickets else self.authenticate(ticket)

    async def exchange(self, ticket: str, address: str = "") -> IssuedToken:
        who = await self.redeem(ticket)
        self._answer("exchange", [who, address])
        return IssuedToken(token=TOKEN, expires_at="2026-01-01T01:00:00.000000Z")

    def issue_ticket(self, who: Principal) -> IssuedTicket:
        self._answer("issue_ticket", [who])
        return IssuedTicket(ticket="once", expires_at="2026-01-01T00:00:30.000000Z")

    async def revoke(
        self, who: Principal, kind: RevocationKind, target: str, reason: str | None, address: str
    ) -> Revoked:
        self._answer("revoke", [kind, target], reason)
        return Revoked(a_revocation(kind, target, reason), 2)

    def revocations(self, who: Principal, cursor: str | None, limit: int) -> RevocationPage:
        self._answer("revocations", [cursor, limit])
        return RevocationPage(items=[a_revocation(RevocationKind.USER, "eve", None)], next_cursor="user:eve")

    async def unrevoke(self, who: Principal, kind: RevocationKind, target: str, address: str) -> None:
        self._answer("unrevoke", [kind, target])

    async def connections(
        self, who: Principal, workspace: str | None, user: str | None, cursor: str | None, limit: int
    ) -> ConnectionPage:
        self._answer("connections", [workspace, user, cursor, limit])
        return ConnectionPage(items=[CONNECTION], next_cursor="c1")

    async def disconnect(self, who: Principal, client_id: str, address: str) -> None:
        self._answer("disconnect", [client_id, address])

    async def disconnect_user(self, who: Principal, user: str, workspace: str | None, address: str) -> int:
        self._answer("disconnect_user", [user, workspace, address])
        return 3

    async def acts(self, who: Principal, wanted: TrailWanted | None = None) -> TrailPage:
        self._answer("acts", [wanted])
        return TrailPage(items=[LINE], next_cursor="7")

    async def story(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> TrailPage:
        self._answer("story", [alert_id, cursor, limit])
        return TrailPage(items=[LINE], next_cursor=None)

    def admit(self, who: Principal) -> None:
        if self.is_flooded:
            raise TooManyRequests(
                "too many requests (messages_per_s: 1 a second, 1 at once)", Limit.MESSAGES_PER_S, 2.5
            )

    def charge(self, who: Principal, items: int) -> None:
        if items > self.items_max:
            raise TooManyRequests("too many items", Limit.ITEMS_PER_S, 0.2)

    async def trigger(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        return self._answer("trigger", inputs)

    async def read(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        return self._answer("read", readings)

    async def report(self, who: Principal, reports: Sequence[tuple[str, Ring]]) -> list[ItemResult]:
        return self._answer("report", reports)

    async def reported_in(self, who: Principal, ring: Ring) -> list[str]:
        self._answer("reported_in", [ring])
        return []

    async def acknowledge_reported(self, who: Principal, framework: str, ring: Ring) -> ItemResult:
        return self._answer("acknowledge_reported", [ring])[0]

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        return self._answer(deed.action.value, alert_ids, deed)

    async def matching(self, who: Principal, query: AlertQuery) -> list[str]:
        self._answer("matching", [query])
        return [ALERT.id]

    async def alerts(self, who: Principal, query: AlertQuery) -> AlertPage:
        self._answer("alerts", [query])
        return self.page

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        if alert_id != ALERT.id:
            raise UnknownChannel("there is no such alert")
        return msgspec.structs.replace(ALERT, state=AlertState.ACKNOWLEDGED)

    async def recipients(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        self._answer("recipients", [alert_id, cursor, limit])
        ann = AlertRecipient(user="ann", received_at=ALERT.triggered_at, seen_at=None)
        return RecipientPage(items=[ann], next_cursor="more")

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        """Two rows a page."""
        self._answer("open_rows", [cursor])
        start = int(cursor or 0)
        rest = len(self.rows) > start + 2
        return RowPage(items=self.rows[start : start + 2], next_cursor=str(start + 2) if rest else None)

    def _answer(self, verb: str, items: Sequence[Any], more: Any = None) -> list[ItemResult]:
        self.asked.append((verb, list(items) if more is None else (list(items), more)))
        if self.failure is not None:
            raise self.failure
        return [self.result for _ in items]
