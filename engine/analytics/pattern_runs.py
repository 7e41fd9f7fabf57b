"""Looks for patterns every six hours: a job for each workspace, and a process that reads its history and mines it.

Owns counts alone. What a job finds is kept as findings of the kind `pattern`, by the version that was read
(`pattern_reading`): what somebody says meanwhile counts. What is new is told on the workspace's stream. A run that
breaks off is done again and finds the same. What it did is kept, too (`LAST_RUN`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.analytics.each_workspace import OfWorkspace, start_each
from engine.analytics.keeping import keep
from engine.analytics.pattern_findings import LAST_RUN, PATTERN, RUN, finding_of, run_finding, run_of
from engine.analytics.pattern_worker import Asked, Outcome
from engine.cache.cache import Cache
from engine.cache.strategies import PATTERNS_CHANGED
from engine.computing.asking import Asking
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.stores import Store
from protocol.jobs import PRIO_LOW, PRIO_MEDIUM, Claimed, Queue
from protocol.patterns import Pattern, PatternRun
from protocol.times import parse_rfc3339, rfc3339

MODULE = "engine.analytics.pattern_worker"

Tell = Callable[[str, Pattern], None]


class PatternRuns:
    """The jobs. `tell` is told of each new pattern, on the loop, once it is kept."""

    def __init__(self, store: Store, asking: Asking, cache: Cache, tell: Tell) -> None:
        self._store = store
        self._cache = cache
        self._tell = tell
        self.asking = asking
        self._figures = dict.fromkeys(("runs", "alerts", "found", "told"), 0)
        self.kind = Kind(name="pattern_mining", queue=Queue.ANALYTICS, args=OfWorkspace, run=self.mine, prio=PRIO_LOW)

    def statistics(self) -> dict[str, int]:
        """Runs over a workspace, alerts read, patterns found (known ones, too), those that were new and so told."""
        return dict(self._figures)

    def schedule(self) -> Schedule:
        """The reference's `pattern-detection`."""
        kind = Kind(name="pattern_detection", queue=Queue.ANALYTICS, args=RunArgs, run=self.start)
        return Schedule(name="pattern-detection", cron=Cron("0 */6 * * *"), kind=kind, prio=PRIO_MEDIUM)

    async def start(self, claimed: Claimed, args: RunArgs) -> Result:
        """A job for each workspace."""
        return Done(result=await start_each(self._store, self.kind, "patterns", args.until))

    async def mine(self, claimed: Claimed, args: OfWorkspace) -> Result:
        """One workspace's run; what it did is its result."""
        return Done(result=await self.run(args.of, args.until))

    async def run(self, workspace: str, until: int) -> PatternRun:
        """Looks for the patterns of a workspace up to then (microseconds); what the last run did, if nothing has rung
        since. Raises StoreUnavailable."""
        if (last := await self.last(workspace)) is not None and await self._is_calm(workspace, last, until):
            return last
        answer = await self.asking.compute(MODULE, msgspec.msgpack.encode(Asked(workspace, until)))
        outcome = msgspec.msgpack.decode(answer, type=Outcome)
        new = await self._keep(workspace, outcome.patterns, until)
        run = PatternRun(
            at=rfc3339(until),
            since=rfc3339(outcome.since),
            alerts=outcome.alerts,
            is_cut=outcome.is_cut,
            found=len(outcome.patterns),
            new=len(new),
            lacking=outcome.lacking,
        )
        await self._store.put_findings([run_finding(workspace, run, until)])
        self._cache.forget(workspace, [PATTERNS_CHANGED])
        self._count(run)
        for pattern in new:
            self._tell(workspace, pattern)
        return run

    async def last(self, workspace: str) -> PatternRun | None:
        """What the last run over a workspace did; None: there was none. Raises StoreUnavailable."""
        return run_of(await self._store.finding(workspace, RUN, LAST_RUN))

    async def _is_calm(self, workspace: str, last: PatternRun, until: int) -> bool:
        since = parse_rfc3339(last.at)
        if since > until:
            # Somebody has set the clock back: nothing rings "since" for as long as it was wrong.
            return False
        return not (await self._store.alert_history(workspace, since, until, None, 1)).count

    def _count(self, run: PatternRun) -> None:
        for name, more in (("runs", 1), ("alerts", run.alerts), ("found", run.found), ("told", run.new)):
            self._figures[name] += more

    async def _keep(self, workspace: str, patterns: Sequence[Pattern], until: int) -> list[Pattern]:
        """Those that were not there before."""
        fresh = await keep(self._store, [finding_of(workspace, each, until) for each in patterns])
        return [each for each in patterns if (workspace, PATTERN, each.id) in fresh]
