"""The ledger of notifications in the store, as `engine.stores.deliveries.DeliveryStore`: asked by alert, by
recipient and by digest. Each question is served by an index; a test explains it. Who writes lines, and what becomes of
them with their jobs, is in `delivery_lines`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from engine.stores.deliveries import TRIM_START, LedgerLine, PutAside, TrimmedLines, TrimPlace
from engine.stores.tables import delivery_lines as lines
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.delivery_lines import COLUMNS, Ended, delivery_of, json_text
from engine.stores.tables.jobs import JOBS, job_values
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer, only_one
from protocol.jobs import NewJob
from protocol.model import Alert
from protocol.notify import ROUTE, Channel, Delivery, DeliveryState, Recipient

# Postgres plans for any list, and perhaps while its tables are empty: it would look for a workspace, and through all of
# that, until the tables are analysed. So it is asked for one alert after the other.
OF_THESE = either(
    sqlite="delivery WHERE workspace = ?1 AND alert_id IN (SELECT value FROM json_each(?2))",
    postgres="(SELECT DISTINCT jsonb_array_elements_text(?2::text::jsonb)) AS asked (one), LATERAL ("
    "SELECT * FROM delivery WHERE workspace = ?1 AND alert_id = asked.one OFFSET 0) AS delivery WHERE true",
)
_OF_ALERTS = f"SELECT {COLUMNS} FROM {OF_THESE} ORDER BY id"  # noqa: S608  # our own words
# An alert that rings all day has thousands of lines that say the same: they are passed over where they are.
TOLD_OF = f"""
SELECT {COLUMNS} FROM {OF_THESE} AND (
    state <> 'suppressed' OR change IN ('escalated', 'reminder') OR version IN (SELECT value FROM json_each(?3))
    OR id IN (SELECT max(id) FROM {OF_THESE} GROUP BY alert_id, channel, recipient)
) ORDER BY id
"""  # noqa: S608
# However many others are told of it: their rows are passed over where they are.
TO_PLACE = f"""
SELECT {COLUMNS} FROM delivery INDEXED BY delivery_of_alert
WHERE workspace = ? AND alert_id = ? AND channel = ? AND recipient = ? ORDER BY id
"""  # noqa: S608
OF_ALERT = f"""
SELECT id, {COLUMNS} FROM delivery WHERE workspace = ? AND alert_id = ? AND id > ? ORDER BY id LIMIT ?
"""  # noqa: S608
# By its key: with few rows Postgres would rather look through the workspace.
_IN_WORKSPACE = either(sqlite="+workspace = ?2", postgres="workspace || '' = ?2")
BY_KEY = f"SELECT {COLUMNS} FROM delivery WHERE key = ?1 AND {_IN_WORKSPACE}"  # noqa: S608
PUT_ASIDE = f"""
SELECT {COLUMNS} FROM delivery INDEXED BY delivery_put_aside
WHERE state = 'queued' AND due IS NOT NULL AND due = ? AND workspace = ? AND channel = ? AND recipient = ?
ORDER BY id LIMIT ?
"""  # noqa: S608
DIGESTS_DUE = """
SELECT DISTINCT workspace, channel, recipient, due FROM delivery INDEXED BY delivery_put_aside
WHERE state = 'queued' AND due IS NOT NULL AND due <= ? AND (due, workspace, channel, recipient) > (?, ?, ?, ?)
ORDER BY due, workspace, channel, recipient LIMIT ?
"""
IN_APP = f"""
SELECT id, {COLUMNS} FROM delivery INDEXED BY delivery_in_app
WHERE workspace = ? AND recipient = ? AND channel = 'in_app' AND id < ?
    AND state IN ('sent', 'delivered', 'acknowledged', 'read') ORDER BY id DESC LIMIT ?
"""  # noqa: S608
_IS_UNREAD = "channel = 'in_app' AND state IN ('sent', 'delivered', 'acknowledged')"
UNREAD = f"""
SELECT COUNT(*) FROM delivery INDEXED BY delivery_unread WHERE workspace = ? AND recipient = ? AND {_IS_UNREAD}
"""  # noqa: S608
_READ_ALL = f"""
UPDATE delivery SET state = 'read', updated_at = ? WHERE workspace = ? AND recipient = ? AND {_IS_UNREAD}
"""  # noqa: S608
_READ = f"""
UPDATE delivery SET state = 'read', updated_at = ? WHERE workspace = ? AND recipient = ? AND {_IS_UNREAD}
    AND key IN (SELECT value FROM json_each(?))
