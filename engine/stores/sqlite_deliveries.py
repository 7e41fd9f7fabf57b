"""The ledger of notifications in the embedded store: rows written in the transactions of jobs, and asked by alert, by
recipient and by digest. Each question is served by an index; a test explains it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from sqlite3 import Connection
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.stores.deliveries import TRIM_START, LedgerLine, PutAside, TrimmedLines, TrimPlace
from engine.stores.sqlite_bulk import Bulk
from engine.stores.sqlite_readers import Readers
from engine.stores.sqlite_writer import Writer
from protocol.model import Alert
from protocol.notify import ROUTE, Change, Channel, Delivery, DeliveryState, Recipient, Why

_COLUMNS = (
    "key, workspace, alert_id, channel, recipient, version, change, state, at, updated_at, due, why, cause, attempts,"
    " reference"
)
# Never back: what was told is not queued again, and what its reader has said of it stays.
DELIVERIES = Bulk(
    f"INSERT INTO delivery ({_COLUMNS})",
    15,
    "ON CONFLICT (key) DO UPDATE SET state = excluded.state, why = excluded.why, cause = excluded.cause,"
    " due = excluded.due, attempts = excluded.attempts, reference = coalesce(excluded.reference, reference),"
    " updated_at = excluded.updated_at WHERE delivery.state NOT IN ('acknowledged', 'read')"
    " AND (delivery.state = 'queued' OR excluded.state NOT IN ('queued', 'suppressed'))",
)
# A job that has failed for good has its delivery's key as its own.
_FAILED_JOBS = """
SELECT attempt, errors ->> '$[#-1].cause', ukey FROM job_done
WHERE id IN (SELECT value FROM json_each(?)) AND ukey IS NOT NULL
"""
_LOST = """
UPDATE delivery SET state = 'failed', why = 'gave_up', updated_at = ?, attempts = ?, cause = ?
WHERE key = ? AND state = 'queued'
"""
_CANCELLED = """
UPDATE delivery SET state = 'failed', why = 'cancelled', updated_at = ?2
WHERE key = (SELECT ukey FROM job_done WHERE id = ?1) AND state = 'queued'
"""
_OF_ALERTS = f"""
SELECT {_COLUMNS} FROM delivery WHERE workspace = ?1 AND alert_id IN (SELECT value FROM json_each(?2)) ORDER BY id
"""  # noqa: S608  # our own words
OF_ALERT = f"""
SELECT id, {_COLUMNS} FROM delivery WHERE workspace = ? AND alert_id = ? AND id > ? ORDER BY id LIMIT ?
"""  # noqa: S608
_BY_KEY = f"SELECT {_COLUMNS} FROM delivery WHERE key = ? AND workspace = ?"  # noqa: S608
PUT_ASIDE = f"""
SELECT {_COLUMNS} FROM delivery INDEXED BY delivery_put_aside
WHERE state = 'queued' AND due IS NOT NULL AND due <= ? AND workspace = ? AND channel = ? AND recipient = ?
ORDER BY id LIMIT ?
"""  # noqa: S608
DIGESTS_DUE = """
SELECT DISTINCT workspace, channel, recipient, due FROM delivery INDEXED BY delivery_put_aside
WHERE state = 'queued' AND due IS NOT NULL AND due <= ? ORDER BY due LIMIT ?
"""
IN_APP = f"""
SELECT id, {_COLUMNS} FROM delivery INDEXED BY delivery_in_app
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
_ANSWERED = """
UPDATE delivery SET state = 'acknowledged', updated_at = ?1 WHERE workspace = ?2 AND recipient = ?3
    AND alert_id IN (SELECT value FROM json_each(?4)) AND state IN ('sent', 'delivered')
"""
_TOLD = """
SELECT DISTINCT alert_id FROM delivery WHERE workspace = ?1 AND alert_id IN (SELECT value FROM json_each(?2))
    AND state IN ('sent', 'delivered', 'acknowledged', 'read')
"""
# The kind is written out: a parameter would not be known to mean the index of the jobs that route.
_PRECEDED = f"""
SELECT 1 FROM job INDEXED BY job_routing
WHERE workspace = ? AND framework = ? AND id < ? AND run_at <= ? AND kind = '{ROUTE}' LIMIT 1
"""  # noqa: S608
_OLD = """
SELECT id, updated_at FROM delivery INDEXED BY delivery_kept
WHERE state <> 'queued' AND updated_at < ? AND (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?
"""
# Of an alert that is open, or was when lines as old as these were still kept, all stay: its end is told by them.
_FORGET = """
DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM workspace JOIN alert ON alert.workspace = workspace.id AND alert.id = delivery.alert_id
    WHERE workspace.name = delivery.workspace
        AND (alert.state < 3 OR coalesce(alert.resolved_at, alert.last_seen_at) >= ?))
"""
# Behind every number.
_LAST = 1 << 62
_encode = msgspec.json.Encoder().encode


