"""Schedules as objects: those of the engine and of its configuration, and what a workspace's people make.

The engine's own belong to the workspace `system`; those of `[[schedules]]` to the workspace that they name. Neither is
changed here: the file is its place. What people make is kept with versions like any object, and the scheduler hears of
each change with its commit. What may be scheduled is what a kind of job says of itself (`Kind.is_schedulable`), with
arguments that fit it: what could not run is refused while it is saved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from actors.ports import Clock
from engine.access.roles import SYSTEM_WORKSPACE
from engine.core.firing import Cron, check
from engine.input.misfits import explained
from engine.jobs.kinds import Kind as JobKind
from engine.jobs.kinds import Kinds
from engine.jobs.scheduler import OWN, Schedule, Scheduler
from engine.shelf.directory import check_zone
from engine.shelf.kinds import Kind, Origin
from engine.shelf.live import Listener, ObjectFigures, readable
from engine.stores.objects import ObjectNews
from protocol.errors import BadRequest, Conflict
from protocol.model import Principal
from protocol.schedules import OwnSchedule

SCHEDULE = "schedule"
# What a kind's arguments have that nobody gives: the window of a run, and who handed the job over.
NOT_GIVEN = frozenset({"since", "until", "by"})
FIELDS = 5


class Given:
    """Schedules that nobody stored, by workspace: `engine.shelf.kinds.Unmanaged`."""

    origin = Origin.CONFIG
    advice = "it is the engine's own or of tocsin.toml: change it there ([[schedules]]) and start the engine again"

    def __init__(self, schedules: Mapping[str, Schedule]) -> None:
        self._schedules: dict[str, dict[str, OwnSchedule]] = {}
        for name, one in sorted(schedules.items()):
            if OWN not in name:
                self._schedules.setdefault(one.workspace or SYSTEM_WORKSPACE, {})[name] = _as_object(one)

    def has(self, workspace: str, object_id: str) -> bool:
        """Whether there is one."""
        return object_id in self._schedules.get(workspace, {})

    async def page(self, workspace: str, after: str, limit: int) -> Sequence[OwnSchedule]:
        """Those behind an id, in order."""
        found = list(self._schedules.get(workspace, {}).values())
        start = bisect_right(found, after, key=lambda one: one.id)
        return found[start : start + limit]

    async def get(self, workspace: str, object_id: str) -> OwnSchedule | None:
        """One of them."""
        return self._schedules.get(workspace, {}).get(object_id)


def schedule_kind(given: Given, kinds: Kinds, schedules_max: int, clock: Clock) -> Kind[OwnSchedule]:
    """What a schedule is as an object."""

    def prepare(who: Principal, schedule: OwnSchedule) -> OwnSchedule:
        if given.has(who.workspace, schedule.id):
            # Before what is said of its kind, which need not be one that people may schedule.
            raise Conflict(f"this schedule is not changed here: {given.advice}")
        _check_when(schedule, clock())
        _check_what(schedule, kinds)
        return schedule

    return Kind(
        name=SCHEDULE,
        type=OwnSchedule,
        objects_max=schedules_max,
        setting="objects.schedules_max",
        prepare=prepare,
        unmanaged=given,
    )


def follow_schedules(
    scheduler: Scheduler, kinds: Kinds, given: Given, kind: Kind[OwnSchedule], figures: ObjectFigures
) -> Listener:
    """Keeps the scheduler as the store has them."""

    def told(news: Sequence[ObjectNews]) -> None:
        for each in news:
            name = own_name(each.workspace, each.id)
            # One of the configuration counts before a stored one of the same id.
            if (now := each.now) is None:
                scheduler.remove(name)
            elif now.archived_at is not None or given.has(each.workspace, each.id):
                scheduler.put_away(name)
            elif (value := readable(kind, now, figures)) is None:
                scheduler.rest(name, "it was stored by another version of the program, which this one cannot read")
            elif value.kind not in kinds.names():
                scheduler.rest(name, f"no job of the kind {value.kind!r} is known here")
            else:
                scheduler.put(_as_schedule(value, kinds.of(value.kind), each.workspace, now.updated_at))

    return told


def own_name(workspace: str, object_id: str) -> str:
    """What a workspace's own schedule is called among all."""
    return f"{workspace}{OWN}{object_id}"


def check_when(cron: str, zone: str, now: int) -> None:
    """Raises ValueError that says what cannot be meant."""
    if fault := check(Cron(cron, zone), now):
        raise ValueError(fault)


def check_given(kind: JobKind[Any], given: Mapping[str, Any]) -> None:
    """Raises ValueError if a kind of job does not take these arguments."""
    known = [field.name for field in msgspec.structs.fields(kind.args) if field.name not in NOT_GIVEN]
    for name in given:
        if name not in known:
            raise ValueError(f"{kind.name} takes no {name!r}; it takes: {', '.join(known) or 'nothing'}")
    whole = {**given, "since": 0, "until": 0}
    try:
        msgspec.convert(whole, kind.args)
    except msgspec.ValidationError as fault:
        raise ValueError(explained(kind.args, whole, fault)) from fault


def _check_when(schedule: OwnSchedule, now: int) -> None:
    check_zone(schedule.zone, "zone")
    if len(schedule.cron.split()) > FIELDS:
        raise BadRequest(f"cron: {schedule.cron!r} has seconds; write five fields, once a minute is the most often")
    try:
        check_when(schedule.cron, schedule.zone, now)
    except ValueError as fault:
        raise BadRequest(f"cron: {fault}") from fault


def _check_what(schedule: OwnSchedule, kinds: Kinds) -> None:
    able = kinds.schedulable()
    if schedule.kind not in able:
        raise BadRequest(f"kind: {schedule.kind!r} cannot be scheduled here; use one of: {', '.join(able)}")
    try:
        check_given(kinds.of(schedule.kind), schedule.args)
    except ValueError as fault:
        raise BadRequest(f"args: {fault}") from fault


def _as_object(one: Schedule) -> OwnSchedule:
    return OwnSchedule(
        id=one.name,
        cron=one.cron.line,
        kind=one.kind.name,
        zone=one.cron.zone,
        missed=one.missed,
        args=dict(one.given),
    )


def _as_schedule(value: OwnSchedule, kind: JobKind[Any], workspace: str, since: int) -> Schedule:
    return Schedule(
        name=own_name(workspace, value.id),
        cron=Cron(value.cron, value.zone),
        kind=kind,
        missed=value.missed,
        prio=kind.prio,
        workspace=workspace,
        given=value.args,
        since=since,
    )