"""  # noqa: S608
NOT_IN_APP = """
SELECT value FROM json_each(?) WHERE NOT EXISTS (
    SELECT 1 FROM delivery WHERE key = value AND workspace = ? AND recipient = ? AND channel = 'in_app'
        AND state IN ('sent', 'delivered', 'acknowledged', 'read'))
"""
# What is on its way is acknowledged when it has arrived.
_ANSWERED = """
UPDATE delivery SET is_answered = CASE WHEN state = 'queued' THEN 1 ELSE 0 END,
    state = CASE WHEN state = 'queued' THEN state ELSE 'acknowledged' END,
    updated_at = CASE WHEN state = 'queued' THEN updated_at ELSE ?1 END
WHERE workspace = ?2 AND recipient = ?3 AND alert_id IN (SELECT value FROM json_each(?4))
    AND state IN ('queued', 'sent', 'delivered')
"""
_TOLD = f"""
SELECT DISTINCT alert_id FROM {OF_THESE} AND state IN ('sent', 'delivered', 'acknowledged', 'read')
"""  # noqa: S608
# The kind is written out: a parameter would not be known to mean the index of the jobs that route.
# Some kilobytes each; those that are older than so many are waited for without being read.
_READ_THROUGH = 500
_PRECEDING = f"""
WITH older (id, args) AS (
    SELECT id, args FROM job INDEXED BY job_routing WHERE workspace = ?1 AND framework = ?2 AND id < ?3
        AND (run_at <= ?4 OR behind IS NOT NULL) AND kind = '{ROUTE}' ORDER BY id DESC LIMIT {_READ_THROUGH}
)
SELECT coalesce(
    (SELECT max(id) FROM older WHERE ?5 = '[]' OR EXISTS (SELECT 1 FROM json_each(?5) WHERE instr(args, value) > 0)),
    (SELECT CASE WHEN count(*) = {_READ_THROUGH} THEN min(id) END FROM older))
"""  # noqa: S608
# An alert's id stands in quotes in what such a job is told, and nothing else of that looks like one.
ROUTING = tuple(
    f"SELECT id FROM {table} INDEXED BY {index} WHERE workspace = ? AND framework = ? AND instr(args, ?) > 0"  # noqa: S608
    f" AND kind = '{ROUTE}'{states} ORDER BY id DESC LIMIT 1"
    for table, index, states in (
        ("job", "job_routing", ""),
        ("job_done", "job_done_unrouted", " AND state IN (4, 5)"),
    )
)
# Behind every number.
_LAST = 1 << 62


def _line(row: Sequence[Any]) -> LedgerLine:
    return LedgerLine(number=row[0], delivery=delivery_of(row[1:]))


def by_alert(connection: Connection, sql: str, *values: Any) -> dict[str, list[Delivery]]:
    """What is asked for, in its order; made here, beside the loop: a crowd's are many."""
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for row in connection.execute(sql, values).fetchall():
        found[row[2]].append(delivery_of(row))
    return found


def with_told(connection: Connection, workspace: str, alerts: Sequence[Alert]) -> list[Alert]:
    """The same alerts, and of each whether anybody was notified of it: the ledger knows, and the alert does not."""
    if not alerts:
        return []
    told = {name for (name,) in connection.execute(_TOLD, (workspace, json_text([alert.id for alert in alerts])))}
    return [replace(alert, notification_sent=True) if alert.id in told else alert for alert in alerts]


