"""Schedules in the store: a moment fires once, because moving on and enqueueing are one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from engine.stores.jobs import ScheduleState
from engine.stores.tables.connection import Connection
from engine.stores.tables.job_lists import schedules
from engine.stores.tables.jobs import JOBS, job_values
from protocol.jobs import NewJob

_ADD = "INSERT INTO job_cron (name, last_fire) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
_IS_GOING = "SELECT EXISTS (SELECT 1 FROM job WHERE schedule = ?)"
_MOVE = """
UPDATE job_cron SET last_fire = ?, covered = CASE WHEN ? = 1 THEN coalesce(covered, last_fire) END,
    skipped = skipped + ?
WHERE name = ? AND last_fire = ?
"""


def add_schedule(connection: Connection, name: str, since: int) -> ScheduleState:
    """Makes a schedule known; as it is, if it is known already."""
    connection.execute(_ADD, (name, since))
    return schedules(connection, [name])[name]


def forget_schedule(connection: Connection, name: str) -> None:
    """There is no such schedule any more."""
    connection.execute("DELETE FROM job_cron WHERE name = ?", (name,))


def fire(
    connection: Connection, name: str, last_fire: int, fire: int, jobs: Sequence[NewJob], skipped: int, now: int
) -> int | None:
    """Moves a schedule on and enqueues its jobs; None if somebody else has moved it, 0 if a run is still going."""
    ((is_going,),) = connection.execute(_IS_GOING, (name,)).fetchall()
    made = [] if is_going else jobs
    # What was left out because a run is going is the next one's business; what nobody wanted is nobody's.
    is_left_out = len(made) < len(jobs)
    moved = connection.execute(_MOVE, (fire, int(is_left_out), skipped + len(jobs) - len(made), name, last_fire))
    if not moved.rowcount:
        return None
    JOBS.run(connection, job_values(made, now))
    return len(made)


def pause_schedule(connection: Connection, name: str, paused_at: int | None) -> bool:
    """Whether it fires by itself; False if there is none of this name."""
    return connection.execute("UPDATE job_cron SET paused_at = ? WHERE name = ?", (paused_at, name)).rowcount > 0
