"""Lines of the ledger in the store: how they are written, and what becomes of them with the jobs that deliver
them (failed, cancelled, done once more). Runs in the writer's thread, in the transaction of the job.

A job delivers the line whose key it has as its own; a digest all that is put aside for its recipient and its moment.
Whatever moves lines says how many have ended by it: what is counted is what was stored, once, whoever stored it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from engine.core.analytics.calendar import HOUR_US
from engine.stores.deliveries import TrimmedLines, TrimPlace
from engine.stores.tables.aggregate_hours import ON_CONFLICT, PAUSE_US
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import Connection
from engine.stores.tables.queries import THESE
from protocol.notify import DIGEST, Change, Channel, Delivery, DeliveryState, Recipient, Why

# How many lines ended how.
Ended = Counter[tuple[Channel, DeliveryState]]

COLUMNS = (
    "key, workspace, alert_id, channel, recipient, version, change, state, at, updated_at, due, why, cause, attempts,"
    " reference, held_since"
)
# Never back: what was told is not queued again, and what its reader has said of it stays. What he said of the alert
# while the line was on its way is known by then. Why it was put aside (`aside`) is what its first writing said.
DELIVERIES = Bulk(
    f"INSERT INTO delivery ({COLUMNS}, aside)",
    "ttttttttiiittitit",
    "ON CONFLICT (key) DO UPDATE SET"
    " state = CASE WHEN delivery.is_answered = 1 AND excluded.state IN ('sent', 'delivered') THEN 'acknowledged'"
    " ELSE excluded.state END,"
    " why = excluded.why, cause = excluded.cause,"
    " due = excluded.due, attempts = excluded.attempts, reference = coalesce(excluded.reference, delivery.reference),"
    " held_since = excluded.held_since, updated_at = excluded.updated_at"
    " WHERE delivery.state NOT IN ('acknowledged', 'read')"
    " AND (delivery.state = 'queued' OR excluded.state NOT IN ('queued', 'suppressed'))",
)
_KNOWN = "SELECT key, state FROM delivery WHERE key IN (SELECT value FROM json_each(?))"
# What a job that has ended was to deliver, and what it was told for how long.
_OF_JOB = """
SELECT delivery.id FROM job_done AS ended JOIN delivery
    ON delivery.key = ended.ukey AND delivery.workspace = ended.workspace
WHERE ended.id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1)) AND delivery.state = '{state}'
UNION ALL SELECT delivery.id FROM job_done AS ended CROSS JOIN delivery INDEXED BY {index}
    ON delivery.due = CAST(json_extract(ended.args, '$.until') AS INTEGER) AND delivery.workspace = ended.workspace
    AND delivery.channel = json_extract(ended.args, '$.channel') AND delivery.recipient = coalesce(
        'endpoint:' || json_extract(ended.args, '$.recipient.endpoint'),
        'user:' || json_extract(ended.args, '$.recipient.user'))
WHERE ended.id IN (SELECT CAST(value AS INTEGER) FROM json_each(?1)) AND ended.kind = '{digest}'
    AND delivery.state = '{state}' AND delivery.due IS NOT NULL
"""
TO_DELIVER = _OF_JOB.format(state="queued", index="delivery_put_aside", digest=DIGEST)
NOT_DELIVERED = _OF_JOB.format(state="failed", index="delivery_digest_failed", digest=DIGEST)
_FAILED_JOB = "SELECT attempt, json_extract(errors, '$[#-1].cause') FROM job_done WHERE id = ?"
LOST = f"""
UPDATE delivery SET state = 'failed', why = 'gave_up', updated_at = ?2, attempts = max(attempts, ?3), cause = ?4
WHERE id IN ({TO_DELIVER}) RETURNING channel
"""  # noqa: S608  # our own words
CANCELLED = f"""
UPDATE delivery SET state = 'failed', why = 'cancelled', updated_at = ?2 WHERE id IN ({TO_DELIVER}) RETURNING channel
"""  # noqa: S608
AGAIN = f"""
UPDATE delivery SET state = 'queued', why = CASE WHEN due IS NOT NULL THEN coalesce(aside, 'digest') END, cause = NULL,
    held_since = NULL, updated_at = ?2 WHERE id IN ({NOT_DELIVERED})
