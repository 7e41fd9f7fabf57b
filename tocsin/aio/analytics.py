"""What the alerts mean, for asyncio programs: counts, patterns, incidents, predictions, insights, reports.

    counts = await engine.alert_counts.counts(who, Asked(framework="web"), Width.DAY)
    page = await engine.insights.verbs.recommendations(who, RecommendationsWanted(limit=20))
    await engine.insights.deciding.apply(who, page.items[0].id)

The verbs are those of the trio engine by the same names (`engine.app.Engine`); each says there what it does and raises.
They are looked up over there at each call: while the store restarts there are none, and that is an error too.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine import app
from engine.core.analytics.calendar import Width
from engine.core.reports.document import Document
from engine.pages import PAGE_DEFAULT
from engine.stores.aggregates import Dimension
from engine.stores.incidents import IncidentPage, IncidentQuery
from engine.verbs.analytics import Asked
from engine.verbs.incidents import IncidentDetails, IncidentDone
from engine.verbs.insights import FrameworkInsight, InsightPage, RecommendationPage, RecommendationsWanted
from engine.verbs.patterns import PatternPage, PatternsWanted
from engine.verbs.predictions import PredictionPage
from engine.verbs.reports import ReportTaken
from protocol.analytics import Analytics, HeatMap, RulesQuality
from protocol.incidents import Correlation
from protocol.insights import Recommendation
from protocol.model import Principal
from protocol.patterns import Pattern, PatternState
from protocol.predictions import AccuracyReport, Prediction, PredictionKind, PredictionState
from tocsin.aio.bridge import Bridge


class AlertCounts:
    """The verbs of `engine.verbs.analytics.AnalyticsVerbs`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def counts(
        self, who: Principal, asked: Asked, width: Width | None, group: Sequence[Dimension] = ()
    ) -> Analytics:
        """Alerts by hour, day, week or month (None: all together)."""
        return await self._call(lambda engine: engine.alert_counts.counts(who, asked, width, tuple(group)))

    async def heat_map(self, who: Principal, asked: Asked, zone: str) -> HeatMap:
        """When alerts come, in the hours of a week."""
        return await self._call(lambda engine: engine.alert_counts.heat_map(who, asked, zone))

    async def rules(self, who: Principal, asked: Asked, limit: int) -> RulesQuality:
        """How good the rules are."""
        return await self._call(lambda engine: engine.alert_counts.rules(who, asked, limit))


class Patterns:
    """The verbs of `engine.verbs.patterns.PatternVerbs`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def page(self, who: Principal, wanted: PatternsWanted) -> PatternPage:
        """A page of patterns, newest first, and what the last run did."""
        return await self._call(lambda engine: engine.patterns.page(who, wanted))

    async def get(self, who: Principal, pattern_id: str) -> Pattern:
        """One pattern."""
        return await self._call(lambda engine: engine.patterns.get(who, pattern_id))

    async def say(
        self, who: Principal, pattern_id: str, state: PatternState, notes: str | None = None, address: str = ""
    ) -> Pattern:
        """Confirms or dismisses one. Idempotent."""
        return await self._call(lambda engine: engine.patterns.say(who, pattern_id, state, notes, address))


class Incidents:
    """The verbs of `engine.verbs.incidents.Incidents`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def page(self, who: Principal, query: IncidentQuery) -> IncidentPage:
        """A page of incidents, newest first."""
        return await self._call(lambda engine: engine.incidents.page(who, query))

    async def get(self, who: Principal, incident_id: str) -> IncidentDetails:
        """One of them, with its alerts and what may have caused it."""
        return await self._call(lambda engine: engine.incidents.get(who, incident_id))

    async def acknowledge(
        self, who: Principal, incident_id: str, notes: str | None = None, address: str = ""
    ) -> IncidentDone:
        """Somebody looks after all its open alerts; a result for each. Idempotent."""
        return await self._call(lambda engine: engine.incidents.acknowledge(who, incident_id, notes, address))

    async def resolve(
        self, who: Principal, incident_id: str, notes: str | None = None, address: str = ""
    ) -> IncidentDone:
        """All its alerts are over, and so is it; a result for each. Idempotent."""
        return await self._call(lambda engine: engine.incidents.resolve(who, incident_id, notes, address))

    async def split(self, who: Principal, incident_id: str, alert_id: str, address: str = "") -> IncidentDetails:
        """This alert does not belong to it, and will to no other."""
        return await self._call(lambda engine: engine.incidents.split(who, incident_id, alert_id, address))

    async def merge(self, who: Principal, incident_id: str, other_id: str, address: str = "") -> IncidentDetails:
        """All alerts of the other one belong to this one."""
        return await self._call(lambda engine: engine.incidents.merge(who, incident_id, other_id, address))

    async def settings(self, who: Principal) -> Correlation:
        """What ties in the workspace."""
        return await self._call(lambda engine: engine.incidents.settings(who))

    async def set_settings(self, who: Principal, settings: Correlation, address: str = "") -> None:
        """What ties from now on; what is together stays so."""
        await self._call(lambda engine: engine.incidents.set_settings(who, settings, address))