class DeliveryTable:
    """The part of `TableStore` that is `engine.stores.deliveries.DeliveryStore`."""

    _writer: Writer
    _readers: Readers
    _clock: Callable[[], int]
    _deliveries_ended: Ended

    def deliveries_ended(self) -> Mapping[tuple[Channel, DeliveryState], int]:
        """How many lines ended how, by what this process wrote."""
        return self._deliveries_ended

    async def deliveries_of(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, list[Delivery]]:
        """All deliveries of these alerts. Raises StoreUnavailable."""
        return await self._by_alert(workspace, _OF_ALERTS, workspace, json_text(alert_ids))

    async def deliveries(self, workspace: str, alert_id: str, after: int, limit: int) -> list[LedgerLine]:
        """Those of one alert. Raises StoreUnavailable."""
        return [_line(row) for row in await self._rows(workspace, OF_ALERT, workspace, alert_id, after, limit)]

    async def delivery(self, workspace: str, key: str) -> Delivery | None:
        """The one with this key. Raises StoreUnavailable."""
        return next((delivery_of(row) for row in await self._rows(workspace, BY_KEY, key, workspace)), None)

    async def keep_deliveries(self, deliveries: Sequence[Delivery], jobs: Sequence[NewJob] = ()) -> None:
        """Writes rows, or moves them on, with jobs. Raises StoreUnavailable."""
        now = self._clock()

        def keep(connection: Connection) -> Ended:
            JOBS.run(connection, job_values(jobs, now))
            return lines.write(connection, deliveries)

        def tell(ended: Ended) -> None:
            self._deliveries_ended.update(ended)
            self._writer.ring([jobs])

        about = [*(each.workspace for each in deliveries), *(job.workspace for job in jobs)]
        await self._writer.run(keep, tell, only_one(about))

    async def answered(self, workspace: str, user: str, alert_ids: Sequence[str]) -> None:
        """Whoever was told of these alerts has acknowledged them. Raises StoreUnavailable."""
        await self._alter(
            workspace, _ANSWERED, self._clock(), workspace, Recipient(user=user).name, json_text(alert_ids)
        )

    async def put_aside(self, workspace: str, place: tuple[Channel, str], due: int, limit: int) -> list[Delivery]:
        """What waits for a digest of a recipient. Raises StoreUnavailable."""
        channel, recipient = place
        rows = await self._rows(workspace, PUT_ASIDE, due, workspace, channel.value, recipient, limit)
        return [delivery_of(row) for row in rows]

    async def digests_due(self, until: int, limit: int, after: PutAside | None = None) -> list[PutAside]:
        """Recipients for whom something waits. Raises StoreUnavailable."""
        place = (-1, "", "", "")
        if after is not None:
            place = (after.due, after.workspace, after.channel.value, after.recipient.name)
        rows = await self._rows(None, DIGESTS_DUE, until, *place, limit)
        return [PutAside(row[0], Channel(row[1]), Recipient.named(row[2]), row[3]) for row in rows]

    async def in_app(self, workspace: str, user: str, before: int | None, limit: int) -> list[LedgerLine]:
        """What a person was told in the app. Raises StoreUnavailable."""
        before = _LAST if before is None else before
        rows = await self._rows(workspace, IN_APP, workspace, Recipient(user=user).name, before, limit)
        return [_line(row) for row in rows]

    async def unread(self, workspace: str, user: str) -> int:
        """How much of it he has not read. Raises StoreUnavailable."""
        ((count,),) = await self._rows(workspace, UNREAD, workspace, Recipient(user=user).name)
        return int(count)

    async def read(self, workspace: str, user: str, keys: Sequence[str] | None) -> int:
        """He has read these. Raises StoreUnavailable."""
        name = Recipient(user=user).name
        if keys is None:
            return await self._alter(workspace, _READ_ALL, self._clock(), workspace, name)
        return await self._alter(workspace, _READ, self._clock(), workspace, name, json_text(keys))

    async def not_in_app(self, workspace: str, user: str, keys: Sequence[str]) -> list[str]:
        """Keys by which he was told nothing. Raises StoreUnavailable."""
        rows = await self._rows(workspace, NOT_IN_APP, json_text(keys), workspace, Recipient(user=user).name)
        return [key for (key,) in rows]

    async def preceding(
        self, workspace: str, framework: str, job: int, until: int, alert_ids: Sequence[str] = ()
    ) -> int | None:
        """An older job that is still to route by then. Raises StoreUnavailable."""
        names = json_text([f'"{name}"' for name in alert_ids])
        ((found,),) = await self._rows(workspace, _PRECEDING, workspace, framework, job, until, names)
        return None if found is None else int(found)

    async def routing_of(self, workspace: str, framework: str, alert_id: str) -> int | None:
        """The job that is to decide who is told of an alert, or that did not. Raises StoreUnavailable."""
        for sql in ROUTING:
            for (number,) in await self._rows(workspace, sql, workspace, framework, f'"{alert_id}"'):
                return int(number)
        return None

    async def trim_deliveries(self, before: int, limit: int, after: TrimPlace = TRIM_START) -> TrimmedLines:
        """Deletes what has not changed since then. Raises StoreUnavailable."""
        return await self._writer.run(partial(lines.trim, before=before, limit=limit, after=after))

    async def _rows(self, workspace: str | None, sql: str, *values: Any) -> list[Any]:
        return await self._readers.read(lambda connection: connection.execute(sql, values).fetchall(), workspace)

    async def _by_alert(self, workspace: str, sql: str, *values: Any) -> dict[str, list[Delivery]]:
        return await self._readers.read(lambda connection: by_alert(connection, sql, *values), workspace)

    async def _alter(self, workspace: str, sql: str, *values: Any) -> int:
        job = partial(_rowcount, sql=sql, values=values)
        return await self._writer.run(job, workspace=workspace)


def _rowcount(connection: Connection, sql: str, values: Sequence[Any]) -> int:
    return connection.execute(sql, values).rowcount
