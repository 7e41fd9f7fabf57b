"""What is done about the cache by the clock: how it is, each hour; statistics anew, each half hour. The reference's."""

from __future__ import annotations

import msgspec
import trio

from engine.cache.cache import Cache
from engine.cache.strategies import STATISTICS
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from protocol.jobs import PRIO_LOW, Claimed, Queue


class CacheHealth(msgspec.Struct, frozen=True):
    """How the cache of the node that looked was: hits of all answers since its start, and what did not count."""

    hit_rate_percent: dict[str, float]
    errors: dict[str, int]
    figures: dict[str, float]


class Refreshed(msgspec.Struct, frozen=True):
    """What is asked for anew from now on."""

    forgotten: str


def cache_schedules(cache: Cache) -> list[Schedule]:
    """Both of them."""

    async def look(claimed: Claimed, args: RunArgs) -> Result:
        await trio.lowlevel.checkpoint()
        counts = cache.counts
        rates = {name: round(counts.hit_rate_percent(name), 1) for name in counts.strategies}
        errors = {fault.value: count for fault, count in counts.faults.items()}
        return Done(result=CacheHealth(rates, errors, dict(cache.statistics())))

    async def refresh(claimed: Claimed, args: RunArgs) -> Result:
        await trio.lowlevel.checkpoint()
        cache.forget_kind(STATISTICS)
        return Done(result=Refreshed(STATISTICS.name))

    health = Kind(name="cache_health_check", queue=Queue.ANALYTICS, args=RunArgs, run=look)
    stats = Kind(name="alert_stats_refresh", queue=Queue.ANALYTICS, args=RunArgs, run=refresh)
    return [
        Schedule(name="cache-health-check", cron=Cron("0 * * * *"), kind=health, prio=PRIO_LOW),
        Schedule(name="alert-stats-refresh", cron=Cron("*/30 * * * *"), kind=stats, prio=PRIO_LOW),
    ]
