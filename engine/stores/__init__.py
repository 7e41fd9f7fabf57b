"""The contract of a store, and the door to one: `open_store(url)`.

A store keeps what channels decide (alerts, events with their channel and workspace offsets, windows, audit rows) and
answers questions about it. Every adapter fulfils the same contract and passes `tests/unit/test_store_contract.py`; a
new one is a file plus one line in `open_store` and one in that suite's parameters.

What holds for every store: a commit answered `Committed` is on stable storage; the fence (`Commit.base`) makes a second
owner of a channel harmless; a batch that was committed before is answered with its stored results; the feed is told on
the trio loop, in commit order, before anybody who waits. "Away" is a result (`Unavailable`) or, for reads, the
exception `StoreUnavailable`; "must not be used" is `StoreRefused`, raised only while opening. Names and ids come in the
order of their code points, in which we compare them when lists are joined; a `next_cursor` means something to the store
alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import msgspec

from actors.ports import ChannelStore
from engine.foreign import ForeignLoop
from engine.ids import now_us
from engine.pages import PAGE_DEFAULT
from engine.stores.aggregates import AggregateStore
from engine.stores.connections import ConnectionChange, Revocation, RevocationKind
from engine.stores.deliveries import DeliveryStore
from engine.stores.findings import FindingStore
from engine.stores.incidents import IncidentStore
from engine.stores.jobs import JobStore
from engine.stores.nodes import NodeStore
from engine.stores.objects import ObjectStore
from engine.stores.readings import KeptReadings, ReadingPage, ReadingQuery, SeriesPage
from engine.stores.trail import AdministrativeAct, TrailLine, TrailQuery
from engine.stores.workflows import WorkflowStore
from protocol.effects import AlertRecipient, RecipientMark, StormState
from protocol.model import Alert, AlertState, ChannelKey, Event, QuietedBy, Severity
from protocol.rows import Row


class CommittedEvents(msgspec.Struct, frozen=True, gc=False):
    """Events of one commit, each with its `workspace_offset`, in the order of both offsets.

    `moved`: channels that were not asked about it (a workflow batch): whoever runs them is behind now. Without events:
    nobody knows whether it happened, and whoever follows the workspace looks into the store.
    """

    workspace: str
    events: tuple[Event, ...]
    moved: tuple[ChannelKey, ...] = ()


Feed = Callable[[Sequence[CommittedEvents]], None]
OnCommit = Callable[[float, int], None]


class AlertQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts of a workspace. Empty tuples and None do not restrict; all that is given must hold.

    `frameworks` is what the asker may see (None: everything), `framework` what was asked for. Times are microseconds of
    `triggered_at`: from `since_us` on, before `until_us`. `cursor` is the `next_cursor` of the page before.
    """

    workspace: str
    frameworks: tuple[str, ...] | None = None
    framework: str | None = None
    states: tuple[AlertState, ...] = ()
    severities: tuple[Severity, ...] = ()
    rule_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    cursor: str | None = None
    limit: int = PAGE_DEFAULT
    assigned_to: str | None = None
    # Only those that are quiet, or were when they ended, for one of these reasons.
    quieted: tuple[QuietedBy, ...] = ()


class AlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts, newest first (by id: UUIDv7), and where the next page starts; None: there is none."""

    items: list[Alert]
    next_cursor: str | None = None


class RowPage(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of alerts, newest first, and where the next page starts; None: there is none."""

    items: list[Row]
    next_cursor: str | None = None


class Located(msgspec.Struct, frozen=True, kw_only=True):
    """Where an alert is; and its row if it is closed, because its channel may have forgotten it."""

    key: ChannelKey
    closed: Row | None = None


