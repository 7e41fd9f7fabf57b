"""`GET /api/v1/rules/{id}/series`: what a rule sees now, series by series."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from engine.http.parameters import Cursor, Limit, parse_words
from engine.pages import PAGE_DEFAULT
from engine.verbs.rule_series import RuleSeries, RuleSeriesPage
from protocol.model import Principal
from protocol.rule_series import SeriesState

# The framework keeps the name `state` for itself, so the parameter has another one in Python.
States = Annotated[
    list[str] | None, QueryParameter(name="state", description=", ".join(state.value for state in SeriesState))
]


def rule_series_routes(verbs: RuleSeries) -> list[HTTPRouteHandler]:
    """`GET /api/v1/rules/{id}/series`."""

    @get("/api/v1/rules/{object_id:str}/series", operation_id="list_rule_series", tags=["rules"])
    async def rule_series(
        request: Request[Principal, Any, Any],
        object_id: FromPath[str],
        states: States = None,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> RuleSeriesPage:
        """What a rule sees now: each series with its state, since when, its value, and the alert that is open.

        A page may be short, or empty, and yet have a next one. A rule that is disabled, or that nothing was read for,
        has no series.
        """
        wanted = parse_words(states, SeriesState, "state")
        return await verbs.page(request.user, unquote(object_id), wanted, cursor, limit)

    return [rule_series]
