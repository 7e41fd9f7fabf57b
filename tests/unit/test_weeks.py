"""What is gathered for a weekly report: what was found and is still so, within its reader's bounds, a few of each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from engine.access.audit import AuditTrail
from engine.analytics.insight_findings import insight_finding, recommendation_finding
from engine.analytics.prediction_findings import finding_of
from engine.analytics.standing import Standing
from engine.analytics.weekly import FRAMEWORKS_SHOWN, PREDICTIONS_SHOWN, Weeks
from engine.core.analytics.calendar import DAY_US, HOUR_US
from engine.stores import Store
from engine.verbs.analytics import AnalyticsVerbs
from engine.verbs.insights import InsightVerbs
from engine.verbs.patterns import PatternVerbs
from engine.verbs.predictions import PredictionVerbs
from protocol.insights import RecommendationState
from protocol.model import NEVER_EXPIRES, Principal
from protocol.patterns import PatternState
from protocol.predictions import Count, PredictionKind
from protocol.times import rfc3339
from tests.support.caches import a_node
from tests.support.insights import CPU
from tests.support.patterns import a_pattern, findings_of
from tests.support.reports import SINCE, UNTIL, a_breach, a_prediction, a_week, an_insight
from tests.support.shelves import Desk, a_desk, who

NOW = UNTIL + 8 * HOUR_US
ANN = Principal(workspace="acme", user="ann", role="viewer", expires_at=NEVER_EXPIRES)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk() as desk:
        yield desk


@pytest.fixture
def store(desk: Desk) -> Store:
    return desk.store


@pytest.fixture
def weeks(store: Store, desk: Desk) -> Weeks:
    return Weeks(
        store,
        AnalyticsVerbs(store, a_node().cache, lambda: NOW),
        PatternVerbs(store, AuditTrail(store, lambda: NOW, 5.0), lambda: NOW, a_node().cache),
        PredictionVerbs(store, lambda: NOW),
        InsightVerbs(store, Standing(desk.shelves.rules, desk.shelves.archived)),
        "https://alerts.example.com",
    )


async def test_it_is_about_the_seven_whole_days_before(weeks: Weeks) -> None:
    week = await weeks.week(ANN, "UTC", NOW)
    assert (week.since_us, week.until_us, week.frameworks) == (SINCE, UNTIL, None)
    assert (week.now.alerts, week.rules, week.insights, week.predictions) == (0, [], [], [])


async def test_patterns_are_those_of_the_week_that_nobody_dismissed(store: Store, weeks: Weeks) -> None:
    known = [
        a_pattern("new", since=rfc3339(SINCE + DAY_US)),
        a_pattern("sure", since=rfc3339(SINCE + DAY_US), state=PatternState.CONFIRMED),
        a_pattern("no", since=rfc3339(SINCE + DAY_US), state=PatternState.DISMISSED),
        a_pattern("old", since=rfc3339(SINCE - DAY_US)),
    ]
    await store.put_findings(findings_of(known))
    assert {each.id for each in (await weeks.week(ANN, "UTC", NOW)).patterns} == {"new", "sure"}


async def test_frameworks_come_the_worst_first_and_unknown_ones_not_at_all(store: Store, weeks: Weeks) -> None:
    known = [an_insight(f"f{number:02}", 99.0 - number, None) for number in range(FRAMEWORKS_SHOWN + 3)]
    known.append(an_insight("dark", None, None))
    await store.put_findings([insight_finding("acme", each, NOW) for each in known])
    shown = [each.framework_id for each in (await weeks.week(ANN, "UTC", NOW)).insights]
    assert shown == [f"f{number:02}" for number in reversed(range(3, FRAMEWORKS_SHOWN + 3))]


async def test_predictions_are_the_day_of_all_and_what_is_rather_probable(store: Store, weeks: Weeks) -> None:
    count = Count(expected=5.0, low=1, high=9, probability=0.9, days=40)
    known = [
        replace(a_prediction(PredictionKind.COUNT, count), id="all"),
        replace(a_prediction(PredictionKind.COUNT, count), id="web", framework_id="web"),
        replace(a_prediction(PredictionKind.COUNT, count), id="rule", framework_id="web", rule_id="cpu"),
    ]
    for number in range(PREDICTIONS_SHOWN + 4):
        breach = a_breach("h", probability=0.4 + number / 20)
        known.append(replace(a_prediction(PredictionKind.BREACH, breach), id=f"b{number}", framework_id="db"))
    await store.put_findings([finding_of("acme", each, NOW) for each in known])
    shown = [each.id for each in (await weeks.week(ANN, "UTC", NOW)).predictions]
    assert shown == ["all", *(f"b{number}" for number in range(8, 3, -1))]
    bounded = await weeks.week(replace(ANN, channels=("web",)), "UTC", NOW)
    assert [each.id for each in bounded.predictions] == ["web"], "of all is not theirs"
    assert bounded.frameworks == ("web",)


async def test_only_open_recommendations_that_are_not_out_of_date_are_told(
    store: Store, desk: Desk, weeks: Weeks
) -> None:
    await desk.shelves.rules.create(who(), CPU)
    one = replace(a_week().recommendations[0], rule_version=1)
    others = [
        replace(one, id="r2", state=RecommendationState.APPLIED),
        replace(one, id="r3", rule_version=2),
        replace(one, id="r4", rule_id="deleted"),
    ]
    await store.put_findings([recommendation_finding("acme", each, NOW) for each in (one, *others)])
    assert [each.id for each in (await weeks.week(ANN, "UTC", NOW)).recommendations] == ["r1"]
    assert (await weeks.week(replace(ANN, channels=("db",)), "UTC", NOW)).recommendations == []
    assert (await weeks.week(replace(ANN, workspace="umbrella"), "UTC", NOW)).recommendations == []