def write(connection: Connection, deliveries: Iterable[Delivery]) -> None:
    """Writes rows, or moves them on."""
    DELIVERIES.run(connection, [value for each in deliveries for value in _values(each)])


def fail(connection: Connection, jobs: Sequence[int], now: int) -> None:
    """What these jobs, which have failed for good, were to deliver has failed."""
    for attempts, cause, key in connection.execute(_FAILED_JOBS, (_text(jobs),)).fetchall():
        connection.execute(_LOST, (now, attempts, cause, key))


def give_up(connection: Connection, job: int, now: int) -> None:
    """What a job that was cancelled was to deliver will not be."""
    connection.execute(_CANCELLED, (job, now))


def trim(connection: Connection, before: int, limit: int, after: TrimPlace) -> TrimmedLines:
    """One step through what is old."""
    found = connection.execute(_OLD, (before, *after, limit)).fetchall()
    gone = connection.execute(_FORGET, (_text([number for number, _ in found]), before)).rowcount
    return TrimmedLines(gone, TrimPlace(found[-1][1], found[-1][0]) if len(found) == limit else None)


def _values(each: Delivery) -> tuple[Any, ...]:
    return (
        *(each.key, each.workspace, each.alert_id, each.channel.value, each.recipient.name, each.version),
        *(each.change.value, each.state.value, each.at, each.updated_at, each.due),
        *(None if each.why is None else each.why.value, each.cause, each.attempts, each.reference),
    )


def _delivery(row: Sequence[Any]) -> Delivery:
    key, workspace, alert_id, channel, recipient, version, change, state, at, updated, due, why, *rest = row
    return Delivery(
        key=key,
        workspace=workspace,
        alert_id=alert_id,
        channel=Channel(channel),
        recipient=Recipient.named(recipient),
        version=version,
        change=Change(change),
        state=DeliveryState(state),
        at=at,
        updated_at=updated,
        due=due,
        why=None if why is None else Why(why),
        cause=rest[0],
        attempts=rest[1],
        reference=rest[2],
    )


def _line(row: Sequence[Any]) -> LedgerLine:
    return LedgerLine(number=row[0], delivery=_delivery(row[1:]))


def _text(values: Sequence[Any]) -> str:
    return _encode(list(values)).decode()


def of_alerts(connection: Connection, workspace: str, alert_ids: Sequence[str]) -> dict[str, list[Delivery]]:
    """All of these alerts'."""
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for row in connection.execute(_OF_ALERTS, (workspace, _text(alert_ids))).fetchall():
        found[row[2]].append(_delivery(row))
    return found


def with_told(connection: Connection, workspace: str, alerts: Sequence[Alert]) -> list[Alert]:
    """The same alerts, and of each whether anybody was notified of it: the ledger knows, and the alert does not."""
    if not alerts:
        return []
    told = {name for (name,) in connection.execute(_TOLD, (workspace, _text([alert.id for alert in alerts])))}
    return [replace(alert, notification_sent=True) if alert.id in told else alert for alert in alerts]


