"""How jobs end in the store: settled by whoever holds the lease, swept, cancelled, done once more, forgotten.

Runs in the writer's thread. A batch of settlements is a handful of statements whatever its size: the batch travels as
one JSON text, each row is held against its lease, and only those that still hold it are moved. Whoever comes too late
changes nothing, and what should have followed from it does not happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.core.retry import after_failure
from engine.stores.jobs import KeptJobs
from engine.stores.tables import delivery_lines as ledger
from engine.stores.tables.connection import Connection, either
from engine.stores.tables.jobs import JOBS, LOST, bring_back, job_values
from protocol.jobs import AGEING_US, FINAL, GIVES_BACK, JobError, Lease, Queue, Settlement, Swept, Verdict
from protocol.times import SECOND_US

COMPLETED, FAILED, CANCELLED, DISCARDED = range(3, 7)
STATES = {Verdict.COMPLETED: COMPLETED, Verdict.FAILED: FAILED, Verdict.DISCARDED: DISCARDED}
# So many errors of a job are kept: more than any kind has attempts, and enough of one that is redriven for ever.
ERRORS_MAX = 10

_KEPT = (
    "queue, kind, workspace, framework, prio, run_at, attempt, attempts_max, deadline_s, ukey, schedule, target, args"
)
_KEPT_OF_JOB = ", ".join(f"job.{column.strip()}" for column in _KEPT.split(","))
_ERRORS = either(
    sqlite=f"""
CASE WHEN ending.value ->> 'error' IS NULL THEN job.errors
     WHEN json_array_length(job.errors) < {ERRORS_MAX} THEN json_insert(job.errors, '$[#]', ending.value -> 'error')
     ELSE json_insert(json_remove(job.errors, '$[0]'), '$[#]', ending.value -> 'error') END
""",
    postgres=f"""
CASE WHEN ending.value ->> 'error' IS NULL THEN job.errors
     WHEN jsonb_array_length(CAST(job.errors AS jsonb)) < {ERRORS_MAX}
     THEN CAST(CAST(job.errors AS jsonb) || jsonb_build_array(ending.value -> 'error') AS text)
     ELSE CAST((CAST(job.errors AS jsonb) - 0) || jsonb_build_array(ending.value -> 'error') AS text) END
""",
)
_HOLDS = """
job.id = CAST(ending.value ->> 'id' AS INTEGER) AND job.lease_no = CAST(ending.value ->> 'lease' AS INTEGER)
    AND job.state = 2
"""
_END = f"""
INSERT INTO job_done (id, {_KEPT}, state, errors, lease_no, result, started_at, created_at, updated_at)
SELECT job.id, {_KEPT_OF_JOB}, CAST(ending.value ->> 'state' AS INTEGER), {_ERRORS}, job.lease_no,
    ending.value ->> 'result', job.started_at, job.created_at, ?2
FROM json_each(?1) AS ending CROSS JOIN job ON {_HOLDS}
WHERE true RETURNING id, lease_no, schedule, state, started_at, queue
"""  # noqa: S608  # our own words
_GONE = "DELETE FROM job WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?))"
# What was handed back keeps its rank: it has waited for a hand, and a stop of ours takes nothing of that from it. What
# was put off, or failed, waits for somebody else, and begins to wait for a hand when it is due again.
_GO_ON = f"""
UPDATE job SET state = CASE WHEN CAST(ending.value ->> 'run_at' AS INTEGER) > ?2 THEN 0 ELSE 1 END,
    run_at = CAST(ending.value ->> 'run_at' AS INTEGER),
    rank = CASE WHEN CAST(ending.value ->> 'keeps_rank' AS INTEGER) = 1 THEN rank
        ELSE CAST(ending.value ->> 'run_at' AS INTEGER) + prio * {AGEING_US} END,
    attempt = attempt - CAST(ending.value ->> 'given_back' AS INTEGER), errors = {_ERRORS},
    behind = CAST(ending.value ->> 'behind' AS INTEGER),
    lease_by = NULL, lease_until = NULL, started_at = NULL,
    updated_at = ?2
