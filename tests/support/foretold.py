"""What an engine says once a night of a shop, made by hand: predictions and how good they were, insights, advice."""

from __future__ import annotations

from itertools import accumulate
from math import cos, pi

from engine.analytics.insight_findings import insight_finding, recommendation_finding
from engine.analytics.prediction_findings import finding_of, tally_finding
from engine.analytics.prediction_worker import refusal
from engine.core.analytics.accuracy import Tally
from engine.stores.findings import Finding
from protocol.directory import HealthCategory
from protocol.insights import (
    Basis,
    Because,
    CategoryHealth,
    Contribution,
    Insight,
    Measure,
    Promise,
    Recommendation,
    Trend,
    Tried,
)
from protocol.predictions import Breach, Count, HourAhead, Prediction, PredictionKind, PredictionState
from protocol.times import SECOND_US, rfc3339

HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
THRESHOLD = 90.0
SCORES = [74.0, 71.5, 70.0, 78.0, 83.0, 82.0, 88.0, 90.0, 91.0, 89.5]


def foretold(workspace: str, now: int) -> list[Finding]:
    """All of it, as it is kept."""
    insights = [insight(now, day, score) for day, score in enumerate(SCORES)]
    return [
        *(finding_of(workspace, each, now) for each in predictions(now)),
        *past_sums(workspace, now),
        *(insight_finding(workspace, each, now - day * DAY_US) for day, each in enumerate(insights)),
        *(recommendation_finding(workspace, each, now) for each in advice(now)),
    ]


def predictions(now: int) -> list[Prediction]:
    """A disk that will be full, tomorrow's alerts, and a rule of which too little is known."""
    disk = a_prediction("disk", PredictionKind.BREACH, "web", now, breach(now))
    days = [
        ("all", None, None, 31.2, 24, 39),
        ("web", "web", None, 31.2, 24, 39),
        ("chatty", "web", "chatty", 28.0, 21, 35),
    ]
    counts = [
        a_prediction(
            f"count-{name}",
            PredictionKind.COUNT,
            framework,
            now,
            Count(expected=expected, low=low, high=high, probability=0.98, days=28),
            rule,
        )
        for name, framework, rule, expected, low, high in days
    ]
    return [disk, *counts, refusal(PredictionKind.BREACH, "web", "chatty", "needs 14 days, has 3", now)]


def a_prediction(
    name: str,
    kind: PredictionKind,
    framework: str | None,
    now: int,
    forecast: Breach | Count,
    rule: str | None = "disk",
) -> Prediction:
    since = now // HOUR_US * HOUR_US
    return Prediction(
        id=f"prediction-{name}",
        kind=kind,
        state=PredictionState.OPEN,
        framework_id=framework,
        rule_id=rule if kind is PredictionKind.BREACH or rule != "disk" else None,
        made_at=rfc3339(now),
        since=rfc3339(since),
        until=rfc3339(since + DAY_US),
        forecast=forecast,
    )


def breach(now: int) -> Breach:
    since = now // HOUR_US * HOUR_US
    expected = [76 + hour * 0.55 + 4 * cos(hour * pi / 12) for hour in range(24)]
    chances = [max(0.0, min(1.0, (value - 80) / 40)) for value in expected]
    by = list(accumulate(chances, lambda before, chance: before + (1 - before) * chance))
    return Breach(
        metric="disk_percent",
        labels={"host": "db-2"},
        comparison=">",
        threshold=THRESHOLD,
        aggregate="last",
        window_s=0.0,
        probability=by[-1],
        expected_at=rfc3339(since + 19 * HOUR_US),
        earliest_at=rfc3339(since + 14 * HOUR_US),
        latest_at=rfc3339(since + 23 * HOUR_US),
        hours=[
            HourAhead(
                at=rfc3339(since + hour * HOUR_US),
                expected=value,
                low=value - 1 - hour * 0.2,
                high=value + 1 + hour * 0.2,
                probability=chances[hour],
                by=by[hour],
            )
            for hour, value in enumerate(expected)
        ],
        days=56,
        trend_at=rfc3339(since + 6 * DAY_US),
    )


