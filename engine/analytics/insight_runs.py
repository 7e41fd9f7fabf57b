"""Reckons insights once a day, and what may be recommended: a job for each workspace, computed in a process.

Owns counts alone. One process reads the alerts of two weeks, and a week of hours of the metrics that frameworks map to
a side of health (`insight_reading`), scores the frameworks and says which rules trouble people; for each of those
another one reads its readings and tries measures on them. What is found is kept as findings of the kinds `insight` (one
a framework and day) and `recommendation`. Done twice it finds the same; what somebody has decided stays; an open
recommendation that is not found any more is `gone`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import structlog

from actors.ports import Clock
from engine.analytics.each_workspace import OfWorkspace, start_each
from engine.analytics.explainer import Explainer
from engine.analytics.insight_asking import ask_for_look
from engine.analytics.insight_findings import RECOMMENDATION, insight_finding, recommendation_finding
from engine.analytics.insight_reading import LOOKED_AT_DAYS
from engine.analytics.insight_tasks import Answer, LookAt, Suspect, TryOn
from engine.analytics.keeping import keep
from engine.computing.asking import Asking
from engine.computing.processes import ComputingFailedError
from engine.core.analytics.calendar import DAY_US
from engine.core.firing import Cron
from engine.jobs.kinds import Done, Kind, Result
from engine.jobs.scheduler import RunArgs, Schedule
from engine.shelf.shelves import Shelves
from engine.stores import Store
from engine.stores.findings import FindingQuery
from engine.stores.readings import KeptReadings
from protocol.insights import Insight, Recommendation, RecommendationState
from protocol.jobs import PRIO_LOW, Claimed, Queue
from protocol.times import rfc3339

log = structlog.get_logger()

MODULE = "engine.analytics.insight_worker"
# Recommendations of a workspace that may be open; there are at most TRIED_RULES_MAX rules a run, and few of each.
OPEN_MAX = 500
# Twenty rules, each tried in ten forms.
DEADLINE_S = 600


class InsightRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run did: `unknown` frameworks have no data; `failed`: rules whose trial ended badly
    (the log says why; what was recommended for them stays); `gone`: recommendations that were not found any more."""

    frameworks: int
    unknown: int
    alerts: int
    tried: int
    failed: int
    recommended: int
    gone: int
    is_cut: bool