FROM json_each(?1) AS ending WHERE {_HOLDS} RETURNING job.id, job.lease_no
"""  # noqa: S608
# A key is its workspace's; a number is nobody else's anyway.
# The list is taken apart first: under row-level security no index is used for what is compared with a cast of a value.
_THERE = """
WITH waiting AS MATERIALIZED (
    SELECT CAST(value ->> 'id' AS INTEGER) AS id, CAST(value ->> 'lease' AS INTEGER) AS lease, value ->> 'key' AS ukey,
        CAST(value ->> 'number' AS INTEGER) AS number
    FROM json_each(?1)
)
SELECT waiting.id, waiting.lease, other.id FROM waiting
    CROSS JOIN job AS mine ON mine.id = waiting.id
    CROSS JOIN job AS other ON other.ukey = waiting.ukey AND other.workspace = mine.workspace
UNION ALL SELECT waiting.id, waiting.lease, other.id FROM waiting CROSS JOIN job AS other ON other.id = waiting.number
"""
# What is at work, or due by now, goes its way: it looks by itself.
_FREE = f"""
UPDATE job SET state = 1, behind = NULL, run_at = ?2, rank = ?2 + prio * {AGEING_US}
WHERE behind IN (SELECT CAST(value AS INTEGER) FROM json_each(?1)) AND state = 0 RETURNING queue
"""  # noqa: S608
_RAN = """
UPDATE job_cron SET completed = completed + ?, failed = failed + ?, last_verdict = ?, last_started_at = ?,
    last_finished_at = ? WHERE name = ?
"""
_CANCEL = f"""
INSERT INTO job_done (id, {_KEPT}, state, errors, lease_no, started_at, created_at, updated_at)
SELECT id, {_KEPT}, {CANCELLED}, errors, lease_no, started_at, created_at, ? FROM job WHERE id = ?
RETURNING queue
"""  # noqa: S608
_AGAIN = f"""
INSERT INTO job (id, {_KEPT}, state, rank, errors, lease_no, created_at, updated_at)
SELECT id, queue, kind, workspace, framework, prio, ?1, 0, attempts_max, deadline_s, ukey, schedule, target, args, 1,
    ?1 + prio * {AGEING_US}, errors, lease_no, created_at, ?1
FROM job_done WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?2)) AND state IN ({FAILED}, {CANCELLED})
ON CONFLICT (ukey, workspace) WHERE ukey IS NOT NULL DO NOTHING RETURNING id
"""  # noqa: S608
# Not those whose key another job has by now: they would come first each time, and keep the others from their turn.
_FAILED = f"""
SELECT id, ukey FROM job_done AS ended WHERE queue = ? AND state = {FAILED} AND updated_at <= ?
    AND NOT EXISTS (SELECT 1 FROM job WHERE job.ukey = ended.ukey AND job.workspace = ended.workspace)
ORDER BY updated_at, id LIMIT ?
"""  # noqa: S608
_NOT_DONE = """
DELETE FROM job_done WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) RETURNING queue, state
"""
_COUNT = """
INSERT INTO job_count VALUES (?, ?, ?) ON CONFLICT (queue, state) DO UPDATE SET count = job_count.count + excluded.count
"""
# A job that waits for another one looks by itself after so long: no target is waited for any longer.
BEHIND_MAX_US = 86_400 * SECOND_US
# A node that works renews every ten seconds, whatever it has in hand.
NODE_KEPT_US = 3_600 * SECOND_US
_FORGET_NODES = "DELETE FROM job_node WHERE seen_at < ?"
_OLD = """
DELETE FROM job_done WHERE id IN (
    SELECT id FROM job_done WHERE queue = ? AND state = ? AND updated_at <= ? ORDER BY updated_at LIMIT ?)