class Predictions:
    """The verbs of `engine.verbs.predictions.PredictionVerbs`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def predictions(
        self,
        who: Principal,
        framework: str | None = None,
        rule_id: str | None = None,
        kinds: tuple[PredictionKind, ...] = (),
        states: tuple[PredictionState, ...] = (),
        since_us: int | None = None,
        until_us: int | None = None,
        cursor: str | None = None,
        limit: int = PAGE_DEFAULT,
    ) -> PredictionPage:
        """A page; no states: all but those that are `over`."""
        return await self._call(
            lambda engine: engine.predictions.predictions(
                who, framework, rule_id, kinds, states, since_us, until_us, cursor, limit
            )
        )

    async def prediction(self, who: Principal, prediction_id: str) -> Prediction:
        """One of them."""
        return await self._call(lambda engine: engine.predictions.prediction(who, prediction_id))

    async def accuracy(
        self,
        who: Principal,
        framework: str | None = None,
        rule_id: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> AccuracyReport:
        """How good those for whole days in this time were."""
        return await self._call(lambda engine: engine.predictions.accuracy(who, framework, rule_id, since_us, until_us))


class InsightVerbs:
    """The verbs of `engine.verbs.insights.InsightVerbs`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def page(self, who: Principal, day: str | None, cursor: str | None, limit: int) -> InsightPage:
        """The insights of a day (`2026-01-31`; None: the newest one)."""
        return await self._call(lambda engine: engine.insights.verbs.page(who, day, cursor, limit))

    async def get(self, who: Principal, framework: str) -> FrameworkInsight:
        """How one framework is, and was."""
        return await self._call(lambda engine: engine.insights.verbs.get(who, framework))

    async def recommendations(self, who: Principal, wanted: RecommendationsWanted) -> RecommendationPage:
        """A page of recommendations."""
        return await self._call(lambda engine: engine.insights.verbs.recommendations(who, wanted))

    async def recommendation(self, who: Principal, recommendation_id: str) -> Recommendation:
        """One recommendation."""
        return await self._call(lambda engine: engine.insights.verbs.recommendation(who, recommendation_id))


class Deciding:
    """The verbs of `engine.verbs.deciding.Deciding`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def apply(self, who: Principal, recommendation_id: str, address: str = "") -> Recommendation:
        """Does what is recommended; idempotent. Raises Conflict if the rule has changed, or it cannot be done so."""
        return await self._call(lambda engine: engine.insights.deciding.apply(who, recommendation_id, address))

    async def dismiss(
        self, who: Principal, recommendation_id: str, notes: str | None = None, address: str = ""
    ) -> Recommendation:
        """Puts one away. Idempotent."""
        return await self._call(lambda engine: engine.insights.deciding.dismiss(who, recommendation_id, notes, address))


class Insights:
    """What people ask about frameworks (`verbs`), and what they decide about recommendations (`deciding`)."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self.verbs = InsightVerbs(bridge)
        self.deciding = Deciding(bridge)


class Reports:
    """The verbs of `engine.verbs.reports.ReportVerbs`."""

    def __init__(self, bridge: Bridge[app.Engine]) -> None:
        self._call = bridge.call

    async def preview(self, who: Principal) -> Document:
        """The asker's weekly report as of now."""
        return await self._call(lambda engine: engine.reports.preview(who))

    async def send(self, who: Principal) -> ReportTaken:
        """Sends the asker his report now. Raises Conflict without a mail server, or his address."""
        return await self._call(lambda engine: engine.reports.send(who))
