"""Jobs in the store are claimed: what is due, in the order of its rank, under a lease.

Runs in the writer's thread. One question says what stands in which queue; the others are asked where there is
something. Looks into narrow indexes (what has become due, what waits, what waits for a target) and never at a job that
has ended. Jobs without a target are claimed by one statement. Those with one are chosen first
(`engine.core.sharing`): from the front of the order as a rule; where a target that is full stands there with hundreds
of jobs, from the first few of each target, found by steps through an index, so that no backlog is read from end to end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from engine.core.sharing import Room, Waiting
from engine.stores.tables.connection import Connection
from protocol.jobs import A_FEW_EACH, Claimed, Lease, Queue, Shares
from protocol.times import SECOND_US

# So many of a queue that have become due are looked at in one claim; more than all workers together can hold.
DUE_AT_ONCE = 1_000
# So many at the front of the order are looked at before targets are gone through one by one.
FRONT = 256

# A question about each of these is a trip to a server; in most queues there is nothing of it most of the time. Their
# names stand in the text, because under row-level security no index serves what is compared with a value of another
# table; and each asks for the first in the order of its index, so that no planner hopes to meet one on its way.
_IN_QUEUES = " UNION ALL ".join(
    f"""
SELECT '{queue.value}',
    (SELECT run_at FROM job WHERE state = 0 AND queue = '{queue.value}' ORDER BY run_at LIMIT 1),
    (SELECT id FROM job WHERE state = 1 AND target IS NULL AND queue = '{queue.value}' ORDER BY rank, id LIMIT 1)
        IS NOT NULL,
    (SELECT id FROM job WHERE state = 1 AND target IS NOT NULL AND queue = '{queue.value}' ORDER BY rank, id LIMIT 1)
        IS NOT NULL,
    (SELECT most FROM job_queue WHERE name = '{queue.value}'),
    (SELECT paused_at FROM job_queue WHERE name = '{queue.value}') IS NOT NULL
"""  # noqa: S608  # our own words
    for queue in Queue
)
_BECOME_DUE = """
UPDATE job SET state = 1
WHERE id IN (SELECT id FROM job WHERE state = 0 AND queue = ? AND run_at <= ? ORDER BY run_at LIMIT ?)
"""
_TAKE = """
UPDATE job SET state = 2, attempt = attempt + 1, lease_no = lease_no + 1, lease_by = ?, lease_until = ?,
    started_at = ?, updated_at = ?
"""
_TAKEN = """
RETURNING rank, id, lease_no, kind, workspace, framework, args, attempt, attempts_max, deadline_s, created_at, run_at,
    schedule, target, trace
"""
_FREE = "SELECT id FROM job WHERE state = 1 AND target IS NULL AND queue = ? ORDER BY rank, id LIMIT ?"
_CLAIM = f"{_TAKE} WHERE id IN ({_FREE}) {_TAKEN}"
_CLAIM_THESE = f"{_TAKE} WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?)) {_TAKEN}"  # noqa: S608  # our own words
_FREE_RANKS = "SELECT rank, id FROM job WHERE state = 1 AND target IS NULL AND queue = ? ORDER BY rank, id LIMIT ?"
_FRONT = """
SELECT rank, id, workspace, target FROM job WHERE state = 1 AND target IS NOT NULL AND queue = ?
ORDER BY rank, id LIMIT ?
"""
_NEXT_TARGET = """
SELECT min(target) FROM job WHERE state = 1 AND target IS NOT NULL AND queue = ? AND target > ?
"""
_OF_TARGET = """
SELECT rank, id, workspace, target FROM job WHERE state = 1 AND target IS NOT NULL AND queue = ? AND target = ?
ORDER BY rank, id LIMIT ?
"""
# "0" is next to "/": workspaces whose own name goes on with a slash, and whose targets are among this one's therefore.
_HAS_NESTED = "SELECT EXISTS (SELECT 1 FROM job WHERE workspace > ?1 || '/' AND workspace < ?1 || '0')"

# As many as all nodes have slots.
_IN_HAND = "SELECT count(*) FROM job WHERE state = 2 AND queue = ?"


class Claimer(NamedTuple):
    """Who claims, for how long, and how much of it may be for one target."""

    node: str
    lease_s: float
    shares: Shares = A_FEW_EACH


class InQueue(NamedTuple):
    """When the first delayed job of a queue is due; whether something waits for nobody in particular, or for a target;
    how much of it may be in hand (None: any number), and whether it is paused."""

    first_due: int | None
    is_free: bool
    has_targets: bool
    most: int | None
    is_paused: bool


class Claims(NamedTuple):
    """What was claimed, and when the next delayed job is due (None: there is none)."""

    claimed: list[Claimed]
    next_due: int | None


def claim(connection: Connection, by: Claimer, wanted: Mapping[Queue, int], now: int) -> Claims:
    """Due jobs, each queue's in the order of their ranks."""
    there_is = _in_queues(connection)
    if due := [queue for queue, found in there_is.items() if found.first_due is not None and found.first_due <= now]:
        for queue in due:
            connection.execute(_BECOME_DUE, (queue.value, now, DUE_AT_ONCE))
        there_is = _in_queues(connection)
    lease = (by.node, now + int(by.lease_s * SECOND_US), now, now)
    claimed: list[Claimed] = []
    for queue in wanted:
        found = there_is[queue]
        if found.is_paused or not (found.is_free or found.has_targets):
            continue
        room = _room(connection, queue, wanted[queue], found.most)
        if room > 0:
            shares = by.shares if found.has_targets else None
            rows = _claim(connection, shares, queue, room, lease)
            claimed += (_claimed(queue, row) for row in sorted(rows))
    firsts = [found.first_due for found in there_is.values() if found.first_due is not None and not found.is_paused]
    return Claims(claimed, min(firsts, default=None))


