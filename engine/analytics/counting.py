"""Has alerts counted, again and again, and once a night all that waits. Owns nothing but what it has counted so far:
the store knows which hours are to be counted, so a crash costs nothing.

The store says when an hour is due, so that a large one is not counted every few seconds; a turn takes what is due, a
few hours at a time, and pauses in between for four times as long as that took: others' questions come in between, and
counting takes a fifth of a core at most, however much there is to catch up on (an upgrade marks all there is). While
the store is away it waits for the next turn.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog
import trio

from actors.ports import Clock
from actors.supervisor import Started
from engine.analytics.leisure import pause_since
from engine.cache.cache import Cache
from engine.cache.strategies import COUNTED
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.stores.aggregates import AggregateStore, Waiting
from protocol.errors import StoreUnavailable
from protocol.jobs import PRIO_HIGH, Claimed, Queue
from protocol.times import SECOND_US

log = structlog.get_logger()

# Hours that are taken at once; what is taken and not counted is found again after two minutes.
HOURS_AT_ONCE = 8
PAUSE_MAX_S = 10.0
# The nightly run does not wait for what would be due later. A day is more than any hour waits that is not huge and old.
AHEAD_US = 86_400 * SECOND_US
# Of the job's ten minutes; what is left then is counted by the turns.
NIGHT_MAX_S = 480.0


class Counted(msgspec.Struct, frozen=True):
    """What a nightly run did: hours, the alerts in them, and how many of their figures were not as they had been."""

    hours: int
    alerts: int
    changed: int


class Counting:
    """Takes turns. `is_ours`: whether that is this node's to do."""

    def __init__(
        self, store: AggregateStore, cache: Cache, clock: Clock, every_s: float, is_ours: Callable[[], bool]
    ) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._every_s = every_s
        # Of several nodes one is enough; two at a time would do no harm.
        self.is_ours = is_ours
        self.hours = self.alerts = self.changed = 0
        self._waiting = Waiting(hours=0, changed_us=None)

    async def run(self, status: Started) -> None:
        """Takes its turns for ever."""
        status.started()
        while True:
            try:
                if self.is_ours():
                    await self.turn()
                    self._waiting = await self._store.aggregates_waiting()
            except StoreUnavailable as fault:
                log.warning("counting_postponed", cause=str(fault))
            await trio.sleep(self._every_s)

    async def turn(self, ahead_us: int = 0) -> Counted:
        """Counts what is due now, or will be by then. Raises StoreUnavailable."""
        hours = alerts = changed = 0
        while True:
            began = trio.current_time()
            step = await self._store.count_alerts(HOURS_AT_ONCE, ahead_us=ahead_us)
            if not step.hours:
                return Counted(hours, alerts, changed)
            hours, alerts, changed = hours + step.hours, alerts + step.alerts, changed + step.changed
            self._note(step.hours, step.alerts, step.changed)
            for workspace in step.workspaces:
                self._cache.forget(workspace, [COUNTED])
            await pause_since(began, PAUSE_MAX_S)

    async def catch_up(self) -> Counted:
        """Counts all that waits, due or not, in so much time as a job may take. Raises StoreUnavailable."""
        with trio.move_on_after(NIGHT_MAX_S):
            return await self.turn(AHEAD_US)
        return Counted(0, 0, 0)

    def _note(self, hours: int, alerts: int, changed: int) -> None:
        self.hours += hours
        self.alerts += alerts
        self.changed += changed

    def statistics(self) -> dict[str, float]:
        """Counted since the start: hours, alerts (each time anew), figures that changed; and what waits: hours, and how
        long the oldest change has waited (seconds), as of the last turn."""
        changed_us = self._waiting.changed_us
        lag_s = max(self._clock() - changed_us, 0) / SECOND_US if changed_us else 0.0
        return {
            "hours": self.hours,
            "alerts": self.alerts,
            "changed": self.changed,
            "hours_waiting": self._waiting.hours,
            "lag_s": lag_s,
        }

    def schedule(self) -> Schedule:
        """The reference's: each night all that waits, whether it is due or not."""

        async def count(claimed: Claimed, args: RunArgs) -> Result:
            return Done(result=await self.catch_up())

        kind = Kind(name="analytics_aggregation", queue=Queue.ANALYTICS, args=RunArgs, run=count)
        return Schedule(name="analytics-aggregation", cron=Cron("0 2 * * *"), kind=kind, prio=PRIO_HIGH)