def past_sums(workspace: str, now: int) -> list[Finding]:
    """What the predictions of yesterday came to."""
    counts = [40, 12, 6, 4, 3, 2, 4, 5, 6, 10]
    tally = Tally(
        scored=sum(counts),
        brier=5.6,
        off=61.0,
        total=980.0,
        inside=1_810,
        points=2_208,
        warned=22,
        missed=3,
        false_alarms=5,
        counts=counts,
        said=[(place + 0.5) / 10 * count for place, count in enumerate(counts)],
        came=[1, 2, 1, 2, 1, 1, 3, 4, 5, 9],
    )
    tally.leads[11] = 22
    day = now // DAY_US * DAY_US - DAY_US
    sums = {PredictionKind.BREACH: tally, PredictionKind.COUNT: tally}
    return [
        tally_finding(workspace, day, None, None, sums, now),
        tally_finding(workspace, day, "web", None, sums, now),
    ]


def insight(now: int, day: int, health: float) -> Insight:
    at = now - day * DAY_US
    return Insight(
        framework_id="web",
        day=rfc3339(at)[:10],
        at=rfc3339(at),
        health=health,
        risk=100 - health + 12,
        categories=(
            CategoryHealth(category=HealthCategory.PERFORMANCE, health=health - 8),
            CategoryHealth(category=HealthCategory.AVAILABILITY, health=min(100.0, health + 14)),
            CategoryHealth(category=HealthCategory.SECURITY, health=None),
            CategoryHealth(category=HealthCategory.SCALABILITY, health=health - 20),
            CategoryHealth(category=HealthCategory.COST, health=100.0),
        ),
        pulled_down=(
            Contribution(
                because=Because.ALERTS,
                source="chatty",
                points=16.0,
                text="warning alerts were open for 9.0 hours in the last day",
                category=HealthCategory.PERFORMANCE,
            ),
            Contribution(
                because=Because.STRAIN,
                source="disk",
                points=10.0,
                text="came to 95% of its rule's threshold",
                category=HealthCategory.SCALABILITY,
            ),
        ),
        risks=(
            Contribution(because=Because.FREQUENCY, source="chatty", points=26.0, text="212 alerts within 7 days"),
            Contribution(
                because=Because.UNANSWERED, source="disk", points=12.0, text="open for 3 hours, with nobody on it"
            ),
        ),
        trends=(
            Trend(days=7, change=-9.0),
            Trend(days=30, change=None, note="needs 14 days, has 10"),
        ),
        note="security: no metric or rule speaks of it",
    )


def advice(now: int) -> list[Recommendation]:
    """For one rule to wait before it rings, or to be told less often; to silence another one."""
    promise = Promise(
        basis=Basis.READINGS,
        since=rfc3339(now - 14 * DAY_US),
        until=rfc3339(now),
        before=Tried(fired=212, notified=212),
        after=Tried(fired=14, notified=14),
    )
    return [
        Recommendation(
            id="wait",
            measure=Measure.WAIT,
            framework_id="web",
            rule_id="chatty",
            rule_version=1,
            title="Let Queue is long hold for 300 s before it rings",
            reason="198 of its 212 alerts were over by themselves within five minutes, with nobody looking.",
            change={"for_s": 300.0},
            was={"for_s": 0.0},
            promise=promise,
            found_at=rfc3339(now),
        ),
        Recommendation(
            id="widen",
            measure=Measure.WIDEN_WINDOW,
            framework_id="web",
            rule_id="chatty",
            rule_version=1,
            title="Widen the suppression window of Queue is long to 1800 s",
            reason="190 of its 212 alerts came within two hours of the end of the same one.",
            change={"suppression_s": 1_800.0},
            was={"suppression_s": None},
            promise=promise,
            found_at=rfc3339(now - SECOND_US),
        ),
        Recommendation(
            id="silence",
            measure=Measure.SILENCE,
            framework_id="web",
            rule_id="disk",
            rule_version=1,
            title="Silence Disk is full for a week",
            reason="19 of its 20 alerts were marked as noise.",
            change={"matchers": [{"name": "rule_id", "value": "disk"}], "comment": "recommended: all were noise"},
            promise=promise,
            found_at=rfc3339(now - 2 * SECOND_US),
        ),
    ]
