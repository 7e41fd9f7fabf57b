"""What came of a prediction whose time has passed. A day that was hardly measured, or not watched, scores nothing, and
says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.core.analytics.accuracy import WARNING
from engine.core.analytics.breach import Hour, is_breach, watched
from engine.core.analytics.calendar import HOUR_US
from engine.core.analytics.forecast import TooLittle, is_sane
from engine.core.analytics.uptime import WATCHED_MIN, reason
from protocol.model import Comparison
from protocol.predictions import Breach, Count, Outcome, Prediction, PredictionState
from protocol.rules import Aggregate, ThresholdRule
from protocol.times import SECOND_US, parse_rfc3339, rfc3339

# Of the hours of a breach prediction: with fewer that were measured, "it was not reached" is not known.
MEASURED_MIN = 0.5


def score_breach(prediction: Prediction, hours: Sequence[Hour | None], now_us: int) -> Prediction:
    """`hours`: what was measured in each hour of its time (None: nothing)."""
    forecast = prediction.forecast
    if not isinstance(forecast, Breach):
        raise ValueError(f"prediction {prediction.id} is of no breach")
    rule = rule_of(prediction, forecast)
    look = watched(rule)
    if isinstance(look, TooLittle):
        return _unscored(prediction, look.reason)
    values = [None if hour is None else look(hour) for hour in hours]
    reached = next((step for step, value in enumerate(values) if value is not None and is_breach(rule, value)), None)
    known = [(ahead, value) for ahead, value in zip(forecast.hours, values, strict=False) if value is not None]
    if reached is None and len(known) < MEASURED_MIN * len(forecast.hours):
        return _unscored(prediction, f"measured in {len(known)} of {len(forecast.hours)} hours")
    # A reading of 1e308 is a breach; in the sums it would leave nothing else.
    sane = [(ahead, value) for ahead, value in known if is_sane(value)]
    at = None if reached is None else parse_rfc3339(prediction.since) + reached * HOUR_US
    made = parse_rfc3339(prediction.made_at)
    is_warning = forecast.probability >= WARNING
    return _scored(
        prediction,
        Outcome(
            scored_at=rfc3339(now_us),
            happened=reached is not None,
            at=None if at is None else rfc3339(at),
            lead_s=None if at is None or not is_warning else max(0.0, (at - made) / SECOND_US),
            off=sum(abs(ahead.expected - value) for ahead, value in sane),
            total=sum(abs(value) for _, value in sane),
            inside=sum(ahead.low <= value <= ahead.high for ahead, value in sane),
            points=len(sane),
        ),
    )


def score_count(prediction: Prediction, count: int, now_us: int, up: float = 1.0) -> Prediction:
    """`count`: the alerts of its day; `up`: how much of it the engine was up, as far as that is known."""
    forecast = prediction.forecast
    if not isinstance(forecast, Count):
        raise ValueError(f"prediction {prediction.id} is of no count")
    if up < WATCHED_MIN:
        return _unscored(prediction, reason(up))
    return _scored(
        prediction,
        Outcome(
            scored_at=rfc3339(now_us),
            happened=count > 0,
            count=count,
            off=abs(forecast.expected - count),
            total=float(count),
            inside=int(forecast.low <= count <= forecast.high),
            points=1,
        ),
    )


def rule_of(prediction: Prediction, forecast: Breach) -> ThresholdRule:
    """The rule as it was when this was predicted."""
    return ThresholdRule(
        id=prediction.rule_id or "",
        framework=prediction.framework_id or "",
        metric=forecast.metric,
        threshold=forecast.threshold,
        comparison=Comparison(forecast.comparison),
        aggregate=Aggregate(forecast.aggregate),
        window_s=forecast.window_s,
    )


def _scored(prediction: Prediction, outcome: Outcome) -> Prediction:
    return msgspec.structs.replace(prediction, state=PredictionState.SCORED, outcome=outcome)


def _unscored(prediction: Prediction, reason: str) -> Prediction:
    return msgspec.structs.replace(prediction, state=PredictionState.UNSCORED, reason=reason)
