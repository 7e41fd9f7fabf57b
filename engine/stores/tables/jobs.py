"""Jobs in the store: what goes into queues, whose lease is renewed, which queues are paused.

Runs in the writer's thread. What has ended is in a table of its own (`job_ends`); claiming is in
`job_claims`. Decided against: one table with a state of "done" (the indexes of a day's notifications would be in
the way of every claim); a state that is computed from `run_at` (a storm of retries would be scanned at each claim).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from engine.stores.jobs import Enqueued
from engine.stores.tables.bulk import Bulk
from engine.stores.tables.connection import ByColumns, Connection
from protocol.jobs import Lease, NewJob, Queue, rank
from protocol.times import SECOND_US

DELAYED, WAITING, ACTIVE = range(3)

_INTO = (
    "INSERT INTO job (queue, kind, workspace, framework, state, prio, run_at, rank, attempts_max, deadline_s, ukey,"
    " schedule, target, args, created_at, updated_at, trace)"
)
# A key is its workspace's: what is told of it, and whether it is free, is nobody else's affair.
_ONCE = "ON CONFLICT (ukey, workspace) WHERE ukey IS NOT NULL DO NOTHING"
JOBS = Bulk(_INTO, "ttttiiiiiittttiit", _ONCE)
_NUMBERED = Bulk(_INTO, JOBS.types, "RETURNING id")
_ONE = f"{_INTO} VALUES ({', '.join('?' * JOBS.width)}) {_ONCE} RETURNING id"
_HELD = "SELECT id FROM job WHERE ukey = ? AND workspace = ?"
_ENDED = """
SELECT id FROM job_done WHERE ukey = ? AND workspace = ? AND ukey >= 'handed:' AND ukey < 'handed;'
ORDER BY id DESC LIMIT 1
"""
# A colon is before a semicolon, and nothing between: these are the keys that begin with the prefix.
_SO_MANY = "SELECT count(*) FROM (SELECT 1 FROM job WHERE ukey >= ? AND ukey < ? AND workspace = ? LIMIT ?)"
_LIMIT = """
INSERT INTO job_queue (name, most) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET most = excluded.most
"""
PAUSED = "SELECT name FROM job_queue WHERE paused_at IS NOT NULL"
_PAUSE = """
INSERT INTO job_queue (name, paused_at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at
"""
_RENEW = """
UPDATE job SET lease_until = ?, updated_at = ? FROM json_each(?) AS held
WHERE job.id = CAST(held.value ->> 0 AS INTEGER) AND job.lease_no = CAST(held.value ->> 1 AS INTEGER)
    AND job.state = 2 AND job.lease_by = ?
RETURNING job.id, job.lease_no
"""
_SEEN = """
INSERT INTO job_node (node, seen_at) VALUES (?, ?)
ON CONFLICT (node) DO UPDATE SET seen_at = max(job_node.seen_at, excluded.seen_at)
"""
LOST = """
SELECT id, lease_no, attempt, attempts_max, queue FROM job WHERE state = 2 AND lease_until <= ?
ORDER BY lease_until LIMIT ?
"""
# What was put off in the future was put off by a clock that has been set back since. By less than this, nobody minds.
AHEAD_US = 10 * SECOND_US
_PUT_OFF_AHEAD = """
UPDATE job SET run_at = run_at - (updated_at - ?1), rank = rank - (updated_at - ?1), updated_at = ?1
WHERE id IN (SELECT id FROM job WHERE state = 0 AND updated_at > ?2 ORDER BY updated_at LIMIT ?3)
"""
END_LEASES = "UPDATE job SET lease_until = 0 WHERE state = 2"
# The first one of each queue that is not paused: however much waits in one that is, nothing of it is read.
NEXT_DUE = f"""
SELECT min((SELECT min(run_at) FROM job WHERE state = 0 AND job.queue = name.value))
FROM json_each(?) AS name WHERE name.value NOT IN ({PAUSED})
"""  # noqa: S608  # our own words
_QUEUES = msgspec.json.encode(list(Queue)).decode()


def job_values(jobs: Iterable[NewJob], now: int) -> list[Any]:
    """The rows of new jobs, as `JOBS` takes them: one flat list."""
    flat: list[Any] = []
    for job in jobs:
        run_at = max(job.run_at, now)
        flat += (
            *(job.queue.value, job.kind, job.workspace, job.framework, DELAYED if run_at > now else WAITING, job.prio),
            *(run_at, rank(run_at, job.prio), job.attempts_max, job.deadline_s, job.key, job.schedule, job.target),
            *(job.args, now, now, job.trace),
        )
    return flat


def enqueue(connection: Connection, jobs: Sequence[NewJob], now: int) -> list[Enqueued]:
    """Puts jobs into their queues, and says their numbers."""
    if isinstance(connection, ByColumns) and all(job.key is None for job in jobs):
        # One trip to the server instead of one for each. Without a key no row is in another's way.
        rows = connection.write_columns(_NUMBERED, job_values(jobs, now))
        return [Enqueued(number, True) for (number,) in rows]
    return [_put(connection, job, now) for job in jobs]


def _put(connection: Connection, job: NewJob, now: int) -> Enqueued:
    for (number,) in connection.execute(_ONE, job_values([job], now)).fetchall():
        return Enqueued(number, True)
    ((number,),) = connection.execute(_HELD, (job.key, job.workspace)).fetchall()
    return Enqueued(number, False)


def hand_over(connection: Connection, job: NewJob, prefix: str, most: int, now: int) -> Enqueued | None:
    """Puts a job into its queue, once for its key, also after it has ended; None if there are too many."""
    for sql in (_HELD, _ENDED):
        for (number,) in connection.execute(sql, (job.key, job.workspace)).fetchall():
            return Enqueued(number, False)
    ((count,),) = connection.execute(_SO_MANY, (prefix, f"{prefix[:-1]};", job.workspace, most)).fetchall()
    return None if count >= most else _put(connection, job, now)


def renew(connection: Connection, node: str, leases: Sequence[Lease], lease_s: float, now: int) -> list[Lease]:
    """Keeps leases; those that this node no longer holds."""
    connection.execute(_SEEN, (node, now))
    if not leases:
        return []
    held = msgspec.json.encode(leases).decode()
    rows = connection.execute(_RENEW, (now + int(lease_s * SECOND_US), now, held, node)).fetchall()
    kept = {Lease(*row) for row in rows}
    return [lease for lease in leases if lease not in kept]


def bring_back(connection: Connection, limit: int, now: int) -> int:
    """Jobs that were put off while the clock was ahead wait as long as was meant, from now on; how many there were."""
    return connection.execute(_PUT_OFF_AHEAD, (now, now + AHEAD_US, limit)).rowcount


def end_leases(connection: Connection) -> None:
    """Nobody holds a lease who did before the file was opened: one process has it. The next sweep takes their jobs."""
    connection.execute(END_LEASES)


def pause(connection: Connection, queue: Queue, paused_at: int | None) -> None:
    """Whether jobs of a queue are claimed."""
    connection.execute(_PAUSE, (queue.value, paused_at))


def limit(connection: Connection, queue: Queue, most: int | None) -> None:
    """At most so many jobs of a queue are in hand at a time."""
    connection.execute(_LIMIT, (queue.value, most))


def next_due(connection: Connection) -> int | None:
    """When the next delayed job is due."""
    ((at,),) = connection.execute(NEXT_DUE, (_QUEUES,)).fetchall()
    return None if at is None else int(at)
