"""Scores are no constants: what they say of known cases, and what must hold for whatever comes in."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.analytics.scoring import (
    DAY_US,
    HOUR_US,
    OTHERS,
    TOLD_MAX,
    WEEK_US,
    Alarm,
    Drift,
    Scores,
    Strain,
    Watched,
    open_share,
    score,
)
from protocol.directory import HealthCategory
from protocol.insights import Because
from protocol.model import Severity

NOW = 1_769_860_800_000_000
UP, SLOW, DEAR = HealthCategory.AVAILABILITY, HealthCategory.PERFORMANCE, HealthCategory.COST


def alarm(hours_ago: float = 24.0, hours: float | None = None, **fields: Any) -> Alarm:
    """An alert that began so many hours ago, and was open for so many (None: it is open)."""
    since = NOW - int(hours_ago * HOUR_US)
    until = None if hours is None else since + int(hours * HOUR_US)
    given = {"id": "a1", "source": "cpu", "category": UP, "severity": Severity.CRITICAL, "identity": "h1"}
    return Alarm(**{**given, "since": since, "until": until, **fields})


def of(*alarms: Alarm, known: tuple[HealthCategory, ...] = (UP,), **more: Any) -> Scores:
    return score(Watched(known=known, alarms=alarms, **more), NOW)


def test_what_nothing_is_known_of_is_unknown_and_not_well() -> None:
    found = score(Watched(known=()), NOW)
    assert (found.health, found.risk, found.pulled_down, found.risks) == (None, None, (), ())
    assert [side.health for side in found.categories] == [None] * 5


def test_a_watched_framework_without_trouble_is_well_and_the_sides_nobody_watches_are_unknown() -> None:
    found = of(known=(UP, SLOW))
    assert (found.health, found.risk, found.pulled_down, found.risks) == (100.0, 0.0, (), ())
    assert {side.category: side.health for side in found.categories if side.health is not None} == {
        UP: 100.0,
        SLOW: 100.0,
    }


@pytest.mark.parametrize(
    ("severity", "health"),
    [(Severity.INFO, 98.0), (Severity.WARNING, 85.0), (Severity.ERROR, 55.0), (Severity.CRITICAL, 15.0)],
)
def test_an_alert_that_is_open_all_day_costs_its_severity(severity: Severity, health: float) -> None:
    assert of(alarm(severity=severity)).health == health


def test_an_hour_of_the_day_costs_a_fifth_of_all_day() -> None:
    found = of(alarm(2.0, 1.0))
    assert found.health == round(100 * (1 - 0.85 * math.sqrt(1 / 24)), 1)
    (told,) = found.pulled_down
    assert (told.because, told.source, told.category, told.alert_ids) == (Because.ALERTS, "cpu", UP, ("a1",))
    assert told.text == "critical alerts were open for 1.0 hours in the last day"
    assert told.points == round(100 - (found.health or 0), 1)


def test_what_was_over_before_the_day_began_costs_nothing() -> None:
    found = of(alarm(30.0, 5.0))
    assert (found.health, found.pulled_down) == (100.0, ())


def test_a_side_that_means_little_costs_the_whole_little() -> None:
    found = of(alarm(category=DEAR))
    assert {side.category: side.health for side in found.categories}[DEAR] == 15.0
    assert found.health == round(100 * (1 - 0.4 * 0.85), 1)


def test_open_alerts_are_a_risk_that_grows_and_is_halved_by_whoever_takes_them_on() -> None:
    fresh, old = of(alarm(0.0)), of(alarm(5.0))
    taken = of(alarm(5.0, is_taken=True))
    unanswered = [
        next(each for each in found.risks if each.because is Because.UNANSWERED) for found in (fresh, old, taken)
    ]
    assert [each.text for each in unanswered] == [
        "a critical alert is open, and nobody has it, for less than a minute",
        "a critical alert is open, and nobody has it, for 5.0 hours",
        "a critical alert is taken on, and open, for 5.0 hours",
    ]
    assert fresh.risk is not None and old.risk is not None and taken.risk is not None
    assert old.risk > 85.0 > taken.risk > 42.0


@pytest.mark.parametrize(
    ("minutes", "severity", "says"),
    [
        (0.4, Severity.ERROR, "an error alert is open, and nobody has it, for less than a minute"),
        (1.0, Severity.CRITICAL, "a critical alert is open, and nobody has it, for a minute"),
        (2.0, Severity.WARNING, "a warning alert is open, and nobody has it, for 2 minutes"),
    ],
)
def test_what_is_said_of_an_alert_and_of_its_time_are_sentences(minutes: float, severity: Severity, says: str) -> None:
    told = {each.because: each.text for each in of(alarm(minutes / 60, severity=severity)).risks}
    assert told[Because.UNANSWERED] == says
    assert told[Because.FREQUENCY] == "1 alert in 7 days; the same one again counts once an hour"


def test_alerts_of_a_week_are_a_risk_those_before_are_not() -> None:
    week = of(*[alarm(25.0 * day, 0.1, identity=f"h{day}") for day in range(1, 6)])
    (told,) = week.risks
    assert (told.because, told.source, told.category) == (Because.FREQUENCY, "alerts", None)
    assert week.risk == round(40 * (1 - math.exp(-5 * 0.85 / 20)), 1)
    assert of(alarm(8 * 24.0, 0.1)).risk == 0.0


def test_readings_near_a_threshold_cost_some_health_and_are_a_risk() -> None:
    strains = (Strain("disk", SLOW, 0.9), Strain("disk", SLOW, 0.5))
    found = of(strains=strains, known=(SLOW,))
    assert found.health == round(100 * (1 - 0.8 * 0.1), 1)
    assert found.risk == 25.0
    (told,) = found.pulled_down
    assert (told.because, told.source, told.text) == (Because.STRAIN, "disk", "came to 90% of its rule's threshold")
    assert of(strains=(Strain("disk", UP, 0.8),)).health == 100.0


def test_a_metric_without_a_rule_that_drifts_costs_a_little() -> None:
    found = of(drifts=(Drift("rate", UP, 6.5), Drift("rate", UP, 1.0)))
    assert (found.health, found.risk) == (95.0, 0.0)
    assert found.pulled_down[0].text == "is 6.5 deviations from the days before"
    assert of(drifts=(Drift("rate", UP, 3.0),)).health == 100.0


def test_the_small_ones_are_told_together_and_points_add_up() -> None:
    found = of(*[alarm(source=f"rule-{n}", severity=Severity.WARNING) for n in range(8)])
    assert len(found.pulled_down) == TOLD_MAX + 1
    assert (found.pulled_down[-1].source, found.pulled_down[-1].text) == (OTHERS, "3 more")
    assert math.fsum(each.points for each in found.pulled_down) == pytest.approx(100 - (found.health or 0), abs=0.4)


def test_times_that_overlap_count_once() -> None:
    alarms = [alarm(10.0, 4.0), alarm(9.0, 1.0), alarm(7.0, 2.0), alarm(2.0)]
    assert open_share(alarms, NOW - DAY_US, NOW) == pytest.approx(7 / 24)


# For whatever comes in

hours = st.floats(0.0, 200.0)
alarms = st.builds(
    alarm,
    hours,
    st.none() | st.floats(0.0, 50.0),
    id=st.sampled_from(["a1", "a2", "a3"]),
    source=st.sampled_from(["cpu", "disk", "net"]),
    category=st.sampled_from(HealthCategory),
    severity=st.sampled_from(Severity),
    identity=st.sampled_from(["h1", "h2"]),
    is_taken=st.booleans(),
)
metrics = st.sampled_from(["load", "rate"])
strains = st.builds(Strain, metrics, st.sampled_from(HealthCategory), st.floats(0.0, 5.0))
drifts = st.builds(Drift, metrics, st.sampled_from(HealthCategory), st.floats(0.0, 50.0))
watched = st.builds(
    Watched,
    known=st.sets(st.sampled_from(HealthCategory), min_size=1),
    alarms=st.lists(alarms, max_size=6),
    strains=st.lists(strains, max_size=3),
    drifts=st.lists(drifts, max_size=3),
)
FAST = settings(max_examples=150, deadline=None, derandomize=True)


def is_no_better(worse: Watched, than: Watched) -> bool:
    after, before = score(worse, NOW), score(than, NOW)
    assert before.health is not None and before.risk is not None and after.health is not None and after.risk is not None
    sides = zip(after.categories, before.categories, strict=True)
    return (
        after.health <= before.health
        and after.risk >= before.risk
        and all(new.health <= old.health for new, old in sides if new.health is not None and old.health is not None)
    )


@FAST
@given(watched, alarms)
def test_one_more_alert_never_makes_anything_better(one: Watched, more: Alarm) -> None:
    assert is_no_better(one._replace(alarms=[*one.alarms, more]), one)


@FAST
@given(watched, alarms, st.floats(0.0, 100.0), st.sampled_from(Severity))
def test_a_longer_louder_or_forgotten_alert_never_makes_anything_better(
    one: Watched, seen: Alarm, more_hours: float, severity: Severity
) -> None:
    before = one._replace(alarms=[*one.alarms, seen])
    louder = max(seen.severity, severity, key=lambda each: each.rank)
    longer = None if seen.until is None else seen.until + int(more_hours * HOUR_US)
    for worse in (
        seen._replace(severity=louder),
        seen._replace(until=longer),
        seen._replace(until=None, is_taken=False),
        seen._replace(is_taken=False),
    ):
        assert is_no_better(one._replace(alarms=[*one.alarms, worse]), before)


@FAST
@given(watched, strains, drifts, st.floats(0.0, 10.0))
def test_readings_that_are_further_off_never_make_anything_better(
    one: Watched, strain: Strain, drift: Drift, more: float
) -> None:
    before = one._replace(strains=[*one.strains, strain], drifts=[*one.drifts, drift])
    assert is_no_better(before, one)
    worse = one._replace(
        strains=[*one.strains, strain._replace(ratio=strain.ratio + more)],
        drifts=[*one.drifts, drift._replace(deviations=drift.deviations + more)],
    )
    assert is_no_better(worse, before)


@FAST
@given(watched, st.randoms(use_true_random=False))
def test_duplicates_and_order_change_nothing(one: Watched, chance: Any) -> None:
    def again(things: Any) -> list[Any]:
        found = [*things, *things, *things]
        chance.shuffle(found)
        return found

    many = one._replace(alarms=again(one.alarms), strains=again(one.strains), drifts=again(one.drifts))
    before, after = score(one, NOW), score(many, NOW)
    assert (after.health, after.risk, after.categories) == (before.health, before.risk, before.categories)
    assert [each.points for each in after.pulled_down] == [each.points for each in before.pulled_down]


@FAST
@given(watched)
def test_scores_are_between_0_and_100_and_points_add_up_to_what_is_missing(one: Watched) -> None:
    found = score(one, NOW)
    assert found.health is not None and found.risk is not None
    assert 0.0 <= found.health <= 100.0 and 0.0 <= found.risk <= 100.0
    for told, missing in ((found.pulled_down, 100 - found.health), (found.risks, found.risk)):
        assert math.fsum(each.points for each in told) == pytest.approx(missing, abs=0.5)
        assert [each.points for each in told[:TOLD_MAX]] == sorted((e.points for e in told[:TOLD_MAX]), reverse=True)


def test_a_hundred_hosts_with_the_same_trouble_weigh_as_one() -> None:
    one = of(alarm(3.0, 2.0))
    storm = of(*[alarm(3.0, 2.0, id=f"a{n}", identity=f"h{n}") for n in range(100)])
    assert storm.health == one.health
    assert (storm.risk or 0) < 40.0


def test_an_alert_of_the_future_is_not_waited_for() -> None:
    found = of(alarm(-1.0))
    assert (found.health, found.risk) == (100.0, 0.0)
    assert WEEK_US == 7 * DAY_US