def _in_queues(connection: Connection) -> dict[Queue, InQueue]:
    return {Queue(name): InQueue(*there) for name, *there in connection.execute(_IN_QUEUES).fetchall()}


def _room(connection: Connection, queue: Queue, count: int, most: int | None) -> int:
    """How many of those that are wanted may be in hand; of a queue with a limit on all nodes together."""
    if most is None:
        return count
    ((in_hand,),) = connection.execute(_IN_HAND, (queue.value,)).fetchall()
    return min(count, most - int(in_hand))


def _claim(
    connection: Connection, shares: Shares | None, queue: Queue, count: int, lease: tuple[str, int, int, int]
) -> list[tuple[Any, ...]]:
    """`shares`: None if none of them has a target."""
    chosen = _chosen(connection, shares, queue, count) if shares else []
    if not chosen:
        return connection.execute(_CLAIM, (*lease, queue.value, count)).fetchall()
    free = connection.execute(_FREE_RANKS, (queue.value, count)).fetchall()
    first = sorted([*free, *(one[:2] for one in chosen)])[:count]
    these = msgspec.json.encode([number for _, number in first]).decode()
    return connection.execute(_CLAIM_THESE, (*lease, these)).fetchall()


def _chosen(connection: Connection, shares: Shares, queue: Queue, count: int) -> list[Waiting]:
    """Jobs with a target that may be begun, the first in the order of claiming."""
    front = [Waiting(*row) for row in connection.execute(_FRONT, (queue.value, FRONT)).fetchall()]
    if not front:
        return []
    room = Room(queue, shares, count)
    chosen = room.choose(front)
    if room.left and len(front) == FRONT:
        # What the front has given stays: it was first. The rest comes from those who have room beside it.
        known = {one.id for one in chosen}
        heads = sorted(one for one in _heads(connection, room, shares.each + len(chosen), queue) if one.id not in known)
        chosen += room.choose(heads)
    return chosen


def _heads(connection: Connection, room: Room, each: int, queue: Queue) -> Iterator[Waiting]:
    """The first few of each target that has room."""
    target: str | None = ""
    while True:
        ((target,),) = connection.execute(_NEXT_TARGET, (queue.value, target)).fetchall()
        if target is None:
            return
        if room.is_full(target):
            continue
        rows = [Waiting(*row) for row in connection.execute(_OF_TARGET, (queue.value, target, each)).fetchall()]
        yield from rows
        if room.is_filled_by(workspace := rows[0].workspace):
            target = _end_of(connection, workspace, target)


def _end_of(connection: Connection, workspace: str, target: str) -> str:
    """Behind which target to go on if this one's workspace may begin no more: behind its last one, as a rule."""
    if target.startswith(f"{workspace}/"):
        ((has_nested,),) = connection.execute(_HAS_NESTED, (workspace,)).fetchall()
        return target if has_nested else f"{workspace}0"
    return target


def _claimed(queue: Queue, row: tuple[Any, ...]) -> Claimed:
    _, number, lease_no, kind, workspace, framework, args, attempt, attempts, deadline_s, created_at, due, *rest = row
    schedule, target, trace = rest
    return Claimed(
        lease=Lease(number, lease_no),
        queue=queue,
        kind=kind,
        workspace=workspace,
        framework=framework,
        args=args,
        attempt=attempt,
        attempts_max=attempts,
        deadline_s=deadline_s,
        created_at=created_at,
        waiting_since=due,
        schedule=schedule,
        target=target,
        trace=trace,
    )