class RecipientPage(msgspec.Struct, frozen=True, kw_only=True):
    """Who received an alert, in the order of their names, and where the next page starts; None: there is none."""

    items: list[AlertRecipient]
    next_cursor: str | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long events are kept: as long as they are younger than the age or among the newest, whichever keeps more."""

    # A client that was away for a week's holiday can still recover.
    events_s: float = 7 * 86_400
    events_per_channel: int = 100_000
    readings: KeptReadings = KeptReadings()
    # Lines of the ledger of notifications, since they last changed.
    deliveries_s: float = 90 * 86_400
    # What analytics found, since it was last found or changed.
    findings_s: float = 90 * 86_400


class Store(
    ChannelStore,
    ObjectStore,
    WorkflowStore,
    JobStore,
    DeliveryStore,
    NodeStore,
    AggregateStore,
    FindingStore,
    IncidentStore,
    Protocol,
):
    """What the engine needs of a store. Reads raise StoreUnavailable after 5 s at the latest."""

    @property
    def epoch(self) -> str:
        """Identity of the store, written at its creation: another one means other offsets."""

    @property
    def is_available(self) -> bool:
        """False from a commit that failed to the next one that succeeds."""

    @property
    def is_reachable(self) -> bool:
        """False while the database's server does not answer. The beats of nodes ask it each second; a file has none."""

    def set_feed(self, feed: Feed) -> None:
        """Whom to tell of commits: on the trio loop, in commit order, once a group, before the waiting actors wake.

        `feed` must not raise; if it does, the store ends with its exception. A batch that was answered from the store
        comes again: whoever tells drops offsets that were told.
        """

    async def alerts(self, query: AlertQuery) -> AlertPage:
        """A page of alerts. Raises BadRequest for a bad cursor or limit (1..500)."""

    async def alert(self, workspace: str, alert_id: str) -> tuple[ChannelKey, Alert] | None:
        """One alert and its channel; None if this workspace has no such alert."""

    async def alerts_named(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """Those of these alerts that the workspace has; a query for 500 of them."""

    async def locate(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, Located]:
        """Where those alerts are that the workspace has; a query for 500 of them."""

    async def matching(self, query: AlertQuery, limit: int) -> list[str]:
        """The ids of at most `limit` alerts that a query means, newest first; its own cursor and limit do not count."""

    async def open_rows(self, query: AlertQuery) -> RowPage:
        """A page of the open alerts among those that a query means (its states do not count), with their sources.

        Raises BadRequest for a bad cursor or limit (1..500).
        """

    async def where_open(self, workspace: str, identity_in: Callable[[str], str]) -> list[str]:
        """The frameworks, in order, where an open alert that a source reported has the identity that is `identity_in`
        there; that is pure, and may be called in another thread."""

    async def unsettled(self) -> list[ChannelKey]:
        """Channels that owe something unasked: a receipt, the expiry of a source's alert, the end of a quiet one, or
        giving back one that somebody took on."""

    async def open_frameworks(self, workspace: str) -> list[str]:
        """The frameworks of a workspace that have open alerts, in order."""

    async def storms(self, workspace: str) -> list[tuple[str, StormState]]:
        """The frameworks of a workspace whose channel is in a storm, in order, and the storm."""

    async def duplicates(self) -> int:
        """Open alerts beyond the first of their identity; what the suppression windows are there to keep at 0."""

    async def connection_changes(self, changes: Sequence[ConnectionChange]) -> None:
        """Keeps a batch of changes in one transaction, in order. Raises StoreUnavailable."""

    async def revoke(self, row: Revocation, then: Callable[[], object]) -> None:
        """Keeps a revocation on stable storage, in the place of an older one of the same. Raises StoreUnavailable.

        Once it is kept `then` is called on the loop, also if nobody waits for it any more.
        """

    async def unrevoke(self, workspace: str, kind: RevocationKind, target: str, then: Callable[[], object]) -> None:
        """Forgets a revocation, if there is one; `then` as for `revoke`. Raises StoreUnavailable."""

    async def revocations(self) -> list[Revocation]:
        """Those of all workspaces that have not ended. Raises StoreUnavailable."""

    async def recipient_marks(self, marks: Sequence[RecipientMark]) -> None:
        """Keeps who received and saw what, in one transaction; what is known already is left out.

        Raises StoreUnavailable.
        """

    async def recipients(self, workspace: str, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        """A page of those who received an alert; nobody, if there is no such alert. Raises BadRequest."""

    async def trim(self, now_us: int) -> int:
        """Deletes what the retention no longer keeps (of readings what is not rolled up, or not heard by every stored
        rule state, stays), moves floors, and forgets revocations that have ended.

        Says how many events went. Raises StoreUnavailable.
        """

    async def roll_up(self) -> int:
        """Everything that is in the logs of readings now goes into the roll-ups, each reading once; how many.

        In transactions of a few milliseconds; may be interrupted anywhere. Raises StoreUnavailable.
        """

    async def readings(self, query: ReadingQuery) -> ReadingPage:
        """A page of readings. Raises BadRequest for a bad cursor or limit, StoreUnavailable."""

    async def series(self, workspace: str, framework: str, cursor: str | None, limit: int) -> SeriesPage:
        """A page of a framework's series. Raises BadRequest for a bad cursor or limit, StoreUnavailable."""

    async def add_act(self, act: AdministrativeAct) -> None:
        """Adds a line to the audit trail, on stable storage. Raises StoreUnavailable."""

    async def trail(self, query: TrailQuery) -> list[TrailLine]:
        """What people did about alerts, and administrators about the rest, newest first. Raises StoreUnavailable."""

    def statistics(self) -> dict[str, int | float]:
        """Counters since opening (commits, batches, rows, unavailable) and gauges (group_size_last, pending)."""


@asynccontextmanager
async def open_store(
    url: str,
    *,
    retention: Retention | None = None,
    clock: Callable[[], int] = now_us,
    on_commit: OnCommit | None = None,
    cache_bytes: int | None = None,
    foreign: ForeignLoop | None = None,
) -> AsyncIterator[Store]:
    """Opens (and creates or migrates) a store; closes it at the end, after what still waits was written.

    `url`: `sqlite:///relative.db`, `sqlite:////absolute.db`, a plain path, or `memory:` (for tests and embedding: gone
    when closed); or `postgresql://user:password@host/database`, which its owner has migrated. `foreign`: where its
    driver runs; None: a thread of its own. `on_commit(seconds, batches)` is told of each group commit, on the loop; it
    must not raise. `cache_bytes`: memory for the busiest pages of a store in a file; None: the store's own default.
    Raises ValueError for another scheme, StoreRefused if the store must not be used. If the store's writer dies, the
    context ends with its exception.
    """
    from engine.stores.postgres.connect import driver, is_postgres

    opened: AbstractAsyncContextManager[Store]
    if is_postgres(url):
        driver()
        from engine.stores.postgres.open import open_postgres

        opened = open_postgres(url, retention or Retention(), clock, on_commit, foreign)
    else:
        from engine.stores.sqlite.file import CACHE_BYTES
        from engine.stores.sqlite.open import open_sqlite

        cache_bytes = CACHE_BYTES if cache_bytes is None else cache_bytes
        opened = open_sqlite(url, retention or Retention(), clock, on_commit, cache_bytes)
    async with opened as store:
        yield store