class SqliteDeliveries:
    """The embedded store as an `engine.stores.deliveries.DeliveryStore`."""

    _writer: Writer
    _readers: Readers
    _clock: Callable[[], int]

    async def deliveries_of(self, workspace: str, alert_ids: Sequence[str]) -> dict[str, list[Delivery]]:
        """All deliveries of these alerts. Raises StoreUnavailable."""
        return await self._readers.read(partial(of_alerts, workspace=workspace, alert_ids=alert_ids))

    async def deliveries(self, workspace: str, alert_id: str, after: int, limit: int) -> list[LedgerLine]:
        """Those of one alert. Raises StoreUnavailable."""
        return [_line(row) for row in await self._rows(OF_ALERT, workspace, alert_id, after, limit)]

    async def delivery(self, workspace: str, key: str) -> Delivery | None:
        """The one with this key. Raises StoreUnavailable."""
        return next((_delivery(row) for row in await self._rows(_BY_KEY, key, workspace)), None)

    async def keep_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        """Writes rows, or moves them on. Raises StoreUnavailable."""
        await self._writer.run(partial(write, deliveries=deliveries))

    async def answered(self, workspace: str, user: str, alert_ids: Sequence[str]) -> None:
        """Whoever was told of these alerts has acknowledged them. Raises StoreUnavailable."""
        await self._alter(_ANSWERED, self._clock(), workspace, Recipient(user=user).name, _text(alert_ids))

    async def put_aside(self, workspace: str, place: tuple[Channel, str], until: int, limit: int) -> list[Delivery]:
        """What waits for a recipient's digests. Raises StoreUnavailable."""
        channel, recipient = place
        rows = await self._rows(PUT_ASIDE, until, workspace, channel.value, recipient, limit)
        return [_delivery(row) for row in rows]

    async def digests_due(self, until: int, limit: int) -> list[PutAside]:
        """Recipients for whom something waits. Raises StoreUnavailable."""
        rows = await self._rows(DIGESTS_DUE, until, limit)
        return [PutAside(row[0], Channel(row[1]), Recipient.named(row[2]), row[3]) for row in rows]

    async def in_app(self, workspace: str, user: str, before: int | None, limit: int) -> list[LedgerLine]:
        """What a person was told in the app. Raises StoreUnavailable."""
        before = _LAST if before is None else before
        rows = await self._rows(IN_APP, workspace, Recipient(user=user).name, before, limit)
        return [_line(row) for row in rows]

    async def unread(self, workspace: str, user: str) -> int:
        """How much of it he has not read. Raises StoreUnavailable."""
        ((count,),) = await self._rows(UNREAD, workspace, Recipient(user=user).name)
        return int(count)

    async def read(self, workspace: str, user: str, keys: Sequence[str] | None) -> int:
        """He has read these. Raises StoreUnavailable."""
        name = Recipient(user=user).name
        if keys is None:
            return await self._alter(_READ_ALL, self._clock(), workspace, name)
        return await self._alter(_READ, self._clock(), workspace, name, _text(keys))

    async def is_preceded(self, workspace: str, framework: str, job: int, until: int) -> bool:
        """Whether older changes of a channel are still to be routed by then. Raises StoreUnavailable."""
        return bool(await self._rows(_PRECEDED, workspace, framework, job, until))

    async def trim_deliveries(self, before: int, limit: int, after: TrimPlace = TRIM_START) -> TrimmedLines:
        """Deletes what has not changed since then. Raises StoreUnavailable."""
        return await self._writer.run(partial(trim, before=before, limit=limit, after=after))

    async def _rows(self, sql: str, *values: Any) -> list[Any]:
        return await self._readers.read(lambda connection: connection.execute(sql, values).fetchall())

    async def _alter(self, sql: str, *values: Any) -> int:
        return await self._writer.run(lambda connection: connection.execute(sql, values).rowcount)
