"""The weekly report, gathered: what was counted, found and predicted of a week, as far as its reader may see it.

Owns nothing. It asks the verbs that the doors ask, in the reader's name: so nobody is told by mail what he would not be
shown. What is not there yet is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.access.roles import check
from engine.core.analytics.calendar import DAY_US, Width, start_of
from engine.core.reports.weekly import WEEK_US, Week
from engine.stores import Store
from engine.stores.aggregates import Dimension
from engine.stores.incidents import IncidentPage, IncidentQuery
from engine.verbs.analytics import AnalyticsVerbs, Asked
from engine.verbs.incidents import incidents_seen
from engine.verbs.insights import InsightVerbs, RecommendationsWanted
from engine.verbs.patterns import PatternsWanted, PatternVerbs
from engine.verbs.predictions import PredictionVerbs
from protocol.incidents import IncidentState
from protocol.insights import Insight, Recommendation, RecommendationState
from protocol.model import Principal
from protocol.patterns import PatternState
from protocol.predictions import Prediction, PredictionKind, PredictionState
from protocol.times import parse_rfc3339

# What somebody reads on a Monday morning; the rest is a click away.
RULES_SHOWN = INCIDENTS_SHOWN = PATTERNS_SHOWN = FRAMEWORKS_SHOWN = 10
RECOMMENDATIONS_SHOWN = 5
PREDICTIONS_SHOWN = 5
# Those that are looked through for the ones that are shown.
LOOKED_AT_MAX = 200
# Below a half it is rather not expected.
PROBABLE_MIN = 0.5


@dataclass(frozen=True)
class Weeks:
    """Who is asked. `site`: where people reach us."""

    store: Store
    counts: AnalyticsVerbs
    patterns: PatternVerbs
    predictions: PredictionVerbs
    insights: InsightVerbs
    site: str

    async def week(self, who: Principal, zone: str, now_us: int) -> Week:
        """The seven whole days (UTC) before now. Raises PermissionDenied, StoreUnavailable."""
        check(who, "read")
        until = start_of(Width.DAY, now_us)
        since = until - WEEK_US
        with_today = Asked(since - WEEK_US, until + DAY_US)
        days = await self.counts.counts(who, with_today, Width.DAY, (Dimension.SEVERITY,))
        incidents = await self.incidents(who)
        accuracy = await self.predictions.accuracy(who, since_us=since, until_us=until)
        return Week(
            workspace=who.workspace,
            since_us=since,
            until_us=until,
            zone=zone,
            frameworks=who.channels,
            days=[day for day in days.items if parse_rfc3339(day.since) < until],
            now=(await self.counts.counts(who, Asked(since, until), None)).totals,
            before=(await self.counts.counts(who, Asked(since - WEEK_US, since), None)).totals,
            today=sum(day.alerts for day in days.items if parse_rfc3339(day.since) >= until),
            rules=(await self.counts.rules(who, Asked(since, until), RULES_SHOWN)).items,
            incidents=incidents.items,
            more_incidents=incidents.next_cursor is not None,
            insights=await self._insights(who),
            patterns=(await self.patterns.page(who, _new_patterns(since))).items,
            predictions=await self._predictions(who),
            accuracy=accuracy.kinds,
            recommendations=await self._recommendations(who),
            site=self.site,
        )

    async def incidents(self, who: Principal) -> IncidentPage:
        """Those that are open, the newest first; of alerts that he may not see neither title nor framework."""
        states = (IncidentState.OPEN, IncidentState.ACKNOWLEDGED)
        query = IncidentQuery(workspace=who.workspace, states=states, limit=INCIDENTS_SHOWN)
        return await incidents_seen(self.store, who, query)

    async def _insights(self, who: Principal) -> list[Insight]:
        """The worst first; of whom nothing is known, nothing."""
        page = await self.insights.page(who, None, None, LOOKED_AT_MAX)
        known = [each for each in page.items if each.health is not None]
        return sorted(known, key=lambda each: (each.health, each.framework_id))[:FRAMEWORKS_SHOWN]

    async def _recommendations(self, who: Principal) -> list[Recommendation]:
        """The newest that can still be taken as they are."""
        wanted = RecommendationsWanted(limit=LOOKED_AT_MAX, states=(RecommendationState.OPEN,))
        page = await self.insights.recommendations(who, wanted)
        return [each for each in page.items if not each.is_outdated][:RECOMMENDATIONS_SHOWN]

    async def _predictions(self, who: Principal) -> list[Prediction]:
        """How many alerts come (of all, or of each framework), and the thresholds that are probably reached."""
        numbers = [each for each in await self._open(who, PredictionKind.COUNT) if each.rule_id is None]
        of_all = [each for each in numbers if each.framework_id is None]
        breaches = [(_probability(each), each) for each in await self._open(who, PredictionKind.BREACH)]
        likely = sorted((each for each in breaches if each[0] >= PROBABLE_MIN), key=lambda each: (-each[0], each[1].id))
        return [*(of_all or numbers)[:PREDICTIONS_SHOWN], *(each for _, each in likely[:PREDICTIONS_SHOWN])]

    async def _open(self, who: Principal, kind: PredictionKind) -> list[Prediction]:
        """Those whose time has not passed."""
        states = (PredictionState.OPEN,)
        return (await self.predictions.predictions(who, kinds=(kind,), states=states, limit=LOOKED_AT_MAX)).items


def _probability(prediction: Prediction) -> float:
    return prediction.forecast.probability if prediction.forecast is not None else 0.0


def _new_patterns(since_us: int) -> PatternsWanted:
    """Not those that somebody has dismissed."""
    return PatternsWanted(limit=PATTERNS_SHOWN, states=(PatternState.NEW, PatternState.CONFIRMED), since_us=since_us)
