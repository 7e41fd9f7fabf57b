"""The store as the engine sees it, on the tables that SQLite and Postgres share.

This file only joins the parts: `rows` (encode), `writer` (who writes, in groups), `commit` (the fence and one
transaction), `queries` and `lists` (answers), `recipients` (who received what), `objects` (rules, people and other
objects), `upkeep` (connections, retention). It is handed a writer and readers: `sqlite/` has those of a file,
`postgres/` those of a server. Runs on the trio loop; nothing here blocks it, except in a database in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from engine.stores import AlertPage, AlertQuery, Feed, Located, RecipientPage, Retention, RowPage
from engine.stores.connections import ConnectionChange, Revocation, RevocationKind
from engine.stores.deliveries import TRIM_START, Known, ToSend, TrimPlace, Wanted
from engine.stores.readings import ReadingPage, ReadingQuery, SeriesPage
from engine.stores.tables import acts, known, lists, queries, quiet, revocations, upkeep
from engine.stores.tables import recipients as ledger
from engine.stores.tables import trail as trail_table
from engine.stores.tables.aggregates import AggregateTable
from engine.stores.tables.connection import Connection
from engine.stores.tables.deliveries import DeliveryTable, with_told
from engine.stores.tables.delivery_lines import Ended
from engine.stores.tables.findings import TRIMMED_AT_ONCE as FINDINGS_TRIMMED_AT_ONCE
from engine.stores.tables.findings import FindingTable
from engine.stores.tables.incidents import IncidentTable, with_incidents
from engine.stores.tables.job_store import JobTables
from engine.stores.tables.nodes import NodeTable
from engine.stores.tables.objects import ObjectTable
from engine.stores.tables.readers import Readers
from engine.stores.tables.readings import ReadingStore
from engine.stores.tables.rows import prepare
from engine.stores.tables.workflows import WorkflowTables
from engine.stores.tables.writer import Writer, only_one
from engine.stores.trail import AdministrativeAct, TrailLine, TrailQuery
from protocol.effects import Commit, CommitOutcome, Committed, OpenAlerts, Recalled, RecipientMark, StormState
from protocol.model import Alert, ChannelKey, DerivedKey, Event, Severity, StreamKey
from protocol.times import SECOND_US

# Lines of the ledger that go in one transaction: none is long enough to be felt.
TRIMMED_AT_ONCE = 1_000


class TableStore(
    ObjectTable, WorkflowTables, JobTables, DeliveryTable, NodeTable, AggregateTable, FindingTable, IncidentTable
):
    """A store in SQLite or on a Postgres server. Made by `open_store`; the contract is `engine.stores.Store`."""

    # What an adapter has besides to do after trimming.
    tend: Callable[..., object] | None = None
    # Whether there is a server, for those that are on one.
    answers: Callable[[], bool] = staticmethod(lambda: True)

    def __init__(
        self, epoch: str, writer: Writer, readers: Readers, retention: Retention, clock: Callable[[], int]
    ) -> None:
        self.epoch = epoch
        self._writer = writer
        self._readers = readers
        self._retention = retention
        self._clock = clock
        self._history_reads = 0
        self._deliveries_ended = Ended()
        self._log = ReadingStore(writer, readers, retention.readings)

    @property
    def is_available(self) -> bool:
        """False from a commit that failed to the next one that succeeds."""
        return self._writer.is_available

    @property
    def is_reachable(self) -> bool:
        """False while the database's server does not answer."""
        return self.answers()

    def set_feed(self, feed: Feed) -> None:
        """Whom to tell of commits, on the loop, before the waiting actors wake."""
        self._writer.feed = feed

    async def commit(self, commit: Commit) -> CommitOutcome:
        """Keeps a decision on stable storage. Raises CommitInvalid. Cancelled: it may still happen."""
        prepared = prepare(commit)
        outcome = await self._writer.commit(prepared)
        if isinstance(outcome, Committed):
            self._log.count(prepared.log)
        return outcome

    async def recall(self, key: ChannelKey) -> Recalled:
        """What a channel's machine continues from. Raises StoreUnavailable."""
        return await self._readers.read(
            partial(queries.recall, epoch=self.epoch, key=key, now_us=self._clock()), workspace=key.workspace
        )

    async def position(self, key: ChannelKey) -> Recalled:
        """Where a channel stands. Raises StoreUnavailable."""
        return await self._readers.read(partial(queries.position, epoch=self.epoch, key=key), workspace=key.workspace)

    async def history(self, key: ChannelKey, after: int, limit: int) -> Sequence[Event]:
        """Events of a channel, in order. Raises StoreUnavailable."""
        self._history_reads += 1
        return await self._readers.read(
            partial(queries.history, key=key, after=after, limit=limit), workspace=key.workspace
        )

    async def derived_position(self, stream: DerivedKey) -> Recalled:
        """Where a derived stream stands. Raises StoreUnavailable."""
        return await self._readers.read(
            partial(queries.derived_position, epoch=self.epoch, stream=stream), workspace=stream.workspace
        )

    async def derived_history(self, stream: DerivedKey, after: int, limit: int) -> Sequence[Event]:
        """Events of a derived stream, in its order. Raises StoreUnavailable."""
        self._history_reads += 1
        return await self._readers.read(
            partial(queries.derived_history, stream=stream, after=after, limit=limit), workspace=stream.workspace
        )

    async def open_alerts(
        self, stream: StreamKey, min_severity: Severity, before: str | None, limit: int
    ) -> OpenAlerts:
        """Open alerts of a stream, newest first, and where it stood. Raises StoreUnavailable."""
        question = partial(lists.open_alerts, stream=stream, min_severity=min_severity, before=before, limit=limit)
        return await self._readers.read(question, workspace=stream.workspace)

    async def recipient_marks(self, marks: Sequence[RecipientMark]) -> None:
        """Keeps who received and saw what, in one transaction. Raises StoreUnavailable."""
        await self._writer.run(
            partial(ledger.write_marks, marks=marks), workspace=only_one(mark.stream.workspace for mark in marks)
        )

    async def recipients(self, workspace: str, alert_id: str, cursor: str | None, limit: int) -> RecipientPage:
        """Who received an alert. Raises BadRequest, StoreUnavailable."""
        question = partial(ledger.recipients, workspace=workspace, alert_id=alert_id, cursor=cursor, limit=limit)
        return await self._readers.read(question, workspace=workspace)

    async def alerts(self, query: AlertQuery) -> AlertPage:
        """A page of alerts, newest first. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(_alerts, query=query), workspace=query.workspace)

    async def alert(self, workspace: str, alert_id: str) -> tuple[ChannelKey, Alert] | None:
        """One alert and its channel. Raises StoreUnavailable."""
        return await self._readers.read(partial(_alert, workspace=workspace, alert_id=alert_id), workspace=workspace)

    async def alerts_named(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, Alert]:
        """Those of these alerts that there are. Raises StoreUnavailable."""
        question = partial(queries.alerts_named, workspace=workspace, alert_ids=alert_ids)
        return await self._readers.read(question, workspace=workspace)

    async def known_of(self, workspace: str, wanted: Wanted) -> Known:
        """What is to be known before it is decided who is told. Raises StoreUnavailable."""
        return await self._readers.read(partial(known.known_of, workspace=workspace, wanted=wanted), workspace)

    async def to_send(self, workspace: str, key: str) -> ToSend | None:
        """What is to be known before somebody is told. Raises StoreUnavailable."""
        return await self._readers.read(partial(known.to_send, workspace=workspace, key=key), workspace)

    async def matching(self, query: AlertQuery, limit: int) -> list[str]:
        """The ids of the alerts that a query means, newest first. Raises StoreUnavailable."""
        return await self._readers.read(partial(lists.matching, query=query, limit=limit), workspace=query.workspace)

    async def locate(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, Located]:
        """Where those alerts are that the workspace has. Raises StoreUnavailable."""
        question = partial(queries.locate, workspace=workspace, alert_ids=alert_ids)
        return await self._readers.read(question, workspace=workspace)

    async def open_rows(self, query: AlertQuery) -> RowPage:
        """A page of open alerts with their sources, newest first. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(lists.open_rows, query=query), workspace=query.workspace)

    async def where_open(self, workspace: str, identity_in: Callable[[str], str]) -> list[str]:
        """Where an alert is open, whatever its framework. Raises StoreUnavailable."""
        question = partial(queries.where_open, workspace=workspace, identity_in=identity_in)
        return await self._readers.read(question, workspace=workspace)

    async def unsettled(self) -> list[ChannelKey]:
        """Channels that owe a receipt or an expiry. Raises StoreUnavailable."""
        return await self._readers.read(queries.unsettled)

    async def open_frameworks(self, workspace: str) -> list[str]:
        """The frameworks of a workspace with open alerts. Raises StoreUnavailable."""
        return await self._readers.read(partial(quiet.open_frameworks, workspace=workspace), workspace=workspace)

    async def storms(self, workspace: str) -> list[tuple[str, StormState]]:
        """The channels of a workspace that are in a storm. Raises StoreUnavailable."""
        return await self._readers.read(partial(quiet.storms, workspace=workspace), workspace=workspace)

    async def duplicates(self) -> int:
        """Open alerts beyond the first of their identity. Raises StoreUnavailable."""
        return await self._readers.read(queries.duplicates)

    async def connection_changes(self, changes: Sequence[ConnectionChange]) -> None:
        """Keeps changes of connections in one transaction. Raises StoreUnavailable."""
        await self._writer.run(partial(upkeep.write_connections, changes=changes))

    async def revoke(self, row: Revocation, then: Callable[[], object]) -> None:
        """Keeps a revocation on stable storage. Raises StoreUnavailable."""
        await self._writer.run(partial(revocations.put, row=row), lambda _: then(), workspace=row.workspace)

    async def unrevoke(self, workspace: str, kind: RevocationKind, target: str, then: Callable[[], object]) -> None:
        """Forgets a revocation. Raises StoreUnavailable."""
        job = partial(revocations.remove, workspace=workspace, kind=kind, target=target)
        await self._writer.run(job, lambda _: then(), workspace=workspace)

    async def revocations(self) -> list[Revocation]:
        """Those that have not ended. Raises StoreUnavailable."""
        return await self._readers.read(partial(revocations.still_needed, now_us=self._clock()))

    async def trim(self, now_us: int) -> int:
        """Deletes what the retention no longer keeps; how many events went. Raises StoreUnavailable."""
        events, channel = 0, 0
        while True:
            step = await self._writer.run(
                partial(upkeep.trim_events, retention=self._retention, now_us=now_us, channel=channel)
            )
            events += step.events
            if step.channel is None:
                break
            channel = step.channel
        while await self._writer.run(upkeep.trim_marks):
            pass
        while await self._writer.run(partial(upkeep.trim_connections, retention=self._retention, now_us=now_us)):
            pass
        old_us = now_us - int(self._retention.deliveries_s * SECOND_US)
        after: TrimPlace | None = TRIM_START
        while after is not None:
            after = (await self.trim_deliveries(old_us, TRIMMED_AT_ONCE, after)).after
        await self._trim_findings(now_us)
        await self._writer.run(partial(revocations.trim, now_us=now_us))
        await self._log.trim(now_us)
        if self.tend is not None:
            await self._writer.run(partial(self.tend, now_us=now_us))
        return events

    async def _trim_findings(self, now_us: int) -> None:
        old_us = now_us - int(self._retention.findings_s * SECOND_US)
        while await self.trim_findings(old_us, FINDINGS_TRIMMED_AT_ONCE):
            pass
        while await self.trim_incidents(old_us):
            pass

    async def roll_up(self) -> int:
        """Everything that is in the logs of readings now goes into the roll-ups. Raises StoreUnavailable."""
        return await self._log.roll_up()

    async def readings(self, query: ReadingQuery) -> ReadingPage:
        """A page of readings. Raises BadRequest, StoreUnavailable."""
        return await self._log.readings(query)

    async def series(self, workspace: str, framework: str, cursor: str | None, limit: int) -> SeriesPage:
        """A page of a framework's series. Raises BadRequest, StoreUnavailable."""
        return await self._log.series(workspace, framework, cursor, limit)

    async def add_act(self, act: AdministrativeAct) -> None:
        """Adds a line to the audit trail. Raises StoreUnavailable."""
        await self._writer.run(partial(acts.add, act=act), workspace=act.workspace)

    async def trail(self, query: TrailQuery) -> list[TrailLine]:
        """Lines of a workspace's audit trail, newest first. Raises StoreUnavailable."""
        return await self._readers.read(partial(trail_table.trail, query=query), workspace=query.workspace)

    def statistics(self) -> dict[str, int | float]:
        """Counters since opening (commits, batches, rows, unavailable, other jobs, reads of history) and gauges."""
        return {**self._writer.statistics(), "history_reads": self._history_reads, **self._log.statistics()}

    async def aclose(self) -> bool:
        """Ends reads, writes what waits, closes the file. False: the writer hangs, and may still write."""
        await self._readers.aclose()
        return await self._writer.aclose()


def _alerts(connection: Connection, query: AlertQuery) -> AlertPage:
    """A page, with what the ledger knows of its alerts (a moment later: that does no harm)."""
    page = lists.alerts(connection, query)
    told = with_told(connection, query.workspace, page.items)
    return replace(page, items=with_incidents(connection, query.workspace, told))


def _alert(connection: Connection, workspace: str, alert_id: str) -> tuple[ChannelKey, Alert] | None:
    found = queries.alert(connection, workspace, alert_id)
    if found is None:
        return None
    (told,) = with_incidents(connection, workspace, with_told(connection, workspace, [found[1]]))
    return found[0], told
