"""Fires schedules: at the moments that their cron lines say, once however many nodes there are.

Owns: which schedules there are, and when each is to be looked at next; what each has fired up to is in the store. A
turn looks at those that are due and moves each on with its jobs in one transaction, if it is still where it was:
another node may have been quicker, and then it is its run. Waits until the next moment, `LOOK_S` at most, because the
wall clock can be set, and for the bell: people make, change and delete schedules of their own (`engine.jobs.schedules`)
while it runs. While the store is away it waits; what is missed then is made good as the schedule says. If it crashes,
its supervisor starts it again, and it looks at all of them.

Decided against: asking the store for all schedules at each turn (with a thousand workspaces there are many of them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import structlog

from actors.bell import Bell
from actors.ports import Clock
from actors.supervisor import Started
from engine.core.firing import Cron, Plan, Window, plan
from engine.jobs.kinds import Kind
from engine.stores.jobs import JobStore, ScheduleState
from protocol.errors import StoreUnavailable
from protocol.jobs import PRIO_MEDIUM, NewJob
from protocol.schedules import Missed
from protocol.times import SECOND_US, rfc3339

log = structlog.get_logger()
# The wall clock may be set meanwhile, and another node may have fired.
LOOK_S = 30.0
# The name of a schedule that people made has its workspace before it; no other has one in it.
OWN = ":"


class RunArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a schedule is told: it is for the moment `until`, and covers what came after `since`
    (microseconds)."""

    since: int
    until: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What is done when.

    `given`: what its jobs are given beside the window. `since`: nothing is fired for moments up to then, when it was
    made or changed (microseconds). `workspace` empty: the installation's own. `is_off`: paused by the configuration.
    """

    name: str
    cron: Cron
    kind: Kind[Any]
    missed: Missed = Missed.COALESCE
    prio: int = PRIO_MEDIUM
    workspace: str = ""
    given: Mapping[str, Any] = MappingProxyType({})
    since: int = 0
    is_off: bool = False

    def jobs(self, runs: Iterable[Window]) -> list[NewJob]:
        """The jobs of its runs."""
        return [self.job(run, f"cron:{self.name}:{rfc3339(run.until)}") for run in runs]

    def job(self, run: Window, key: str) -> NewJob:
        """The job of one run."""
        args = msgspec.convert({**self.given, "since": run.since, "until": run.until}, self.kind.args)
        # What a workspace has scheduled for midnight does not keep others' from being done at midnight.
        target = f"{self.workspace}/schedules" if self.workspace else None
        more = {"key": key, "schedule": self.name, "workspace": self.workspace, "target": target}
        return self.kind.job(args, prio=self.prio, **more)


class Scheduler:
    """Fires all schedules of this engine."""

    def __init__(self, store: JobStore, schedules: Iterable[Schedule], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.schedules: dict[str, Schedule] = {schedule.name: schedule for schedule in schedules}
        # When each is looked at next (microseconds); what is not here is looked at now.
        self._due: dict[str, int] = {}
        self._gone: set[str] = set()
        self._bell = Bell()
        self.fired = 0

    def put(self, schedule: Schedule) -> None:
        """There is this schedule now, or it is another one now."""
        self.schedules[schedule.name] = schedule
        self._due.pop(schedule.name, None)
        self._bell.ring()

    def remove(self, name: str) -> None:
        """There is no such schedule any more; it is forgotten in the store, too."""
        if self.schedules.pop(name, None) is not None:
            self._due.pop(name, None)
            self._gone.add(name)
            self._bell.ring()

    def next_due(self, name: str, state: ScheduleState) -> int | None:
        """When it fires next (microseconds); None: it is paused, or never does."""
        schedule = self.schedules[name]
        if state.paused_at is not None or schedule.is_off:
            return None
        return schedule.cron.next_after(max(state.last_fire, schedule.since))

    async def run(self, status: Started) -> None:
        """Fires what is due, for ever."""
        status.started()
        self._due.clear()
        is_tidy = False
        while True:
            self._bell.clear()
            try:
                if not is_tidy:
                    await self._find_gone()
                    is_tidy = True
                wait_s = await self._turn()
            except StoreUnavailable as fault:
                log.warning("schedules_postponed", cause=str(fault))
                wait_s = 1.0
            await self._bell.wait(wait_s)

    async def _find_gone(self) -> None:
        """Those that were deleted while nobody was there to forget them."""
        known = await self._store.schedules()
        self._gone |= {name for name in known if OWN in name and name not in self.schedules}

    async def _turn(self) -> float:
        """Fires what is due now; how long there is nothing to do then."""
        for name in sorted(self._gone):
            await self._store.forget_schedule(name)
            self._gone.discard(name)
        now = self._clock()
        due = [name for name in self.schedules if self._due.get(name, 0) <= now]
        states = await self._store.schedules(due) if due else {}
        for name in due:
            # It may have gone, or become another, while the store was waited for.
            if (schedule := self.schedules.get(name)) is not None:
                await self._look(schedule, states.get(name))
        soonest = min((self._due.get(name, 0) for name in self.schedules), default=now + int(LOOK_S * SECOND_US))
        return min(LOOK_S, max(0.0, (soonest - self._clock()) / SECOND_US))

    async def _look(self, schedule: Schedule, state: ScheduleState | None) -> None:
        if state is None:
            state = await self._store.add_schedule(schedule.name, self._clock())
        after = max(state.last_fire, schedule.since)
        # Read once: a moment that comes while we look is not passed over until the one after it.
        now = self._clock()
        planned = plan(schedule.cron, schedule.missed, after, now)
        if planned is not None:
            await self._fire(schedule, state, planned)
        moment = schedule.cron.next_after(max(after, now))
        if self.schedules.get(schedule.name) is schedule:
            # One that never fires again is looked at again all the same: nobody needs a case for it.
            self._due[schedule.name] = moment or self._clock() + int(LOOK_S * SECOND_US)

    async def _fire(self, schedule: Schedule, state: ScheduleState, planned: Plan) -> None:
        # What is paused moves on too: else all that it has missed would come at once when it goes on.
        jobs = [] if state.paused_at is not None or schedule.is_off else schedule.jobs(planned.runs)
        made = await self._store.fire(schedule.name, state.last_fire, planned.fire, jobs, planned.skipped)
        if made:
            self.fired += made
            log.info("schedule_fired", schedule=schedule.name, runs=made, skipped=planned.skipped)
        elif made == 0 and jobs:
            log.warning("schedule_still_going", schedule=schedule.name, skipped=planned.skipped + len(jobs))
