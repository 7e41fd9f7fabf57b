"""Reckons insights once a day, and what may be recommended: a job for each workspace, computed in a process.

Owns counts alone. A job reads the alerts of two weeks (the newest ALERTS_MAX), the rules, and a week of hours of the
metrics that frameworks map to a side of health; one process scores the frameworks and says which rules trouble people;
for each of those their readings are read, and another process tries measures on them. What is found is kept as findings
of the kinds `insight` (one a framework and day) and `recommendation`. Done twice it finds the same; what somebody has
decided stays; an open recommendation that is not found any more is `gone`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

import msgspec
import trio

from actors.ports import Clock
from engine.analytics.explainer import Explainer
from engine.analytics.insight_findings import INSIGHT, RECOMMENDATION, insight_finding, recommendation_finding
from engine.analytics.insight_worker import Answer, HeldRule, KnownFramework, Look, MetricHours, Suspect, Try
from engine.computing.processes import Processes
from engine.core.analytics.trends import TREND_DAYS, trends_of
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.shelf.kinds import Held, ShelfQuery
from engine.shelf.objects import Shelf
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.findings import FindingQuery
from engine.stores.readings import PAGE_MAX_READINGS, ReadingQuery, Resolution
from engine.trying.stored import StoredReadings
from protocol.directory import Framework
from protocol.errors import BadRequest
from protocol.escalation import Escalation
from protocol.insights import Insight, Recommendation, RecommendationState
from protocol.jobs import PRIO_LOW, Claimed, NewJob, Queue
from protocol.model import NEVER_EXPIRES, Principal, Severity
from protocol.rules import Rule
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

MODULE = "engine.analytics.insight_worker"
# About 17 MB of text: what a process decodes in a second.
ALERTS_MAX = 50_000
LOOKED_AT_DAYS = 14
# The day itself, and a week before it to hold it against.
HOURS_DAYS = 8
# Of one framework: a thousand hours of a hundred series, about 3 MB. What is left out is said in the insight.
METRICS_MAX, HOUR_PAGES_MAX = 50, 20
# Recommendations of a workspace that may be open; there are at most TRIED_RULES_MAX rules a run, and few of each.
OPEN_MAX = 500
AT_ONCE_MAX = 1
# Twenty rules, each tried in ten forms.
DEADLINE_S = 600
_DAY_US = 86_400 * SECOND_US
_WORKSPACES_AT_ONCE = 200
T = TypeVar("T")


class InsightArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Whose insights; `until`: up to when (microseconds)."""

    of: str
    until: int


class Started(msgspec.Struct, frozen=True):
    """What the schedule's own job did: a job for each workspace."""

    workspaces: int


class InsightRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: `unknown` frameworks have no data; `gone`: recommendations that were not found any more."""

    frameworks: int
    unknown: int
    alerts: int
    tried: int
    recommended: int
    gone: int
    is_cut: bool


class InsightRuns:
    """The jobs. `suppression_s`: the engine's own window, for rules without one."""

    def __init__(
        self,
        store: Store,
        shelves: Shelves,
        stored: StoredReadings,
        explainer: Explainer,
        clock: Clock,
        suppression_s: float,
    ) -> None:
        self._store = store
        self._shelves = shelves
        self._stored = stored
        self._explainer = explainer
        self._clock = clock
        self._suppression_s = suppression_s
        self.processes = Processes(AT_ONCE_MAX)
        self._figures = dict.fromkeys(("runs", "insights", "rules_tried", "recommended", "left_out"), 0)
        self.kind = Kind(
            name="insight_reckoning", queue=Queue.ANALYTICS, args=InsightArgs, run=self.reckon, prio=PRIO_LOW,
            deadline_s=DEADLINE_S,
        )  # fmt: skip

    def statistics(self) -> dict[str, int]:
        """Runs over a workspace, insights kept, rules that measures were tried for, recommendations found (known ones,
        too), metrics and alerts beyond the limits."""
        return dict(self._figures)

    def schedule(self) -> Schedule:
        """Each night, after the predictions."""
        kind = Kind(name="insight_generation", queue=Queue.ANALYTICS, args=RunArgs, run=self.start)
        return Schedule(name="insight-generation", cron=Cron("0 4 * * *"), kind=kind, prio=PRIO_LOW)

    async def start(self, claimed: Claimed, args: RunArgs) -> Result:
        """A job for each workspace. Twice does no harm: a job that waits is not made again."""
        after, count = "", 0
        while names := await self._store.workspaces_seen(after, _WORKSPACES_AT_ONCE):
            await self._store.enqueue([self._job(name, args.until) for name in names])
            after, count = names[-1], count + len(names)
        return Done(result=Started(count))

    def _job(self, workspace: str, until: int) -> NewJob:
        more: dict[str, Any] = {"workspace": workspace, "key": f"insights:{workspace}"}
        return self.kind.job(InsightArgs(of=workspace, until=until), **more)

    async def reckon(self, claimed: Claimed, args: InsightArgs) -> Result:
        """One workspace's run; what it did is its result."""
        return Done(result=await self.run(args.of, args.until))

    async def run(self, workspace: str, until: int) -> InsightRun:
        """Reckons a workspace's insights up to then (microseconds). Raises StoreUnavailable, ComputingFailedError."""
        who = reader_of(workspace)
        history, alerts, is_cut = await self._history(workspace, until)
        frameworks = [await self._known(who, each, until) async for each in _all(self._shelves.frameworks, who)]
        look = Look(tuple(history), tuple(frameworks), tuple(await self._rules(who)), until)
        answer = await self._compute(look)
        insights = [await self._with_trends(workspace, insight, until) for insight in answer.insights]
        for insight in insights:
            await self._store.put_findings([insight_finding(workspace, insight, until)])
        found = [each for suspect in answer.suspects for each in await self._try(who, suspect, until)]
        gone = await self._keep_recommendations(workspace, found, until)
        # Last: it may take long, and all else is there without it.
        await self._explain(workspace, insights, until)
        run = InsightRun(
            frameworks=len(answer.insights),
            unknown=sum(insight.health is None for insight in answer.insights),
            alerts=alerts,
            tried=len(answer.suspects),
            recommended=len(found),
            gone=gone,
            is_cut=is_cut,
        )
        self._count(run)
        return run

    def _count(self, run: InsightRun) -> None:
        counts = {"runs": 1, "insights": run.frameworks, "rules_tried": run.tried, "recommended": run.recommended}
        for name, more in counts.items():
            self._figures[name] += more
        self._figures["left_out"] += run.is_cut

    async def _compute(self, task: Look | Try) -> Answer:
        answer = await self.processes.compute(MODULE, msgspec.msgpack.encode(task))
        return msgspec.msgpack.decode(answer, type=Answer)

    async def _history(self, workspace: str, until: int) -> tuple[list[str], int, bool]:
        """Pages of alerts, the newest days first, how many alerts that is, and whether there are more."""
        pages, count = list[str](), 0
        for day in range(LOOKED_AT_DAYS):
            after: str | None = None
            while True:
                since = until - (day + 1) * _DAY_US
                page = await self._store.alert_history(workspace, since, since + _DAY_US, after)
                pages.append(page.rows)
                count += page.count
                if count > ALERTS_MAX:
                    return pages, count, True
                if (after := page.after) is None:
                    break
        return pages, count, False

    async def _known(self, who: Principal, framework: Framework, until: int) -> KnownFramework:
        """A framework with the hours of its mapped metrics."""
        series = (await self._store.series(who.workspace, framework.id, None, 500)).items
        fresh = [each.metric for each in series if each.last_at and parse_rfc3339(each.last_at) > until - _DAY_US]
        alive = list(dict.fromkeys(fresh))
        mapped = [metric for metric in alive if metric in framework.metrics]
        hours = tuple([await self._hours(who.workspace, framework.id, each, until) for each in mapped[:METRICS_MAX]])
        left_out = len(mapped) - len(hours)
        self._figures["left_out"] += left_out
        note = f"{left_out} metrics were left out, limit {METRICS_MAX}" if left_out else None
        return KnownFramework(framework.id, framework.metrics, framework.owner, tuple(alive), hours, note)

    async def _hours(self, workspace: str, framework: str, metric: str, until: int) -> MetricHours:
        pages, cursor = list[bytes](), ""
        while len(pages) < HOUR_PAGES_MAX:
            query = ReadingQuery(
                workspace=workspace,
                framework=framework,
                metric=metric,
                since_us=until - HOURS_DAYS * _DAY_US,
                until_us=until,
                resolution=Resolution.HOUR,
                cursor=cursor or None,
                limit=PAGE_MAX_READINGS,
            )
            page = await self._store.readings(query)
            pages.append(msgspec.json.encode(page.items))
            if page.next_cursor is None:
                break
            cursor = page.next_cursor
        return MetricHours(metric, tuple(pages))

    async def _rules(self, who: Principal) -> list[bytes]:
        """Pages of the rules that hold, packed one by one: all at once would hold up the loop."""
        chains = [chain async for chain in _all(self._shelves.escalations, who)]
        pages = list[bytes]()
        async for held in _pages(self._shelves.rules, who):
            pages.append(msgspec.msgpack.encode([_held_rule(each, chains) for each in held]))
            await trio.lowlevel.checkpoint()
        return pages

    async def _explain(self, workspace: str, insights: Sequence[Insight], until: int) -> None:
        explained = await self._explainer.explain(workspace, insights)
        for insight in explained:
            if insight.explanation is not None:
                await self._store.put_findings([insight_finding(workspace, insight, until)])

    async def _with_trends(self, workspace: str, insight: Insight, until: int) -> Insight:
        query = FindingQuery(
            workspace=workspace,
            kind=INSIGHT,
            framework=insight.framework_id,
            since_us=until - (max(TREND_DAYS) + 1) * _DAY_US,
            limit=max(TREND_DAYS) + 2,
        )
        today = until // _DAY_US
        kept = (await self._store.findings(query)).items
        past = {today - each.at // _DAY_US: each.score for each in kept if each.score is not None}
        return msgspec.structs.replace(insight, trends=trends_of(insight.health, past))

    async def _try(self, who: Principal, suspect: Suspect, until: int) -> Sequence[Recommendation]:
        since, rule = until - LOOKED_AT_DAYS * _DAY_US, suspect.held.rule
        try:
            stored = (await self._stored.of(who, rule, since, until, None)).pages
        except BadRequest:
            # Too many of them, however they are rolled up.
            stored = []
        task = Try(suspect.held, suspect.alerts, suspect.team, since, until, self._suppression_s, tuple(stored))
        return (await self._compute(task)).recommendations

    async def _keep_recommendations(self, workspace: str, found: Sequence[Recommendation], until: int) -> int:
        """Those that were found; how many open ones were not, any more."""
        now, keys = rfc3339(until), {each.id for each in found}
        known = await self._store.findings_named(workspace, RECOMMENDATION, keys)
        # What was gone is there again; what people decided stays.
        again = {key: each.version for key, each in known.items() if each.state == RecommendationState.GONE.value}
        made = [msgspec.structs.replace(each, found_at=now) for each in found]
        await self._store.put_findings(
            [recommendation_finding(workspace, each, until, again.get(each.id, 0)) for each in made]
        )
        query = FindingQuery(
            workspace=workspace, kind=RECOMMENDATION, states=(RecommendationState.OPEN.value,), limit=OPEN_MAX
        )
        over = [each for each in (await self._store.findings(query)).items if each.key not in keys]
        gone = RecommendationState.GONE.value
        settled = [
            await self._store.settle_finding(msgspec.structs.replace(each, state=gone, updated_at=until))
            for each in over
        ]
        return sum(settled)


def reader_of(workspace: str) -> Principal:
    """Who reads for a workspace's insights: nobody, with nobody's token."""
    return Principal(workspace=workspace, user="insights", role="viewer", expires_at=NEVER_EXPIRES)


def _held_rule(held: Held[Rule], chains: Sequence[Escalation]) -> HeldRule:
    return HeldRule(held.value, held.version, any(_is_for(chain, held.value) for chain in chains))


def _is_for(chain: Escalation, rule: Rule) -> bool:
    """Whether a chain begins for the loud alerts of a rule."""
    means_all = not chain.rules and not chain.frameworks
    is_meant = means_all or rule.id in chain.rules or rule.framework in chain.frameworks
    return chain.enabled and bool(chain.steps) and is_meant and chain.min_severity.rank <= Severity.ERROR.rank


async def _pages(shelf: Shelf[T], who: Principal) -> AsyncIterator[Sequence[Held[T]]]:
    query = ShelfQuery()
    while True:
        page = await shelf.page(who, query)
        yield page.items
        if page.next_cursor is None:
            return
        query = ShelfQuery(cursor=page.next_cursor)


async def _all(shelf: Shelf[T], who: Principal) -> AsyncIterator[T]:
    async for page in _pages(shelf, who):
        for held in page:
            yield held.value
