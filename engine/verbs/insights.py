"""What people ask about insights: how frameworks are, one of them with its scores, and what is recommended.

Who may see only some frameworks sees theirs. Deciding about recommendations is `engine.verbs.deciding`.
"""

from __future__ import annotations

import msgspec

from engine.access.roles import check, check_framework, may_see
from engine.analytics.insight_findings import INSIGHT, RECOMMENDATION, insight_of, recommendation_of
from engine.analytics.readable import readable
from engine.analytics.standing import Standing
from engine.core.analytics.calendar import DAY_US
from engine.stores import Store
from engine.stores.findings import Finding, FindingQuery
from protocol.errors import BadRequest, UnknownChannel
from protocol.insights import Insight, Measure, Recommendation, RecommendationState
from protocol.model import Principal
from protocol.names import check_id
from protocol.times import moment_of

# Scores of a month, and what is open of a framework: both are shown with its insight.
SCORES_MAX, SHOWN_RECOMMENDATIONS_MAX = 31, 20


class InsightPage(msgspec.Struct, frozen=True, kw_only=True):
    """The frameworks of a day (null: none was reckoned yet), and where the next page starts (null: there is none)."""

    day: str | None
    items: list[Insight]
    next_cursor: str | None


class DayScore(msgspec.Struct, frozen=True, kw_only=True):
    """How a framework was on a day; null: nothing was known of it."""

    day: str
    health: float | None
    risk: float | None


class FrameworkInsight(msgspec.Struct, frozen=True, kw_only=True):
    """A framework's newest insight, its scores of 30 days (newest first), and what is recommended for it."""

    insight: Insight
    scores: list[DayScore]
    recommendations: list[Recommendation]


class RecommendationsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which recommendations somebody asks for; all that is given must hold."""

    limit: int
    framework: str | None = None
    rule_id: str | None = None
    measures: tuple[Measure, ...] = ()
    states: tuple[RecommendationState, ...] = ()
    cursor: str | None = None


class RecommendationPage(msgspec.Struct, frozen=True, kw_only=True):
    """Recommendations, newest first, and where the next page starts (null: there is none)."""

    items: list[Recommendation]
    next_cursor: str | None


class InsightVerbs:
    """All raise PermissionDenied, StoreUnavailable; UnknownChannel for what is not here or not theirs to see."""

    def __init__(self, store: Store, standing: Standing) -> None:
        self._store = store
        self._standing = standing

    async def page(self, who: Principal, day: str | None, cursor: str | None, limit: int) -> InsightPage:
        """The insights of a day (`2026-01-31`; None: the newest one). Raises BadRequest for a bad day or cursor."""
        check(who, "read")
        since = await self._newest(who) if day is None else _day_of(day)
        if since is None:
            return InsightPage(day=None, items=[], next_cursor=None)
        query = self._query(who, INSIGHT, None, limit, cursor)
        query = msgspec.structs.replace(query, since_us=since, until_us=since + DAY_US)
        page = await self._store.findings(query)
        items = readable(page.items, insight_of)
        return InsightPage(day=day or (items[0].day if items else None), items=items, next_cursor=page.next_cursor)

    async def _newest(self, who: Principal) -> int | None:
        found = (await self._store.findings(self._query(who, INSIGHT, None, 1))).items
        return found[0].at if found else None

    async def get(self, who: Principal, framework: str) -> FrameworkInsight:
        """How one framework is, and was in the 30 days before."""
        check(who, "read")
        check_id(framework, "framework_id")
        check_framework(who, framework)
        kept = (await self._store.findings(self._query(who, INSIGHT, framework, SCORES_MAX))).items
        # Where the engine did not look each day, as many scores are more days.
        those = readable([one for one in kept if one.at > kept[0].at - SCORES_MAX * DAY_US], insight_of)
        if not those:
            raise UnknownChannel(
                "there is no insight of this framework yet: they are reckoned each night, at 04:00 UTC"
            )
        wanted = RecommendationsWanted(
            limit=SHOWN_RECOMMENDATIONS_MAX, framework=framework, states=(RecommendationState.OPEN,)
        )
        return FrameworkInsight(
            insight=those[0],
            scores=[DayScore(day=each.day, health=each.health, risk=each.risk) for each in those],
            recommendations=(await self.recommendations(who, wanted)).items,
        )

    async def recommendations(self, who: Principal, wanted: RecommendationsWanted) -> RecommendationPage:
        """A page of recommendations, as they stand now. Raises BadRequest for a cursor that is not ours.

        Those that are kept as open and whose rule rings no more are gone: a page of either may have fewer than `limit`.
        """
        check(who, "read")
        check_framework(who, wanted.framework)
        query = msgspec.structs.replace(
            self._query(who, RECOMMENDATION, wanted.framework, wanted.limit, wanted.cursor),
            rule_id=wanted.rule_id,
            sorts=tuple(measure.value for measure in wanted.measures),
            states=_kept_as(wanted.states),
        )
        page = await self._store.findings(query)
        found = await self._standing.of(who, readable(page.items, recommendation_of))
        items = [one for one in found if one.state in (wanted.states or RecommendationState)]
        return RecommendationPage(items=items, next_cursor=page.next_cursor)

    async def recommendation(self, who: Principal, recommendation_id: str) -> Recommendation:
        """One recommendation, as it stands now."""
        check(who, "read")
        [one] = await self._standing.of(who, [recommendation_of(await self.found(who, recommendation_id))])
        return one

    async def found(self, who: Principal, recommendation_id: str) -> Finding:
        """One as it is kept."""
        found = await self._store.finding(who.workspace, RECOMMENDATION, recommendation_id)
        if found is None or not may_see(who, found.framework):
            raise UnknownChannel("there is no such recommendation")
        return found

    def _query(
        self, who: Principal, kind: str, framework: str | None, limit: int, cursor: str | None = None
    ) -> FindingQuery:
        return FindingQuery(
            workspace=who.workspace,
            kind=kind,
            frameworks=who.channels,
            framework=framework,
            limit=limit,
            cursor=cursor,
        )


def _kept_as(states: tuple[RecommendationState, ...]) -> tuple[str, ...]:
    """The states in which those are kept that stand so: what is gone may be kept as open until the next run."""
    kept = dict.fromkeys(states)
    if RecommendationState.GONE in kept:
        kept[RecommendationState.OPEN] = None
    return tuple(state.value for state in kept)


def _day_of(day: str) -> int:
    """When a day begins. Raises BadRequest."""
    try:
        return moment_of(f"{day}T00:00:00Z", "day")
    except BadRequest as fault:
        raise BadRequest(f"day: {day[:32]!r} is no day; for example 2026-01-31") from fault
