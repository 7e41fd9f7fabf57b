"""Fires schedules: at the moments that their cron lines say, once however many nodes there are.

Owns: nothing that is not in the store. A turn looks at what each schedule has fired up to, and moves it on with its
jobs in one transaction, if it is still where it was: another node may have been quicker, and then it is its run. Waits
until the next moment, `LOOK_S` at most, because the wall clock can be set, and other nodes fire too. While the store is
away it waits; what is missed then is made good as the schedule says. If it crashes, its supervisor starts it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import structlog
import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.core.firing import Cron, Missed, Plan, Window, plan
from engine.jobs.kinds import Kind
from engine.stores.jobs import JobStore, ScheduleState
from protocol.errors import StoreUnavailable
from protocol.jobs import PRIO_MEDIUM, NewJob
from protocol.times import SECOND_US, rfc3339

log = structlog.get_logger()
# The wall clock may be set meanwhile, and another node may have fired.
LOOK_S = 30.0


class RunArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a schedule is told: it is for the moment `until`, and covers what came after `since`
    (microseconds)."""

    since: int
    until: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is done when."""

    name: str
    cron: Cron
    kind: Kind[RunArgs]
    missed: Missed = Missed.COALESCE
    prio: int = PRIO_MEDIUM

    def jobs(self, runs: Iterable[Window]) -> list[NewJob]:
        """The jobs of its runs."""
        return [
            self.kind.job(
                RunArgs(since=run.since, until=run.until),
                prio=self.prio,
                key=f"cron:{self.name}:{rfc3339(run.until)}",
                schedule=self.name,
            )
            for run in runs
        ]


class Scheduler:
    """Fires all schedules of this engine."""

    def __init__(self, store: JobStore, schedules: Iterable[Schedule], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.schedules: Mapping[str, Schedule] = {schedule.name: schedule for schedule in schedules}
        self.fired = 0

    def next_due(self, name: str, state: ScheduleState) -> int | None:
        """When it fires next (microseconds); None: it is paused, or never does."""
        return None if state.paused_at is not None else self.schedules[name].cron.next_after(state.last_fire)

    async def run(self, status: Started) -> None:
        """Fires what is due, for ever."""
        status.started()
        while True:
            try:
                wait_s = await self._turn()
            except StoreUnavailable as fault:
                log.warning("schedules_postponed", cause=str(fault))
                wait_s = 1.0
            await trio.sleep(wait_s)

    async def _turn(self) -> float:
        """Fires what is due now; how long there is nothing to do then."""
        states = await self._store.schedules()
        due: list[int] = []
        for name, schedule in self.schedules.items():
            state = states.get(name) or await self._store.add_schedule(name, self._clock())
            planned = plan(schedule.cron, schedule.missed, state.last_fire, self._clock())
            if planned is not None:
                await self._fire(schedule, state, planned)
            moment = schedule.cron.next_after(max(state.last_fire, self._clock()))
            due += [] if moment is None else [moment]
        soonest_s = (min(due) - self._clock()) / SECOND_US if due else LOOK_S
        return min(LOOK_S, max(0.0, soonest_s))

    async def _fire(self, schedule: Schedule, state: ScheduleState, planned: Plan) -> None:
        # What is paused moves on too: else all that it has missed would come at once when it goes on.
        jobs = [] if state.paused_at is not None else schedule.jobs(planned.runs)
        made = await self._store.fire(schedule.name, state.last_fire, planned.fire, jobs, planned.skipped)
        if made:
            self.fired += made
            log.info("schedule_fired", schedule=schedule.name, runs=made, skipped=planned.skipped)
        elif made == 0 and jobs:
            log.warning("schedule_still_going", schedule=schedule.name, skipped=planned.skipped + len(jobs))
