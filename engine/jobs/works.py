"""The part of the engine that does things later: kinds, workers and schedules, made from the configuration.

`engine.later_stages` builds it, `engine.tree` runs it. The schedules are the reference's, and retention, which comes so
often that what is kept for an hour is not there for two.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from actors.hands import WorkerLimits
from actors.ports import Clock, JobDesk
from actors.workers import Workers
from engine.configuration.fields import ConfigError
from engine.core.firing import Cron
from engine.jobs.counts import JobCounts
from engine.jobs.desk import Desk
from engine.jobs.gauges import QueueGauges
from engine.jobs.kinds import Done, Kind, Kinds, Result
from engine.jobs.own import check_given
from engine.jobs.queues import KEPT
from engine.jobs.scheduler import RunArgs, Schedule, Scheduler
from engine.sections.jobs import Jobs, ScheduleSetting
from engine.stores.jobs import JobStore
from protocol.jobs import PRIO_LOW, Claimed, Queue
from protocol.schedules import Missed

# Ended jobs go in transactions of so many: none is long enough to be felt, and between two others have the writer.
PRUNED_AT_ONCE = 1_000
PRUNE_PAUSE_S = 0.02
# Beside the grace and the store's time: who is cancelled ends in a moment, and a claim that is under way is waited for.
STOP_MORE_S = 1.0


@dataclass
class Works:
    """Workers and schedules of one engine."""

    kinds: Kinds
    workers: Workers
    scheduler: Scheduler
    counts: JobCounts
    gauges: QueueGauges


def build_works(
    store: JobStore,
    config: Jobs,
    clock: Clock,
    kinds: Iterable[Kind[Any]] = (),
    more: Iterable[Schedule] = (),
    settings: Sequence[ScheduleSetting] = (),
    workspace: str = "",
    around: Callable[[JobDesk], JobDesk] = lambda desk: desk,
) -> Works:
    """Everything that does jobs on this store. Nothing runs yet. Raises ConfigError.

    `kinds`: besides those of the schedules; `more`: other schedules of the engine's own. `settings`: the schedules of
    the configuration, which belong to `workspace` if they do not say another. `around`: what jobs are done in.
    """
    keep = _Keep(store)
    own = [*_schedules(keep), *more]
    known = Kinds([*kinds, *{schedule.kind.name: schedule.kind for schedule in own}.values()])
    schedules = configured(own, settings, known, workspace)
    counts = JobCounts()
    workers = Workers(store, around(Desk(known, clock)), counts, clock, node_name(), limits_of(config))
    store.set_doorbell(workers.ring)
    return Works(known, workers, Scheduler(store, schedules, clock), counts, QueueGauges(store))


def configured(
    schedules: Sequence[Schedule], settings: Sequence[ScheduleSetting], kinds: Kinds, workspace: str
) -> list[Schedule]:
    """The engine's own schedules as the configuration wants them, and those that it adds. Raises ConfigError."""
    found = {schedule.name: schedule for schedule in schedules}
    for place, setting in enumerate(settings):
        own = found.get(setting.name)
        if own is None:
            found[setting.name] = _added(f"schedules[{place}]", setting, kinds, workspace)
        elif setting.kind or setting.args or setting.workspace:
            raise ConfigError(
                f"schedules[{place}]",
                f"{setting.name!r} is the engine's own: leave out kind, args and workspace, or use another name",
            )
        else:
            cron = Cron(setting.cron or own.cron.line, setting.zone or own.cron.zone)
            found[setting.name] = msgspec.structs.replace(
                own, cron=cron, missed=setting.missed or own.missed, is_off=setting.paused
            )
    return list(found.values())


def _added(key: str, setting: ScheduleSetting, kinds: Kinds, workspace: str) -> Schedule:
    if setting.kind not in (able := kinds.schedulable()):
        raise ConfigError(f"{key}.kind", f"{setting.kind!r} is not allowed: use one of: {', '.join(able)}")
    if not setting.cron:
        raise ConfigError(f"{key}.cron", "is missing: use a cron line, such as '0 2 * * *'")
    kind = kinds.of(setting.kind)
    try:
        check_given(kind, setting.args)
    except ValueError as fault:
        raise ConfigError(f"{key}.args", str(fault)) from fault
    return Schedule(
        name=setting.name,
        cron=Cron(setting.cron, setting.zone or "UTC"),
        kind=kind,
        missed=setting.missed or Missed.COALESCE,
        prio=kind.prio,
        workspace=setting.workspace or workspace,
        given=setting.args,
        is_off=setting.paused,
    )


def node_name() -> str:
    """What other nodes, and operators, see of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def limits_of(config: Jobs) -> WorkerLimits:
    """Bounds of this node's workers."""
    return WorkerLimits(
        slots={
            Queue.ALERT: config.alert_slots,
            Queue.ANALYTICS: config.analytics_slots,
            Queue.PREDICTION: config.prediction_slots,
            Queue.NOTIFICATION: config.notification_slots,
        },
        target_slots=config.target_slots,
        lease_s=config.lease_s,
        renew_s=config.lease_s / 3,
        give_up_s=config.lease_s * 2 / 3,
        sweep_s=config.sweep_s,
        poll_s=config.poll_s,
        grace_s=config.grace_s,
    )


def stop_s(config: Jobs) -> float:
    """How long workers may take to stop: less, and the store would be closed under them."""
    limits = limits_of(config)
    return limits.grace_s + limits.hand_back_s + STOP_MORE_S


class _Keep:
    """Deletes jobs that ended long enough ago."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def run(self, claimed: Claimed, args: RunArgs) -> Result:
        deleted = 0
        while step := await self._store.prune(KEPT, PRUNED_AT_ONCE):
            deleted += step
            # Others' turn: a week's leavings are hundreds of such transactions.
            await trio.sleep(PRUNE_PAUSE_S)
        return Done(result=Deleted(deleted=deleted))


class Deleted(msgspec.Struct, frozen=True):
    """What a clean-up did."""

    deleted: int


def _schedules(keep: _Keep) -> list[Schedule]:
    clean = Kind(name="job_cleanup", queue=Queue.ANALYTICS, args=RunArgs, run=keep.run)
    return [
        Schedule(name="job-cleanup", cron=Cron("0 */12 * * *"), kind=clean, prio=PRIO_LOW),
        Schedule(name="retention", cron=Cron("*/10 * * * *"), kind=clean, prio=PRIO_LOW),
    ]
