"""Insights over HTTP: how frameworks are, and what is recommended; a recommendation is applied or dismissed."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from engine.analytics.build import Insights
from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, parse_words
from engine.http.role_guards import needs
from engine.pages import PAGE_DEFAULT
from engine.verbs.insights import FrameworkInsight, InsightPage, RecommendationPage, RecommendationsWanted
from protocol.fields import Text
from protocol.insights import Measure, Recommendation, RecommendationState
from protocol.model import Principal
from protocol.names import check_id

Day = Annotated[str | None, QueryParameter(max_length=32, description="such as 2026-01-31 (UTC); default: the newest")]
# The framework keeps the name `state` for itself, so the parameter has another one in Python.
States = Annotated[
    list[str] | None, QueryParameter(name="state", description=", ".join(each.value for each in RecommendationState))
]
Measures = Annotated[
    list[str] | None, QueryParameter(name="measure", description=", ".join(each.value for each in Measure))
]


class DismissBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is of no use, if you like."""

    notes: Text | None = None


def insight_routes(insights: Insights, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/insights` and `/api/v1/recommendations`."""
    verbs, deciding = insights.verbs, insights.deciding

    @get("/api/v1/insights", operation_id="list_insights", tags=["insights"])
    async def list_insights(
        request: Request[Principal, Any, Any], day: Day = None, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None
    ) -> InsightPage:
        """How each framework was on a day: health and risk (0 to 100; null: nothing is known), and why.

        They are reckoned each night; pages of the same day must name it as the first one's answer does.
        """
        return await verbs.page(request.user, day, cursor, limit)

    @get("/api/v1/insights/{object_id:str}", operation_id="get_insight", tags=["insights"])
    async def get_insight(request: Request[Principal, Any, Any], object_id: FromPath[str]) -> FrameworkInsight:
        """How one framework is, its scores of 30 days, and what is recommended for it. 404 until it was reckoned."""
        return await verbs.get(request.user, unquote(object_id))

    @get("/api/v1/recommendations", operation_id="list_recommendations", tags=["insights"])
    async def list_recommendations(
        request: Request[Principal, Any, Any],
        framework_id: FromQuery[str | None] = None,
        rule_id: FromQuery[str | None] = None,
        measures: Measures = None,
        states: States = None,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> RecommendationPage:
        """What is recommended, newest first, each with what a replay promises of it; default: the open ones.

        `is_outdated`: the rule has changed since it was tried, so it is not applied. What is recommended for a rule
        that rings no more (deleted, off, its framework archived) is `gone`, and a page may have fewer than `limit`.
        """
        wanted = RecommendationsWanted(
            limit=limit,
            cursor=cursor,
            framework=framework_id and check_id(framework_id, "framework_id"),
            rule_id=rule_id and check_id(rule_id, "rule_id"),
            measures=parse_words(measures, Measure, "measure"),
            states=parse_words(states, RecommendationState, "state") or (RecommendationState.OPEN,),
        )
        return await verbs.recommendations(request.user, wanted)

    @get("/api/v1/recommendations/{object_id:str}", operation_id="get_recommendation", tags=["insights"])
    async def get_recommendation(request: Request[Principal, Any, Any], object_id: FromPath[str]) -> Recommendation:
        """One recommendation, in whatever state."""
        return await verbs.recommendation(request.user, unquote(object_id))

    @post(
        "/api/v1/recommendations/{object_id:str}/apply",
        status_code=200,
        guards=[needs("edit")],
        operation_id="apply_recommendation",
        tags=["insights"],
    )
    async def apply_recommendation(request: Request[Principal, Any, Any], object_id: FromPath[str]) -> Recommendation:
        """Does what is recommended; idempotent. 409 if the rule has changed since it was tried, or rings no more.

        What else is recommended for the rule is out of date from then on.
        """
        return await deciding.apply(request.user, unquote(object_id), peer_address(request))

    @post(
        "/api/v1/recommendations/{object_id:str}/dismiss",
        status_code=200,
        guards=[needs("respond")],
        dto=json_body(DismissBody),
        return_dto=None,
        operation_id="dismiss_recommendation",
        tags=["insights"],
    )
    async def dismiss_recommendation(
        request: Request[Principal, Any, Any],
        object_id: FromPath[str],
        data: JSONBody[DismissBody | None] = None,
    ) -> Recommendation:
        """Puts a recommendation away: it is not told again as long as its rule is as it is. Idempotent."""
        notes = data.notes if data else None
        return await deciding.dismiss(request.user, unquote(object_id), notes, peer_address(request))

    return [
        list_insights,
        get_insight,
        list_recommendations,
        get_recommendation,
        apply_recommendation,
        dismiss_recommendation,
    ]