class InsightRuns:
    """The jobs. `suppression_s`: the engine's own window, for rules without one."""

    def __init__(
        self,
        store: Store,
        asking: Asking,
        shelves: Shelves,
        kept: KeptReadings,
        explainer: Explainer,
        clock: Clock,
        suppression_s: float,
    ) -> None:
        self._store = store
        self._shelves = shelves
        self._kept = kept
        self._explainer = explainer
        self._clock = clock
        self._suppression_s = suppression_s
        self.asking = asking
        self._figures = dict.fromkeys(("runs", "insights", "rules_tried", "rules_failed", "recommended", "left_out"), 0)
        self.kind = Kind(
            name="insight_reckoning", queue=Queue.ANALYTICS, args=OfWorkspace, run=self.reckon, prio=PRIO_LOW,
            deadline_s=DEADLINE_S,
        )  # fmt: skip

    def statistics(self) -> dict[str, int]:
        """Runs over a workspace, insights kept, rules that measures were tried for and those whose trial ended badly,
        recommendations found (known ones, too), metrics and alerts beyond the limits."""
        return dict(self._figures)

    def schedule(self) -> Schedule:
        """Each night, after the predictions."""
        kind = Kind(name="insight_generation", queue=Queue.ANALYTICS, args=RunArgs, run=self.start)
        return Schedule(name="insight-generation", cron=Cron("0 4 * * *"), kind=kind, prio=PRIO_LOW)

    async def start(self, claimed: Claimed, args: RunArgs) -> Result:
        """A job for each workspace."""
        return Done(result=await start_each(self._store, self.kind, "insights", args.until))

    async def reckon(self, claimed: Claimed, args: OfWorkspace) -> Result:
        """One workspace's run; what it did is its result."""
        return Done(result=await self.run(args.of, args.until))

    async def run(self, workspace: str, until: int) -> InsightRun:
        """Reckons a workspace's insights up to then (microseconds). Raises StoreUnavailable, ComputingFailedError."""
        answer = await self._compute(await ask_for_look(self._shelves, workspace, until))
        insights = answer.insights
        await keep(self._store, [insight_finding(workspace, each, until) for each in insights])
        tried = {suspect.held.rule.id: await self._try(workspace, suspect, until) for suspect in answer.suspects}
        found = [each for measures in tried.values() for each in measures or ()]
        untried = {rule_id for rule_id, measures in tried.items() if measures is None}
        gone = await self._keep_recommendations(workspace, found, untried, until)
        # Last: it may take long, and all else is there without it.
        await self._explain(workspace, insights, until)
        run = InsightRun(
            frameworks=len(answer.insights),
            unknown=sum(insight.health is None for insight in answer.insights),
            alerts=answer.alerts,
            tried=len(tried) - len(untried),
            failed=len(untried),
            recommended=len(found),
            gone=gone,
            is_cut=answer.is_cut,
        )
        self._count(run, answer.metrics_left_out)
        return run

    def _count(self, run: InsightRun, metrics_left_out: int) -> None:
        counts = {"runs": 1, "insights": run.frameworks, "rules_tried": run.tried, "recommended": run.recommended}
        for name, more in counts.items():
            self._figures[name] += more
        self._figures["left_out"] += run.is_cut + metrics_left_out

    async def _compute(self, asked: LookAt | TryOn) -> Answer:
        answer = await self.asking.compute(MODULE, msgspec.msgpack.encode(asked))
        return msgspec.msgpack.decode(answer, type=Answer)

    async def _explain(self, workspace: str, insights: Sequence[Insight], until: int) -> None:
        explained = await self._explainer.explain(workspace, insights)
        said = [each for each in explained if each.explanation is not None]
        await keep(self._store, [insight_finding(workspace, each, until) for each in said])

    async def _try(self, workspace: str, suspect: Suspect, until: int) -> Sequence[Recommendation] | None:
        """What helps a rule; None: it could not be tried, which is no reason to leave the others."""
        asked = TryOn(
            workspace,
            suspect,
            max(until - LOOKED_AT_DAYS * DAY_US, suspect.held.applied.at),
            until,
            self._suppression_s,
            self._kept,
        )
        try:
            return (await self._compute(asked)).recommendations
        except ComputingFailedError as fault:
            log.warning("rule_not_tried", workspace=workspace, rule=suspect.held.rule.id, cause=str(fault))
            self._figures["rules_failed"] += 1
            return None

    async def _keep_recommendations(
        self, workspace: str, found: Sequence[Recommendation], untried: Collection[str], until: int
    ) -> int:
        """Those that were found; how many open ones were not, any more. Of rules that were not tried all stay."""
        now, keys = rfc3339(until), {each.id for each in found}
        known = await self._store.findings_named(workspace, RECOMMENDATION, keys)
        # What was gone is there again; what people decided stays.
        again = {key: each.version for key, each in known.items() if each.state == RecommendationState.GONE.value}
        made = [msgspec.structs.replace(each, found_at=now) for each in found]
        await keep(
            self._store, [recommendation_finding(workspace, each, until, again.get(each.id, 0)) for each in made]
        )
        query = FindingQuery(
            workspace=workspace, kind=RECOMMENDATION, states=(RecommendationState.OPEN.value,), limit=OPEN_MAX
        )
        over = [
            each
            for each in (await self._store.findings(query)).items
            if each.key not in keys and each.rule_id not in untried
        ]
        gone = RecommendationState.GONE.value
        settled = [
            await self._store.settle_finding(msgspec.structs.replace(each, state=gone, updated_at=until))
            for each in over
        ]
        return sum(settled)
