"""Looks for patterns every six hours: a job for each workspace, which reads its history and has it mined in a process.

Owns counts alone. A job reads the last eight weeks backwards, until it has ALERTS_MAX; what it finds is kept as
findings of the kind `pattern`, by the version that it read: what somebody says meanwhile counts. What is new is told on
the workspace's stream. A run that breaks off is done again and finds the same. What it did is kept, too (`LAST_RUN`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import msgspec
import trio

from engine.analytics.each_workspace import OfWorkspace, start_each
from engine.analytics.leisure import PAGE_ALERTS, at_leisure
from engine.analytics.pattern_findings import LAST_RUN, PATTERN, RUN, finding_of, pattern_of, run_finding, run_of
from engine.analytics.pattern_worker import Outcome, Task
from engine.analytics.readable import readable
from engine.computing.processes import Processes
from engine.core.analytics.calendar import DAY_US
from engine.core.analytics.patterns.mining import LOOKED_AT_DAYS
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.stores import Store
from engine.stores.findings import FindingQuery
from protocol.jobs import PRIO_LOW, PRIO_MEDIUM, Claimed, Queue
from protocol.patterns import Pattern, PatternRun
from protocol.times import parse_rfc3339, rfc3339

MODULE = "engine.analytics.pattern_worker"
# About 17 MB of text, which is packed on the loop within 5 ms; a workspace has so many in eight weeks at 900 a day.
ALERTS_MAX = 50_000
# More than a person will ever say something about; the newest count.
KNOWN_MAX = 5_000
_KNOWN_AT_ONCE = 500
# One core at most besides the engine's own.
AT_ONCE_MAX = 1

Tell = Callable[[str, Pattern], None]


class _History(NamedTuple):
    """Pages of alerts, how many alerts are in them, since when, and whether there are too many before that."""

    pages: list[str]
    alerts: int
    since: int
    is_cut: bool


class PatternRuns:
    """The jobs. `tell` is told of each new pattern, on the loop, once it is kept."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self.processes = Processes(AT_ONCE_MAX)
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
        past = await self._history(workspace, until)
        known = [pattern async for pattern in self._known(workspace)]
        task = Task(pages=tuple(past.pages), known=tuple(known), since=past.since, until=until)
        answer = await self.processes.compute(MODULE, msgspec.msgpack.encode(task))
        outcome = msgspec.msgpack.decode(answer, type=Outcome)
        new = await self._keep(workspace, outcome.patterns, until)
        run = PatternRun(
            at=rfc3339(until),
            since=rfc3339(past.since),
            alerts=past.alerts,
            is_cut=past.is_cut,
            found=len(outcome.patterns),
            new=len(new),
            lacking=outcome.lacking,
        )
        await self._store.put_findings([run_finding(workspace, run, until)])
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

    async def _history(self, workspace: str, until: int) -> _History:
        """The alerts of the last weeks, or of so many days that there are not too many of them."""
        pages, count, since = list[str](), 0, until
        for days in _stretches():
            begin = since - days * DAY_US
            stretch, more = await self._stretch(workspace, begin, since, ALERTS_MAX - count)
            is_cut = count + more > ALERTS_MAX
            if is_cut and pages:
                # A part of a stretch would look as if it had been calm before.
                return _History(pages, count, since, True)
            pages, count, since = [*stretch, *pages], count + more, begin
            if is_cut:
                # It is all that there is.
                break
        return _History(pages, count, since, is_cut)

    async def _stretch(self, workspace: str, since: int, until: int, room: int) -> tuple[list[str], int]:
        """Pages of a time and how many alerts are in them: all, or a few more than there is room for."""
        pages, count, after = list[str](), 0, None
        while True:
            page = await at_leisure(self._store.alert_history(workspace, since, until, after, PAGE_ALERTS))
            pages.append(page.rows)
            count, after = count + page.count, page.after
            if after is None or count > room:
                return pages, count

    async def _known(self, workspace: str) -> AsyncIterator[Pattern]:
        query = FindingQuery(workspace=workspace, kind=PATTERN, limit=_KNOWN_AT_ONCE)
        for _ in range(KNOWN_MAX // _KNOWN_AT_ONCE):
            page = await self._store.findings(query)
            for pattern in readable(page.items, pattern_of):
                yield pattern
            await trio.lowlevel.checkpoint()
            if page.next_cursor is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next_cursor)

    async def _keep(self, workspace: str, patterns: Sequence[Pattern], until: int) -> list[Pattern]:
        """Those that were not there before."""
        fresh = await self._store.put_findings([finding_of(workspace, each, until) for each in patterns])
        return [each for each in patterns if (workspace, PATTERN, each.id) in fresh]


def _stretches() -> list[int]:
    """Days at a time, the newest first: single ones of the last week, then weeks."""
    return [1] * 7 + [7] * (LOOKED_AT_DAYS // 7 - 1)