"""
_encode = msgspec.json.Encoder().encode


class Settled(NamedTuple):
    """What was stored: for each settlement whether its lease still held, lines of the ledger that ended by it, and in
    which queues there is something to do that had waited for it."""

    held: list[bool]
    ended: ledger.Ended
    freed: frozenset[Queue] = frozenset()


def settle(connection: Connection, settlements: Sequence[Settlement], now: int) -> Settled:
    """Ends claims, or lets jobs go on."""
    held, freed = _end(connection, [one for one in settlements if one.verdict in FINAL], now)
    held |= _go_on(connection, [one for one in settlements if one.verdict not in FINAL], now)
    # After the ends: what follows may have the key of what it follows.
    follow = [job for one in settlements if one.lease in held for job in one.follow]
    if follow:
        JOBS.run(connection, job_values(follow, now))
    ended = ledger.Ended()
    if deliveries := [row for one in settlements if one.lease in held for row in one.deliveries]:
        ended += ledger.write(connection, deliveries)
    failed = [one.lease.job for one in settlements if one.verdict is Verdict.FAILED and one.lease in held]
    ended += ledger.fail(connection, failed, now)
    return Settled([one.lease in held for one in settlements], ended, freed)


def _end(connection: Connection, settlements: Sequence[Settlement], now: int) -> tuple[set[Lease], frozenset[Queue]]:
    if not settlements:
        return set(), frozenset()
    text = _text({**_common(one), "state": STATES[one.verdict], "result": one.result} for one in settlements)
    ended = connection.execute(_END, (text, now)).fetchall()
    connection.execute(_GONE, (_encode([row[0] for row in ended]).decode(),))
    _count(connection, Counter((row[5], row[3]) for row in ended))
    for _, _, schedule, state, started_at, *_ in ended:
        if schedule is not None:
            verdict = next(verdict for verdict, number in STATES.items() if number == state)
            is_good = state != FAILED
            connection.execute(_RAN, (int(is_good), int(not is_good), verdict.value, started_at, now, schedule))
    return {Lease(row[0], row[1]) for row in ended}, _free(connection, [row[0] for row in ended], now)


def _free(connection: Connection, gone: Sequence[int], now: int) -> frozenset[Queue]:
    """These jobs are gone, however they ended: what waited for them is due; in which queues."""
    rows = connection.execute(_FREE, (_encode(gone).decode(), now)).fetchall()
    return frozenset(Queue(queue) for (queue,) in rows)


def _go_on(connection: Connection, settlements: Sequence[Settlement], now: int) -> set[Lease]:
    if not settlements:
        return set()
    # Asked after the ends of the same batch: who waits for what has just ended waits no more.
    there = _there(connection, [one for one in settlements if one.behind is not None])
    text = _text(_going_on(one, there.get(one.lease), now) for one in settlements)
    return {Lease(*row) for row in connection.execute(_GO_ON, (text, now)).fetchall()}


def _there(connection: Connection, waiting: Sequence[Settlement]) -> dict[Lease, int]:
    """For which of these the one that they are behind has not ended; that one's number. By lease: a job may be here
    twice, by a lease that was lost and by the one that holds."""
    if not waiting:
        return {}
    named = [{**_lease(one), "key" if isinstance(one.behind, str) else "number": one.behind} for one in waiting]
    return {Lease(job, number): ahead for job, number, ahead in connection.execute(_THERE, (_text(named),)).fetchall()}


def _going_on(one: Settlement, behind: int | None, now: int) -> dict[str, Any]:
    if behind == one.lease.job:
        # Behind itself: it would wait for a day.
        behind = None
    run_at = max(one.run_at, now) if behind is None else now + BEHIND_MAX_US
    how = {"given_back": int(one.verdict in GIVES_BACK), "keeps_rank": int(one.verdict is Verdict.RELEASED)}
    return {**_common(one), "run_at": run_at, "behind": behind, **how}


def _common(one: Settlement) -> dict[str, Any]:
    return {**_lease(one), "error": one.error}


def _lease(one: Settlement) -> dict[str, Any]:
    return {"id": one.lease.job, "lease": one.lease.number}


def _text(endings: Iterable[dict[str, Any]]) -> str:
    return _encode(list(endings)).decode()


def _count(connection: Connection, changes: Mapping[tuple[str, int], int]) -> None:
    """So many more ended jobs, or fewer, are kept of a queue and a state."""
    for (queue, state), change in changes.items():
        connection.execute(_COUNT, (queue, state, change))


def sweep(connection: Connection, limit: int, now: int) -> tuple[Swept, Settled]:
    """Takes jobs from those whose lease has ended: their node is gone, or hangs. Forgets nodes that are long gone.

    And brings back what a clock that was wrong has put off.
    """
    connection.execute(_FORGET_NODES, (now - NODE_KEPT_US,))
    found: list[Settlement] = []
    ended: Counter[tuple[Queue, Verdict]] = Counter()
    for number, lease_no, attempt, attempts_max, queue in connection.execute(LOST, (now, limit)).fetchall():
        then = after_failure(number, attempt, attempts_max, now)
        error = JobError(at=now, attempt=attempt, cause="lost: its worker did not renew the lease")
        found.append(Settlement(lease=Lease(number, lease_no), verdict=then.verdict, run_at=then.run_at, error=error))
        ended[Queue(queue), then.verdict] += 1
    return Swept(ended=ended, brought_back=bring_back(connection, limit, now)), settle(connection, found, now)


def cancel(connection: Connection, number: int, now: int) -> Settled:
    """Ends a job that has not ended. Whoever runs it holds a lease of nothing."""
    ended = connection.execute(_CANCEL, (now, number)).fetchall()
    if not ended:
        return Settled([], ledger.Ended())
    ((queue,),) = ended
    _count(connection, {(queue, CANCELLED): 1})
    connection.execute("DELETE FROM job WHERE id = ?", (number,))
    freed = _free(connection, [number], now)
    return Settled([], ledger.give_up(connection, number, now), freed)


def redrive(connection: Connection, number: int, now: int) -> bool:
    """Has an ended job done once more; False if its key is taken by a newer one, or it did not fail."""
    return bool(_redrive(connection, [number], now))


def redrive_failed(connection: Connection, queue: Queue, limit: int, until: int, now: int) -> int:
    """Has jobs of a queue that failed until a moment done once more, the oldest first."""
    found = connection.execute(_FAILED, (queue.value, until, limit)).fetchall()
    # Of two with the same key the one that failed first.
    first = {number if key is None else key: number for number, key in reversed(found)}
    return _redrive(connection, [*first.values()], now)


def _redrive(connection: Connection, numbers: Sequence[int], now: int) -> int:
    """Has these done once more, but not those whose key is taken; how many there are."""
    again = [number for (number,) in connection.execute(_AGAIN, (now, _encode(numbers).decode())).fetchall()]
    if again:
        ledger.revive(connection, again, now)
        _count(connection, {place: -gone for place, gone in _forget(connection, again).items()})
    return len(again)


def _forget(connection: Connection, numbers: Sequence[int]) -> Counter[tuple[str, int]]:
    """These are not among the ended ones any more; how many of each queue and state there were."""
    return Counter(connection.execute(_NOT_DONE, (_encode(numbers).decode(),)).fetchall())


def prune(connection: Connection, kept: Mapping[Queue, KeptJobs], limit: int, now: int) -> int:
    """Deletes at most so many ended jobs that are kept no longer."""
    deleted: Counter[tuple[str, int]] = Counter()
    for queue, keep in kept.items():
        for state in (COMPLETED, FAILED, CANCELLED, DISCARDED):
            age_s = keep.done_s if state in (COMPLETED, DISCARDED) else keep.failed_s
            before, left = now - int(age_s * SECOND_US), limit - deleted.total()
            deleted[queue.value, state] = connection.execute(_OLD, (queue.value, state, before, left)).rowcount
    _count(connection, {place: -count for place, count in deleted.items() if count})
    return deleted.total()
