"""Schedules as people meet them: how each fares, pausing and resuming it, and having it done once.

Making and changing them is the shelf's (`engine.jobs.own` says what they are). These are acts, not changes: the store
keeps what was paused beside what each has fired up to. Who may change a workspace's own ones may do this to them; those
of the engine and of the configuration are an administrator's. Another workspace's schedule does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from actors.ports import Clock
from engine.access.audit import AuditTrail
from engine.access.roles import check
from engine.core.firing import Window
from engine.jobs.own import own_name
from engine.jobs.scheduler import Schedule, Scheduler
from engine.shelf.kinds import Held, ShelfQuery
from engine.shelf.objects import Shelf
from engine.stores.jobs import JobStore, ScheduleState
from protocol.errors import Conflict
from protocol.model import Principal
from protocol.schedules import OwnSchedule
from protocol.times import SECOND_US, rfc3339


class RunsShown(msgspec.Struct, frozen=True, kw_only=True):
    """How a schedule fares. `next_run` null: it is paused. `skipped`: moments at which the run before was still going,
    or that were missed and not made good. `fault`: why it does not fire, as it is."""

    paused: bool
    next_run: str | None
    completed: int
    failed: int
    skipped: int
    last_run: str | None
    last_duration_s: float | None
    last_outcome: str | None
    fault: str | None = None


@dataclass(frozen=True)
class ScheduleHeld:
    """A schedule and how it fares."""

    held: Held[OwnSchedule]
    runs: RunsShown


class ScheduleVerbs:
    """What is asked and done about schedules beside making them (`shelf`). All raise PermissionDenied,
    StoreUnavailable; UnknownChannel for what is not here."""

    def __init__(
        self, shelf: Shelf[OwnSchedule], store: JobStore, scheduler: Scheduler, trail: AuditTrail, clock: Clock
    ) -> None:
        self.shelf = shelf
        self._store = store
        self._scheduler = scheduler
        self._trail = trail
        self._clock = clock

    async def page(self, who: Principal, query: ShelfQuery) -> tuple[list[ScheduleHeld], str | None]:
        """A page of schedules in the order of their ids, and where the next one starts."""
        page = await self.shelf.page(who, query)
        return await self._fared(who, page.items), page.next_cursor

    async def get(self, who: Principal, object_id: str) -> ScheduleHeld:
        """One schedule."""
        [found] = await self._fared(who, [await self.shelf.get(who, object_id)])
        return found

    async def pause(self, who: Principal, object_id: str, is_paused: bool, address: str = "") -> ScheduleHeld:
        """Whether it fires by itself. What it would have fired meanwhile is not made good. Idempotent."""
        held, schedule = await self._to_act(who, object_id)
        if schedule.is_off and not is_paused:
            raise Conflict("it is paused by the configuration: take `paused` out there and start the engine again")
        await self._trail.record(who, "pause_schedule" if is_paused else "resume_schedule", object_id, address)
        await self._scheduler.known(schedule.name)
        await self._store.pause_schedule(schedule.name, is_paused)
        [found] = await self._fared(who, [held])
        return found

    async def run(self, who: Principal, object_id: str, address: str = "") -> int:
        """Has it done once, now, also if it is paused; the job's number. What it fires by itself stays as it is."""
        _, schedule = await self._to_act(who, object_id)
        await self._trail.record(who, "run_schedule", object_id, address)
        now = self._clock()
        state = await self._scheduler.known(schedule.name)
        job = schedule.job(Window(min(state.last_fire, now), now), f"run:{schedule.name}")
        [made] = await self._store.enqueue([job])
        if not made.is_new:
            raise Conflict(f"it was asked for before and is still to be done: that is job {made.id}")
        return made.id

    async def _to_act(self, who: Principal, object_id: str) -> tuple[Held[OwnSchedule], Schedule]:
        """For who may change schedules; those of the configuration are an administrator's."""
        check(who, "edit")
        held = await self.shelf.get(who, object_id)
        if held.stored is None:
            check(who, "administer")
        self.shelf.permit(who, held.value, held.value)
        schedule = self._scheduler.schedules.get(_name(who, held))
        if schedule is None:
            raise Conflict("it is put away, or nobody here knows its kind any more: it fires nothing")
        return held, schedule

    async def _fared(self, who: Principal, those: Sequence[Held[OwnSchedule]]) -> list[ScheduleHeld]:
        names = [_name(who, held) for held in those]
        states = await self._store.schedules(names) if names else {}
        return [
            ScheduleHeld(held, self._runs(name, states.get(name) or ScheduleState(name=name, last_fire=self._clock())))
            for name, held in zip(names, those, strict=True)
        ]

    def _runs(self, name: str, state: ScheduleState) -> RunsShown:
        schedule = self._scheduler.schedules.get(name)
        due = None if schedule is None else self._scheduler.next_due(name, state)
        last = state.last
        return RunsShown(
            paused=state.paused_at is not None or (schedule is not None and schedule.is_off),
            next_run=None if due is None else rfc3339(due),
            completed=state.completed,
            failed=state.failed,
            skipped=state.skipped,
            last_run=None if last is None else rfc3339(last.started_at),
            last_duration_s=None if last is None else round((last.finished_at - last.started_at) / SECOND_US, 3),
            last_outcome=None if last is None else last.verdict,
            fault=self._scheduler.fault(name),
        )


def _name(who: Principal, held: Held[OwnSchedule]) -> str:
    return own_name(who.workspace, held.id) if held.stored else held.id
