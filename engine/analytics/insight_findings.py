"""Insights and recommendations as findings, and back."""

from __future__ import annotations

import msgspec

from engine.core.analytics.calendar import DAY_US
from engine.stores.findings import Finding
from protocol.insights import Insight, Recommendation, RecommendationState
from protocol.times import parse_rfc3339, rfc3339

INSIGHT, RECOMMENDATION = "insight", "recommendation"
_KEPT = "kept"


def insight_key(framework: str, day: str) -> str:
    """One a framework and day."""
    return f"{day}/{framework}"


def insight_finding(workspace: str, insight: Insight, updated_at: int) -> Finding:
    """An insight as it is kept; `at` is the beginning of its day, so that a day's are a page."""
    return Finding(
        workspace=workspace,
        kind=INSIGHT,
        key=insight_key(insight.framework_id, insight.day),
        state=_KEPT,
        at=updated_at // DAY_US * DAY_US,
        updated_at=updated_at,
        body=msgspec.json.encode(insight).decode(),
        framework=insight.framework_id,
        score=insight.health,
    )


def insight_of(finding: Finding) -> Insight:
    """The insight that was kept."""
    return msgspec.json.decode(finding.body, type=Insight)


def recommendation_finding(workspace: str, one: Recommendation, updated_at: int, version: int = 0) -> Finding:
    """A recommendation as it is kept; `version` as it was read."""
    return Finding(
        workspace=workspace,
        kind=RECOMMENDATION,
        key=one.id,
        state=one.state.value,
        at=parse_rfc3339(one.found_at),
        updated_at=updated_at,
        body=msgspec.json.encode(one).decode(),
        framework=one.framework_id,
        rule_id=one.rule_id,
        sort=one.measure.value,
        score=float(one.promise.before.notified - one.promise.after.notified),
        version=version,
    )


def recommendation_of(finding: Finding) -> Recommendation:
    """The recommendation that was kept, in the state that it is in."""
    found = msgspec.json.decode(finding.body, type=Recommendation)
    return msgspec.structs.replace(found, state=RecommendationState(finding.state), found_at=rfc3339(finding.at))