"""  # noqa: S608
_OLD = """
SELECT id, updated_at FROM delivery INDEXED BY delivery_kept
WHERE state <> 'queued' AND updated_at < ? AND (updated_at, id) > (?, ?) ORDER BY updated_at, id LIMIT ?
"""
# Of an alert that is open, or was when lines as old as these were still kept, all stay: its end is told by them.
_FORGET = """
DELETE FROM delivery WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM workspace JOIN alert ON alert.workspace = workspace.id AND alert.id = delivery.alert_id
    WHERE workspace.name = delivery.workspace
        AND (alert.state < 3 OR coalesce(alert.resolved_at, alert.last_seen_at) >= ?))
"""
# Somebody was notified of these alerts: their hours are counted again.
MARK = f"""
INSERT INTO aggregate_hour (workspace, start, due, changed)
SELECT alert.workspace, alert.triggered_at - alert.triggered_at % {HOUR_US}, CAST(?3 AS INTEGER) + {PAUSE_US},
    CAST(?3 AS INTEGER)
FROM {THESE}
GROUP BY 1, 2 {ON_CONFLICT}
"""  # noqa: S608
_TOLD = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.ACKNOWLEDGED, DeliveryState.READ})
_encode = msgspec.json.Encoder().encode


def write(connection: Connection, deliveries: Iterable[Delivery]) -> Ended:
    """Writes rows, or moves them on; those that ended by it."""
    deliveries = list(deliveries)
    ended = _ending(connection, deliveries)
    DELIVERIES.run(connection, [value for each in deliveries for value in _values(each)])
    _mark(connection, [each for each in deliveries if each.state in _TOLD])
    return ended


def _mark(connection: Connection, told: Sequence[Delivery]) -> None:
    for workspace in sorted({each.workspace for each in told}):
        own = [each for each in told if each.workspace == workspace]
        alerts = sorted({each.alert_id for each in own})
        connection.execute(MARK, (workspace, json_text(alerts), max(each.updated_at for each in own)))


def _ending(connection: Connection, deliveries: Sequence[Delivery]) -> Ended:
    final = [each for each in deliveries if each.state is not DeliveryState.QUEUED]
    known: dict[str, str] = {}
    if final:
        known.update(connection.execute(_KNOWN, (json_text([each.key for each in final]),)).fetchall())
    ended: Ended = Counter()
    for each in final:
        if known.get(each.key, "queued") == "queued":
            known[each.key] = each.state.value
            ended[each.channel, each.state] += 1
    return ended


def fail(connection: Connection, jobs: Iterable[int], now: int) -> Ended:
    """What these jobs, which have failed for good, were to deliver has failed."""
    ended: Ended = Counter()
    for job in jobs:
        ((attempts, cause),) = connection.execute(_FAILED_JOB, (job,)).fetchall()
        ended += _failed(connection.execute(LOST, (json_text([job]), now, attempts, cause)).fetchall())
    return ended


def give_up(connection: Connection, job: int, now: int) -> Ended:
    """What a job that was cancelled was to deliver will not be."""
    return _failed(connection.execute(CANCELLED, (json_text([job]), now)).fetchall())


def _failed(rows: Iterable[tuple[str]]) -> Ended:
    return Counter((Channel(channel), DeliveryState.FAILED) for (channel,) in rows)


def revive(connection: Connection, jobs: Sequence[int], now: int) -> None:
    """What jobs that are done once more were to deliver, and have not, waits again."""
    connection.execute(AGAIN, (json_text(list(jobs)), now))


def trim(connection: Connection, before: int, limit: int, after: TrimPlace) -> TrimmedLines:
    """One step through what is old."""
    found = connection.execute(_OLD, (before, *after, limit)).fetchall()
    gone = connection.execute(_FORGET, (json_text([number for number, _ in found]), before)).rowcount
    return TrimmedLines(gone, TrimPlace(found[-1][1], found[-1][0]) if len(found) == limit else None)


def _values(each: Delivery) -> tuple[Any, ...]:
    return (
        *(each.key, each.workspace, each.alert_id, each.channel.value, each.recipient.name, each.version),
        *(each.change.value, each.state.value, each.at, each.updated_at, each.due),
        *(
            None if each.why is None else each.why.value,
            _storable(each.cause),
            each.attempts,
            _storable(each.reference),
        ),
        *(each.held_since, None if each.due is None or each.why is None else each.why.value),
    )


def _storable(said: str | None) -> str | None:
    """What somebody else's server said: a NUL in it is none of ours, and Postgres takes none."""
    return said.replace("\0", "?") if said else said


def delivery_of(row: Sequence[Any]) -> Delivery:
    """A row, in the order of `COLUMNS`."""
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
        held_since=rest[3],
    )


def json_text(values: Sequence[Any]) -> str:
    """Many values as one parameter: `json_each` takes them apart."""
    return _encode(list(values)).decode()
