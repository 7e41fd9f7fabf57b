"""Predictions, and sums of their scores, as findings of the store; and back again."""

from __future__ import annotations

import msgspec

from engine.core.analytics.accuracy import LEAD_HOURS, Tallies
from engine.core.analytics.calendar import HOUR_US
from engine.stores.findings import Finding
from protocol.predictions import Prediction, PredictionKind, PredictionState
from protocol.times import parse_rfc3339

PREDICTION = "prediction"
# Sums of a day: of a workspace, of a framework, of a rule.
ACCURACY, FRAMEWORK_ACCURACY, RULE_ACCURACY = "prediction_day", "prediction_day_framework", "prediction_day_rule"
KEPT = "kept"
# Readings are rolled up and alerts counted by then.
DUE_AFTER_US = HOUR_US

_predictions = msgspec.json.Decoder(Prediction).decode
_tallies = msgspec.json.Decoder(Tallies).decode


def finding_of(workspace: str, prediction: Prediction, now_us: int) -> Finding:
    """A prediction as it is kept: by the time that it is for, due an hour after it."""
    is_open = prediction.state is PredictionState.OPEN
    return Finding(
        workspace=workspace,
        kind=PREDICTION,
        key=prediction.id,
        framework=prediction.framework_id,
        rule_id=prediction.rule_id,
        sort=prediction.kind.value,
        score=None if prediction.forecast is None else round(prediction.forecast.probability, 12),
        state=prediction.state.value,
        at=parse_rfc3339(prediction.since),
        due=parse_rfc3339(prediction.until) + DUE_AFTER_US if is_open else None,
        updated_at=now_us,
        body=msgspec.json.encode(prediction).decode(),
    )


def prediction_of(finding: Finding) -> Prediction:
    """What is kept."""
    return _predictions(finding.body)


def tally_finding(
    workspace: str, day_us: int, framework: str | None, rule_id: str | None, tallies: Tallies, now_us: int
) -> Finding:
    """The sums of a day, of everything (both None), a framework, or a rule."""
    kind, key = ACCURACY, str(day_us)
    if rule_id is not None:
        kind, key = RULE_ACCURACY, f"{day_us}/{rule_id}"
    elif framework is not None:
        kind, key = FRAMEWORK_ACCURACY, f"{day_us}/{framework}"
    return Finding(
        workspace=workspace,
        kind=kind,
        key=key,
        framework=framework,
        rule_id=rule_id,
        state=KEPT,
        at=day_us,
        updated_at=now_us,
        body=msgspec.json.encode(tallies).decode(),
    )


def tallies_in(finding: Finding) -> Tallies:
    """The sums that are kept."""
    return _tallies(finding.body)


class _Leads(msgspec.Struct):
    leads: list[int]


_leads = msgspec.json.Decoder(dict[PredictionKind, _Leads]).decode


def leads_in(finding: Finding) -> list[int]:
    """Of the sums of a day, how many breaches had been warned of, by how many hours before."""
    found = _leads(finding.body).get(PredictionKind.BREACH)
    return [0] * LEAD_HOURS if found is None else found.leads
