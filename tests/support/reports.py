"""Weeks to report."""

from __future__ import annotations

from typing import Any

from engine.core.analytics.calendar import DAY_US
from engine.core.reports.weekly import WEEK_US, Week
from protocol.analytics import CountedAlerts, Figures, RuleQuality, Took
from protocol.incidents import Incident, IncidentState
from protocol.insights import Basis, Because, Contribution, Insight, Measure, Promise, Recommendation, Trend, Tried
from protocol.model import Severity
from protocol.predictions import Accuracy, Breach, Count, Prediction, PredictionKind, PredictionState
from protocol.times import parse_rfc3339, rfc3339
from tests.support.patterns import a_pattern

# A Monday.
UNTIL = parse_rfc3339("2026-11-23T00:00:00Z")
SINCE = UNTIL - WEEK_US
NOTHING = Took(count=0)


def figures(alerts: int = 0, **more: Any) -> dict[str, Any]:
    """The fields of counts."""
    zeros = dict.fromkeys(
        ("active", "acknowledged", "resolved", "expired", "suppressed", "quieted", "notified", "noisy"), 0
    )
    usual = {"noise_ratio": None, "precision": None, "to_acknowledge": NOTHING, "to_resolve": NOTHING}
    return {"alerts": alerts, **zeros, "confirmed": 0, "false_alarms": 0, **usual, **more}


def counted(day: int, severity: Severity, alerts: int) -> CountedAlerts:
    """Alerts of a day: 0 is the week's first, -7 the first of the week before."""
    since = SINCE + day * DAY_US
    return CountedAlerts(since=rfc3339(since), until=rfc3339(since + DAY_US), severity=severity, **figures(alerts))


def an_empty_week(**changes: Any) -> Week:
    """Nothing has happened, and nothing is known."""
    nothing = Figures(**figures())
    usual = {"workspace": "acme", "days": (), "now": nothing, "before": nothing, "zone": "Europe/Berlin"}
    return Week(since_us=SINCE, until_us=UNTIL, **(usual | changes))


def a_week(name: str = "web", **changes: Any) -> Week:
    """One with something of everything; `name` stands for what people and producers may write."""
    days = [counted(day, Severity.CRITICAL, 2) for day in range(-7, 0)]
    days += [counted(day, Severity.WARNING, 3 + 2 * day) for day in range(7)]
    days += [counted(day, Severity.CRITICAL, 4) for day in (1, 4)] + [counted(5, Severity.INFO, 11)]
    now = figures(82, active=3, acknowledged=1, notified=40, suppressed=1_214, noise_ratio=0.31)
    now |= {
        "to_acknowledge": Took(count=40, mean_s=300.0, p50_s=250.0, p95_s=5_400.0),
        "to_resolve": Took(count=70, mean_s=4_000.0, p50_s=1_800.0, p95_s=90_000.0),
    }
    before = figures(14, noise_ratio=0.5, to_acknowledge=Took(count=9, mean_s=9.0, p50_s=400.0, p95_s=4_000.0))
    rule = figures(41, noise_ratio=0.85, to_acknowledge=Took(count=3, mean_s=60.0, p50_s=61.0, p95_s=90.0))
    quiet = figures(3, noise_ratio=None)
    judged = {"judged": 0, "judged_needed": 10, "false_alarms_per_week": 1.0}
    promise = Promise(
        basis=Basis.READINGS,
        since=rfc3339(SINCE),
        until=rfc3339(UNTIL),
        before=Tried(fired=240, notified=212),
        after=Tried(fired=16, notified=14),
    )
    found: dict[str, Any] = {
        "days": days,
        "now": Figures(**now),
        "before": Figures(**before),
        "zone": "Europe/Berlin",
        "site": "https://alerts.example.com/",
        "rules": [
            RuleQuality(rule_id=f"{name}-cpu", framework_id=name, **judged, **rule),
            RuleQuality(rule_id="disk", framework_id="db", **judged, **quiet),
        ],
        "incidents": [
            Incident(
                id="i1",
                state=IncidentState.OPEN,
                title=f"{name} is down",
                severity=Severity.CRITICAL,
                started_at=UNTIL - DAY_US,
                updated_at=UNTIL,
                alerts=12,
                open_alerts=3,
                frameworks=("web",),
            )
        ],
        "more_incidents": True,
        "insights": [an_insight(name, 41.4, -12.3), an_insight("db", 74.0, 0.2), an_insight("cdn", 99.0, None)],
        "patterns": [a_pattern(summary=f"CPU ({name}) and Disk ({name}) come together.")],
        "predictions": [
            a_prediction(PredictionKind.COUNT, Count(expected=12.4, low=6, high=19, probability=0.99, days=40)),
            a_prediction(PredictionKind.BREACH, a_breach(name), rule_id="hot"),
        ],
        "accuracy": [
            Accuracy(
                kind=kind,
                scored=28,
                brier=0.1,
                wape_percent=18.2,
                coverage_percent=79.0,
                warned=5,
                missed=2,
                false_alarms=1,
                lead_s=39_600.0,
                calibration=[],
            )
            for kind in PredictionKind
        ],
        "recommendations": [
            Recommendation(
                id="r1",
                measure=Measure.ADD_HYSTERESIS,
                framework_id="web",
                rule_id="cpu",
                rule_version=3,
                title=f"Let {name}-cpu end later",
                reason="It ends and begins again within minutes.",
                change={},
                promise=promise,
                found_at=rfc3339(SINCE),
            )
        ],
    }
    return an_empty_week(**(found | changes))


def an_insight(framework: str, health: float | None, change: float | None) -> Insight:
    """How a framework is."""
    down = Contribution(
        because=Because.ALERTS, source="cpu", points=20.0, text="error alerts were open for 6.0 hours in the last day"
    )
    return Insight(
        framework_id=framework,
        day="2026-11-22",
        at=rfc3339(UNTIL),
        health=health,
        risk=10.0,
        categories=(),
        pulled_down=(down,),
        trends=(Trend(days=7, change=change),),
    )


def a_breach(name: str, **changes: Any) -> Breach:
    """A threshold that will probably be reached."""
    usual = {
        "metric": "cpu",
        "labels": {"host": name},
        "comparison": ">",
        "threshold": 85.0,
        "aggregate": "last",
        "window_s": 0.0,
        "probability": 0.93,
        "expected_at": "2026-11-23T14:00:00Z",
        "earliest_at": None,
        "latest_at": None,
        "hours": [],
        "days": 56,
    }
    return Breach(**(usual | changes))


def a_prediction(kind: PredictionKind, forecast: Breach | Count | None, **changes: Any) -> Prediction:
    """What is expected of the day after the week."""
    usual = {"framework_id": None, "rule_id": None, "made_at": rfc3339(UNTIL)}
    times = {"since": rfc3339(UNTIL), "until": rfc3339(UNTIL + DAY_US)}
    return Prediction(id="p1", kind=kind, state=PredictionState.OPEN, forecast=forecast, **(usual | times | changes))
