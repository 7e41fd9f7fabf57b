"""Fires schedules: at the moments that their cron lines say, once however many nodes there are.

Owns: which schedules there are, and when each is to be looked at next; what each has fired up to is in the store. A
turn looks at those that are due and moves each on with its jobs in one transaction, if it is still where it was:
another node may have been quicker, and then it is its run. Waits until the next moment, `LOOK_S` at most, because the
wall clock can be set, and for the bell: people make, change and delete schedules of their own (`engine.jobs.schedules`)
while it runs. While the store is away it waits; what is missed then is made good as the schedule says. One that cannot
fire as it is (a time zone that is not there any more) is marked with the reason, and the others go on. If it crashes,
its supervisor starts it again, and it looks at all of them.

Decided against: asking the store for all schedules at each turn (with a thousand workspaces there are many of them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
import trio

from actors.bell import Bell
from actors.ports import Clock
from actors.supervisor import Started
from engine.core.firing import Cron, Plan, Window, check, plan
from engine.jobs.kinds import Kind
from engine.stores.jobs import JobStore, ScheduleState
from protocol.errors import StoreUnavailable
from protocol.jobs import PRIO_MEDIUM, NewJob
from protocol.schedules import Missed
from protocol.times import SECOND_US, rfc3339

log = structlog.get_logger()
# The wall clock may be set meanwhile, and another node may have fired.
LOOK_S = 30.0
# One that cannot fire is looked at again so often: a time zone may have been installed.
FAULTY_LOOK_S = 300.0
# Fired for a moment so far ahead: the clock was wrong then, or is now. One that is a little wrong is waited for.
AHEAD_US = 24 * 3_600 * SECOND_US
# A machine that starts in 1970 has asked for the time by then.
SURE_S = 3_600.0
# The name of a schedule that people made has its workspace before it; no other has one in it.
OWN = ":"


class AheadError(Exception):
    """It has fired for a time that is far away by this clock."""


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
        # Put away: they fire nothing, and what is known of them stays, because they may be taken out again.
        self._away: set[str] = set()
        self._gone: set[str] = set()
        self._bell = Bell()
        self._latest = 0
        # Those that have fired for a time that is far away, and since when that is known (by trio's clock).
        self._ahead: dict[str, float] = {}
        # Why those do not fire that cannot, as they are.
        self.faults: dict[str, str] = {}
        self.fired = self.set_right = 0

    def statistics(self) -> dict[str, int]:
        """Runs fired, schedules that cannot fire, and those that were far ahead of the clock and are not any more."""
        return {"fired": self.fired, "faulty": len(self.faults), "set_right": self.set_right}

    def put(self, schedule: Schedule) -> None:
        """There is this schedule now, or it is another one now."""
        self._take_out(schedule.name)
        self.schedules[schedule.name] = schedule
        self._bell.ring()

    def put_away(self, name: str) -> None:
        """It fires no more, for now: its pause and its counts are kept. Taken out again, it is as it was."""
        self._take_out(name)
        self._away.add(name)

    def remove(self, name: str) -> None:
        """There is no such schedule any more; it is forgotten in the store, too."""
        self._take_out(name)
        self._gone.add(name)
        self._bell.ring()

    def rest(self, name: str, why: str) -> None:
        """There is such a schedule, but not for this version of the program: others may know it, so it is kept."""
        self._take_out(name)
        self._note(name, why)

    async def known(self, name: str) -> ScheduleState:
        """What the store knows of one, from now on if it has not been looked at. Raises StoreUnavailable."""
        # One that was deleted and made again has nothing of the old one, and keeps what is done to it from now on.
        await self._forget(name)
        return await self._store.add_schedule(name, self._clock())

    def next_due(self, name: str, state: ScheduleState) -> int | None:
        """When it fires next (microseconds); None: it is paused, or never does."""
        schedule = self.schedules[name]
        if state.paused_at is not None or schedule.is_off or self._fault_of(schedule):
            return None
        return schedule.cron.next_after(max(state.last_fire, schedule.since))

    def fault(self, name: str) -> str | None:
        """Why it cannot fire; None: it can."""
        schedule = self.schedules.get(name)
        return self.faults.get(name) or (None if schedule is None else self._fault_of(schedule))

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
        kept = self.schedules.keys() | self.faults.keys() | self._away
        self._gone |= {name for name in known if OWN in name and name not in kept}

    async def _turn(self) -> float:
        """Fires what is due now; how long there is nothing to do then."""
        for name in sorted(self._gone):
            await self._forget(name)
        now = self._clock()
        if now < self._latest:
            # It was set back: what was due at a time that has not come yet may be due before it.
            self._due.clear()
        self._latest = now
        due = [name for name in self.schedules if self._due.get(name, 0) <= now]
        states = await self._store.schedules(due) if due else {}
        for name in due:
            # It may have gone, or become another, while the store was waited for.
            if (schedule := self.schedules.get(name)) is not None:
                await self._look(schedule, states.get(name))
        soonest = min((self._due.get(name, 0) for name in self.schedules), default=now + int(LOOK_S * SECOND_US))
        return min(LOOK_S, max(0.0, (soonest - self._clock()) / SECOND_US))

    def _take_out(self, name: str) -> None:
        self.schedules.pop(name, None)
        self._due.pop(name, None)
        self.faults.pop(name, None)
        self._away.discard(name)

    async def _forget(self, name: str) -> None:
        if name in self._gone:
            await self._store.forget_schedule(name)
            self._gone.discard(name)

    async def _look(self, schedule: Schedule, state: ScheduleState | None) -> None:
        """Fires one if it is due. What is wrong with it is kept as its fault, and keeps no other from firing."""
        try:
            due = await self._fire_due(schedule, state)
            fault = None if due is not None else self._fault_of(schedule)
        except StoreUnavailable:
            raise
        except AheadError as raised:
            due, fault = None, str(raised)
        except Exception as raised:
            # The boundary of one schedule: a zone or a kind's arguments may have changed since it was saved.
            due, fault = None, self._fault_of(schedule) or f"{type(raised).__name__}: {raised}"
        if self.schedules.get(schedule.name) is schedule:
            self._due[schedule.name] = due or self._clock() + int(FAULTY_LOOK_S * SECOND_US)
            self._note(schedule.name, fault)

    async def _fire_due(self, schedule: Schedule, state: ScheduleState | None) -> int | None:
        """When it is due next; None: never again."""
        if state is None:
            state = await self._store.add_schedule(schedule.name, self._clock())
        # Read once: a moment that comes while we look is not passed over until the one after it.
        now = self._clock()
        if state.last_fire > now + AHEAD_US:
            return await self._set_right(schedule, state, now)
        self._ahead.pop(schedule.name, None)
        # It was changed when the clock was wrong.
        since = schedule.since if schedule.since <= now + AHEAD_US else 0
        after, covered = max(state.last_fire, since), None if since > state.last_fire else state.covered
        planned = plan(schedule.cron, schedule.missed, after, now, covered)
        if planned is not None:
            await self._fire(schedule, state, planned)
        return schedule.cron.next_after(max(after, now))

    async def _set_right(self, schedule: Schedule, state: ScheduleState, now: int) -> int | None:
        """Which clock was wrong, that one or this? This one is put right within `SURE_S`, if it is wrong."""
        first_seen = self._ahead.setdefault(schedule.name, trio.current_time())
        if trio.current_time() < first_seen + SURE_S:
            ahead = f"it has fired up to {rfc3339(state.last_fire)}"
            raise AheadError(f"{ahead}: if the clock stays as it is, it goes on in an hour")
        if await self._store.fire(schedule.name, state.last_fire, now, []) is not None:
            self.set_right += 1
            log.warning("schedule_set_right", schedule=schedule.name, fired_up_to=rfc3339(state.last_fire))
        return schedule.cron.next_after(now)

    def _fault_of(self, schedule: Schedule) -> str | None:
        return check(schedule.cron, self._clock())

    def _note(self, name: str, fault: str | None) -> None:
        if fault is None:
            self.faults.pop(name, None)
        elif self.faults.get(name) != fault:
            self.faults[name] = fault
            log.warning("schedule_cannot_fire", schedule=name, fault=fault)

    async def _fire(self, schedule: Schedule, state: ScheduleState, planned: Plan) -> None:
        # What is paused moves on too: else all that it has missed would come at once when it goes on.
        jobs = [] if state.paused_at is not None or schedule.is_off else schedule.jobs(planned.runs)
        made = await self._store.fire(schedule.name, state.last_fire, planned.fire, jobs, planned.skipped)
        if made:
            self.fired += made
            log.info("schedule_fired", schedule=schedule.name, runs=made, skipped=planned.skipped)
        elif made == 0 and jobs:
            log.warning("schedule_still_going", schedule=schedule.name, skipped=planned.skipped + len(jobs))
