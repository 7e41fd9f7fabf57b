"""What the HTTP door needs of the engine: the service's verbs, and what it may tell about itself.

The door depends on this Protocol and not on the service, so a test hands it a service of twenty lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from engine.access.administration import Revoked
from engine.access.audit import TrailPage, TrailWanted
from engine.access.identity import IssuedTicket, IssuedToken
from engine.access.revocation import RevocationPage
from engine.stores import AlertPage, AlertQuery, RecipientPage, RowPage
from engine.stores.connections import RevocationKind
from engine.verbs.operators import ConnectionPage
from engine.verbs.people import Deed
from protocol.codec import PROTOCOL_VERSION
from protocol.commands import Ring
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import Alert, Principal


class Service(Protocol):
    """One verb for all doors. Everything raises TocsinError when a request as a whole is refused; an item that is
    refused alone is a `rejected` result. The service bounds every wait (an ack that does not come is Busy)."""

    @property
    def is_ready(self) -> bool:
        """Whether it can ack."""

    @property
    def why_unready(self) -> str:
        """Why it cannot, in words for everybody; empty: it can."""

    def authenticate(self, token: str) -> Principal:
        """Who the bearer is. Raises Unauthorized or TokenExpired."""

    async def redeem(self, ticket: str) -> Principal:
        """Who the bearer of a one-use ticket is. Raises Unauthorized."""

    async def exchange(self, ticket: str, address: str = "") -> IssuedToken:
        """A short-lived token for a one-use ticket. Raises Unauthorized, TooManyRequests, Busy, StoreUnavailable."""

    def issue_ticket(self, who: Principal) -> IssuedTicket:
        """A one-use ticket that stands for the token of `who`. Raises LimitReached."""

    def admit(self, who: Principal) -> None:
        """One request of this user. Raises TooManyRequests."""

    def charge(self, who: Principal, items: int) -> None:
        """So many items of one request. Raises TooManyRequests."""

    async def trigger(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        """Rings; answers after the commit, one result per input, in order."""

    async def read(self, who: Principal, readings: Sequence[ReadingInput]) -> list[ItemResult]:
        """Holds readings against the rules; one result per reading, in order."""

    async def report(self, who: Principal, reports: Sequence[tuple[str, Ring]]) -> list[ItemResult]:
        """Rings for a source that re-sends: pairs of framework and a Ring whose `source` is set."""

    async def reported_in(self, who: Principal, ring: Ring) -> list[str]:
        """The frameworks where what this Ring is about is open, in order."""

    async def acknowledge_reported(self, who: Principal, framework: str, ring: Ring) -> ItemResult:
        """Somebody looks after what this Ring reported; idempotent."""

    async def act(self, who: Principal, alert_ids: Sequence[str], deed: Deed) -> list[ItemResult]:
        """Does this about alerts; one result per alert, in order. Idempotent."""

    async def matching(self, who: Principal, query: AlertQuery) -> list[str]:
        """The ids of all alerts that a query means. Raises BadRequest if they are too many for a bulk."""

    async def story(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> TrailPage:
        """What people did about an alert, newest first. Raises UnknownChannel, BadRequest."""

    async def alerts(self, who: Principal, query: AlertQuery) -> AlertPage:
        """A page of alerts, newest first."""

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        """One alert. Raises UnknownChannel."""

    async def recipients(self, who: Principal, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        """Who says to have received and seen an alert, and when. Raises UnknownChannel, BadRequest."""

    async def open_rows(self, who: Principal, cursor: str | None) -> RowPage:
        """A page of the open alerts, each with the label sets of its sources. Raises BadRequest."""


class Operators(Protocol):
    """The operators' verbs. All raise PermissionDenied for anybody but an administrator."""

    async def connections(
        self, who: Principal, workspace: str | None, user: str | None, cursor: str | None, limit: int
    ) -> ConnectionPage:
        """Who is connected. Raises UnknownChannel for another's workspace."""

    async def disconnect(self, who: Principal, client_id: str, address: str) -> None:
        """Ends one connection. Raises UnknownChannel, StoreUnavailable."""

    async def disconnect_user(self, who: Principal, user: str, workspace: str | None, address: str) -> int:
        """Ends a user's connections; how many. Raises UnknownChannel, StoreUnavailable."""

    async def acts(self, who: Principal, wanted: TrailWanted | None = None) -> TrailPage:
        """What people and administrators did, newest first."""


class Administration(Protocol):
    """The administrators' verbs. All raise PermissionDenied for anybody else."""

    async def revoke(
        self, who: Principal, kind: RevocationKind, target: str, reason: str | None, address: str
    ) -> Revoked:
        """Ends a token, or all tokens that a user has until now. Raises StoreUnavailable: then nothing was done."""

    def revocations(self, who: Principal, cursor: str | None, limit: int) -> RevocationPage:
        """What is revoked in the workspace."""

    async def unrevoke(self, who: Principal, kind: RevocationKind, target: str, address: str) -> None:
        """Takes a revocation back. Raises UnknownChannel."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What anybody may know: which program this is, where its socket listens (`ws://…` or `wss://…`), and which version
    of the wire it speaks there: a page that was loaded before an upgrade sees by it that it is too old."""

    name: str
    version: str
    ws: str
    heartbeat_s: float
    protocol: int = PROTOCOL_VERSION


MetricsRender = Callable[[], bytes]
