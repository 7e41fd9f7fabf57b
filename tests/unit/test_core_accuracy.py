"""What came of predictions, and how good they were: scores, sums, and what sums say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.core.analytics.accuracy import Tally, tallies_of
from engine.core.analytics.breach import Hour
from engine.core.analytics.calendar import HOUR_US
from engine.core.analytics.prediction_scores import score_breach, score_count
from protocol.predictions import Breach, Count, HourAhead, Outcome, Prediction, PredictionKind, PredictionState
from protocol.times import rfc3339

SINCE = 1_767_225_600_000_000
NOW = SINCE + 25 * HOUR_US
MADE = SINCE + HOUR_US // 4


def a_breach(probability: float = 0.8, hours: int = 4, **changes: Any) -> Prediction:
    ahead = [
        HourAhead(at=rfc3339(SINCE + step * HOUR_US), expected=50.0, low=40.0, high=60.0, probability=0.1, by=0.1)
        for step in range(hours)
    ]
    forecast = {
        "metric": "cpu",
        "labels": {"host": "a"},
        "comparison": ">",
        "threshold": 90.0,
        "aggregate": "last",
        "window_s": 0.0,
        "probability": probability,
        "expected_at": None,
        "earliest_at": None,
        "latest_at": None,
        "hours": ahead,
        "days": 20,
    }
    return a_prediction(PredictionKind.BREACH, Breach(**(forecast | changes)))


def a_count(expected: float = 5.0, probability: float = 0.9) -> Prediction:
    return a_prediction(PredictionKind.COUNT, Count(expected=expected, low=3, high=8, probability=probability, days=30))


def a_prediction(kind: PredictionKind, forecast: Breach | Count) -> Prediction:
    return Prediction(
        id="p",
        kind=kind,
        state=PredictionState.OPEN,
        framework_id="web",
        rule_id="hot",
        made_at=rfc3339(MADE),
        since=rfc3339(SINCE),
        until=rfc3339(SINCE + 24 * HOUR_US),
        forecast=forecast,
    )


def an_hour(most: float) -> Hour:
    return Hour(readings=1, least=most, most=most, total=most)


def outcome(prediction: Prediction) -> Outcome:
    assert prediction.outcome is not None
    return prediction.outcome


def test_a_breach_that_came_has_its_hour_and_how_long_before_it_was_said() -> None:
    scored = score_breach(a_breach(), [an_hour(45), an_hour(65), an_hour(95), None], NOW)
    assert scored.state is PredictionState.SCORED
    assert outcome(scored) == Outcome(
        scored_at=rfc3339(NOW),
        happened=True,
        at=rfc3339(SINCE + 2 * HOUR_US),
        lead_s=1.75 * 3_600,
        off=5.0 + 15.0 + 45.0,
        total=205.0,
        inside=1,
        points=3,
    )


def test_what_came_at_once_had_no_lead_and_what_was_not_said_has_none() -> None:
    assert outcome(score_breach(a_breach(), [an_hour(95)] * 4, NOW)).lead_s == 0.0
    assert outcome(score_breach(a_breach(0.4), [an_hour(95)] * 4, NOW)).lead_s is None


def test_what_did_not_come_is_scored_as_that() -> None:
    scored = outcome(score_breach(a_breach(), [an_hour(50)] * 4, NOW))
    assert (scored.happened, scored.at, scored.lead_s, scored.inside, scored.points) == (False, None, None, 4, 4)


def test_hours_that_were_hardly_measured_score_nothing_and_say_so() -> None:
    unscored = score_breach(a_breach(), [an_hour(50), None, None, None], NOW)
    assert (unscored.state, unscored.reason) == (PredictionState.UNSCORED, "measured in 1 of 4 hours")
    assert unscored.outcome is None


def test_a_breach_in_the_only_hour_that_was_measured_came_all_the_same() -> None:
    assert outcome(score_breach(a_breach(), [None, an_hour(95), None, None], NOW)).happened


def test_a_value_that_cannot_be_reckoned_with_is_a_breach_and_in_no_sum() -> None:
    scored = outcome(score_breach(a_breach(), [an_hour(1.7e308), an_hour(-1.7e308), an_hour(50), an_hour(50)], NOW))
    assert scored.happened
    assert (scored.total, scored.points) == (100.0, 2)


def test_it_is_scored_by_the_rule_as_it_was() -> None:
    below = a_breach(comparison="<", threshold=10.0, aggregate="avg")
    hour = Hour(readings=2, least=0.0, most=30.0, total=30.0)
    assert not outcome(score_breach(below, [hour] * 4, NOW)).happened
    odd = a_breach(comparison="==")
    assert score_breach(odd, [hour] * 4, NOW).state is PredictionState.UNSCORED


def test_a_count_is_scored_by_the_alerts_of_its_day() -> None:
    assert outcome(score_count(a_count(), 9, NOW)) == Outcome(
        scored_at=rfc3339(NOW), happened=True, count=9, off=4.0, total=9.0, inside=0, points=1
    )
    assert outcome(score_count(a_count(), 0, NOW)).happened is False


def test_a_day_that_was_not_watched_is_not_scored_as_quiet() -> None:
    unscored = score_count(a_count(), 0, NOW, up=0.5)
    assert (unscored.state, unscored.outcome) == (PredictionState.UNSCORED, None)
    assert unscored.reason == "the engine, or its store, was down: it was up for 12.0 of the day's 24 hours"
    assert score_count(a_count(), 9, NOW, up=0.9).state is PredictionState.SCORED


def test_one_kind_is_not_scored_as_the_other() -> None:
    with pytest.raises(ValueError, match="of no breach"):
        score_breach(a_count(), [], NOW)
    with pytest.raises(ValueError, match="of no count"):
        score_count(a_breach(), 1, NOW)


def test_sums_say_how_good_predictions_were() -> None:
    came, quiet = [an_hour(95)] * 4, [an_hour(50)] * 4
    scored = [
        score_breach(a_breach(0.95), came, NOW),
        score_breach(a_breach(0.85), quiet, NOW),
        score_breach(a_breach(0.15), came, NOW),
        score_breach(a_breach(0.12), quiet, NOW),
    ]
    accuracy = tallies_of(scored)[PredictionKind.BREACH].accuracy(PredictionKind.BREACH)
    assert (accuracy.scored, accuracy.warned, accuracy.false_alarms, accuracy.missed) == (4, 1, 1, 1)
    assert accuracy.brier == pytest.approx((0.05**2 + 0.85**2 + 0.85**2 + 0.12**2) / 4)
    assert accuracy.wape_percent == pytest.approx(100 * (2 * 180) / (2 * 380 + 2 * 200))
    assert accuracy.coverage_percent == 50.0
    assert accuracy.lead_s == 1_800.0
    low = accuracy.calibration[1]
    assert (low.low, low.high, low.count, low.said, low.came) == (0.1, 0.2, 2, pytest.approx(0.135), 0.5)
    assert accuracy.calibration[5].said is accuracy.calibration[5].came is None
    assert sum(each.count for each in accuracy.calibration) == 4


def test_what_is_open_counts_nowhere_and_what_is_unscored_is_counted_as_that() -> None:
    unscored = score_breach(a_breach(), [None] * 4, NOW)
    tallies = tallies_of([a_breach(), a_count(), unscored])
    assert tallies.keys() == {PredictionKind.BREACH}
    accuracy = tallies[PredictionKind.BREACH].accuracy(PredictionKind.BREACH)
    assert (tallies[PredictionKind.BREACH].unscored, accuracy.scored) == (1, 0)
    assert accuracy.brier is accuracy.wape_percent is accuracy.coverage_percent is accuracy.lead_s is None


def test_what_is_said_as_certain_is_in_the_last_bin() -> None:
    tally = Tally()
    tally.count(score_count(a_count(probability=1.0), 4, NOW))
    tally.count(msgspec.structs.replace(a_count(), state=PredictionState.SCORED))
    assert tally.counts[-1] == tally.scored == 1


def test_sums_add_up_whatever_the_order() -> None:
    parts = [score_breach(a_breach(number / 10), [an_hour(40.0 + 10 * number)] * 4, NOW) for number in range(9)]
    whole = tallies_of(parts)[PredictionKind.BREACH]
    added = Tally()
    for part in (parts[6:], parts[:2], parts[2:6]):
        added.add(tallies_of(part)[PredictionKind.BREACH])
    assert added.said == pytest.approx(whole.said)
    assert (added.brier, added.off, added.total) == pytest.approx((whole.brier, whole.off, whole.total))
    assert (added.scored, added.counts, added.leads, added.inside) == (
        whole.scored,
        whole.counts,
        whole.leads,
        whole.inside,
    )


def test_lead_times_are_told_by_their_median() -> None:
    tally = Tally()
    for lead_hours in (0.5, 3.2, 3.9, 90.0):
        scored = msgspec.structs.replace(score_breach(a_breach(), [an_hour(95)] * 4, NOW))
        told = msgspec.structs.replace(outcome(scored), lead_s=lead_hours * 3_600)
        tally.count(msgspec.structs.replace(scored, outcome=told))
    assert tally.accuracy(PredictionKind.BREACH).lead_s == 3.5 * 3_600
