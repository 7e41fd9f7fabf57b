"""`GET /api/v1/predictions`: what is expected of rules and of tomorrow, what came of it, and how good that was."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from engine.http.parameters import Cursor, Limit, Moment, parse_moment, parse_words
from engine.pages import PAGE_DEFAULT
from engine.verbs.predictions import PredictionPage, PredictionVerbs
from protocol.model import Principal
from protocol.predictions import AccuracyReport, Prediction, PredictionKind, PredictionState

# The framework keeps the name `state` for itself, so the parameter has another one in Python.
States = Annotated[
    list[str] | None,
    QueryParameter(name="state", description="open, scored, unscored, refused, over (default: all but over)"),
]
Kinds = Annotated[list[str] | None, QueryParameter(name="kind", description="breach, count")]


def prediction_routes(verbs: PredictionVerbs) -> list[HTTPRouteHandler]:
    """`GET /api/v1/predictions`, `/predictions/accuracy` and `/predictions/{id}`."""

    @get("/api/v1/predictions", operation_id="list_predictions", tags=["analytics"])
    async def predictions(
        request: Request[Principal, Any, Any],
        framework_id: FromQuery[str | None] = None,
        rule_id: FromQuery[str | None] = None,
        kinds: Kinds = None,
        states: States = None,
        since: Moment = None,
        until: Moment = None,
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> PredictionPage:
        """Predictions, newest time first: `breach` (when a rule's threshold is reached next, hour by hour) and `count`
        (how many alerts a day brings).

        `refused` says why there is none ("needs 14 days, has 3"), and which was the last one. `since` and `until` are
        about the times that predictions are for.
        """
        return await verbs.predictions(
            request.user,
            framework_id,
            rule_id,
            parse_words(kinds, PredictionKind, "kind"),
            parse_words(states, PredictionState, "state"),
            parse_moment(since, "since"),
            parse_moment(until, "until"),
            cursor,
            limit,
        )

    @get("/api/v1/predictions/accuracy", operation_id="get_prediction_accuracy", tags=["analytics"])
    async def accuracy(
        request: Request[Principal, Any, Any],
        framework_id: FromQuery[str | None] = None,
        rule_id: FromQuery[str | None] = None,
        since: Moment = None,
        until: Moment = None,
    ) -> AccuracyReport:
        """How good past predictions were: calibration, Brier score, WAPE, coverage of the 80 % intervals, warnings that
        came, were false, or were missed, and how early they were. Whole days; 30 by default, 90 at most.
        """
        moments = parse_moment(since, "since"), parse_moment(until, "until")
        return await verbs.accuracy(request.user, framework_id, rule_id, *moments)

    @get("/api/v1/predictions/{prediction_id:str}", operation_id="get_prediction", tags=["analytics"])
    async def prediction(request: Request[Principal, Any, Any], prediction_id: FromPath[str]) -> Prediction:
        """One prediction, with what came of it once its time has passed."""
        return await verbs.prediction(request.user, prediction_id)

    return [predictions, accuracy, prediction]
