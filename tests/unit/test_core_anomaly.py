"""The detector of anomaly rules: what it finds, what it leaves alone, and that nothing breaks it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.rules.anomaly import AnomalyEvaluator, Detector, Memory, Score, Why
from engine.core.rules.evaluation import Seen
from protocol.rules import AnomalyRule, Direction, Season
from tests.support.examples import examples

MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
FIVE_MINUTES_US = 5 * MINUTE_US
READINGS_A_DAY = DAY_US // FIVE_MINUTES_US
# A Thursday at midnight.
BEGIN_US = 20_000 * DAY_US


def rule(**fields: object) -> AnomalyRule:
    return AnomalyRule(**({"id": "odd", "framework": "shop", "metric": "latency"} | fields))


def noise(count: int, level: float = 100.0, deviation: float = 2.0, seed: int = 1) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(level, deviation) for _ in range(count)]


def days(count: int, seed: int = 1) -> list[float]:
    """A day's course with two humps, and little noise."""
    chance = random.Random(seed)
    turns = [2 * math.pi * number / READINGS_A_DAY for number in range(count * READINGS_A_DAY)]
    return [100 + 40 * math.sin(turn) + 10 * math.sin(2 * turn) + chance.gauss(0, 1.5) for turn in turns]


def watch(values: Sequence[float], **fields: object) -> list[Score]:
    """What a detector says to readings that come every five minutes."""
    detector = Detector(rule(**fields))
    return [detector.observe(BEGIN_US + number * FIVE_MINUTES_US, value) for number, value in enumerate(values)]


def begins(scores: Sequence[Score]) -> list[int]:
    """Where it begins to hold."""
    held = [False, *(score.holds for score in scores)]
    return [number for number, score in enumerate(scores) if score.holds and not held[number]]


def test_a_spike_is_found_at_once_and_says_how_it_was_found():
    values = noise(1_000)
    values[700] = 160.0
    said = watch(values)[700]
    assert said.holds
    assert said.why is Why.JUMP
    assert said.score >= 6.0
    assert said.expected == pytest.approx(100.0, abs=2.0)


def test_noise_alone_seldom_raises_anything_and_for_a_less_sensitive_rule_nothing():
    said = [watch(noise(3_000, seed=seed)) for seed in range(8)]
    assert sum(len(begins(scores)) for scores in said) <= 4, "of 24,000 readings"
    assert max(score.score for scores in said for score in scores) < 10.0


@pytest.mark.parametrize("season", [Season.NONE, Season.DAY])
def test_a_steady_course_of_days_raises_nothing_after_three_of_them(season: Season):
    assert begins(watch(days(14), season=season, warm_up=3 * READINGS_A_DAY)) == []


def test_a_day_that_is_upside_down_is_found_by_its_season():
    values, midnight = days(14), 10 * READINGS_A_DAY
    for number in range(midnight, midnight + READINGS_A_DAY):
        values[number] = values[number - READINGS_A_DAY // 2]
    scores = watch(values, season=Season.DAY)
    assert any(scores[begin].why is Why.SEASON for begin in begins(scores) if midnight <= begin < midnight + 20)


def test_the_season_tells_what_to_expect_at_this_time_of_the_day():
    values = days(10)
    said = watch(values, season=Season.DAY)[9 * READINGS_A_DAY + READINGS_A_DAY // 4]
    assert said.expected == pytest.approx(140.0, abs=6.0)


def test_a_small_shift_that_lasts_is_found_by_what_adds_up():
    values = noise(1_000) + noise(100, level=105.0, seed=2)
    said = watch(values, sensitivity=5.0)
    assert all(score.why is not Why.SHIFT or not score.holds for score in said[:1_000])
    assert any(score.holds for score in said[1_000:1_050])


def test_another_distribution_is_found_by_its_pattern():
    chance = random.Random(3)
    values = noise(1_000, deviation=10.0) + [100.0 + chance.choice((-12.0, 12.0)) for _ in range(80)]
    said = watch(values, sensitivity=5.0)
    assert any(score.holds and score.why is Why.PATTERN for score in said[1_000:])


@pytest.mark.parametrize(("direction", "found"), [("up", [500]), ("down", [800]), ("both", [500, 800])])
def test_only_deviations_in_the_rules_direction_count(direction: str, found: list[int]):
    values = noise(1_000)
    values[500], values[800] = 150.0, 30.0
    assert begins(watch(values, direction=Direction(direction))) == found


@pytest.mark.parametrize(("direction", "level", "is_found"), [("up", 130.0, True), ("down", 130.0, False)])
def test_a_pattern_counts_in_the_direction_in_which_the_series_went(direction: str, level: float, is_found: bool):
    values = noise(600, deviation=10.0) + noise(60, level=level, deviation=10.0, seed=2)
    said = watch(values, direction=Direction(direction), sensitivity=4.0)
    assert any(score.holds for score in said[600:]) is is_found


def test_while_it_learns_nothing_holds():
    said = watch([100.0, 1e9, -1e9] * 40, warm_up=120)
    assert {score.why for score in said} == {Why.LEARNING}
    assert not any(score.holds or score.score for score in said)


def test_a_more_sensitive_rule_finds_what_another_does_not():
    values = noise(1_000)
    values[700] = 112.0
    assert begins(watch(values, sensitivity=10.0)) == []
    assert 700 in begins(watch(values, sensitivity=3.5))


def test_an_anomaly_is_news_once_but_a_much_larger_one_is_news_again():
    values = noise(1_000)
    values[700], values[720], values[740] = 160.0, 160.0, 400.0
    assert begins(watch(values)) == [700, 740]


def test_spikes_that_come_all_the_time_are_ordinary():
    chance = random.Random(4)
    values = [value + (60.0 if chance.random() < 0.03 else 0.0) for value in noise(4_000)]
    assert begins(watch(values)[1_000:]) == []


def test_a_new_level_becomes_the_usual_one():
    said = watch(noise(600) + noise(1_500, level=160.0, seed=2))
    assert said[600].holds
    assert not any(score.holds for score in said[-500:])
    assert said[-1].expected == pytest.approx(160.0, abs=5.0)


@pytest.mark.parametrize("value", [0.0, 20.0, -1e300, 1e308])
def test_what_never_changes_is_never_unusual(value: float):
    assert {score.score for score in watch([value] * 500, season=Season.HOUR)} == {0.0}


@pytest.mark.parametrize("value", [0.0, 20.0])
def test_the_first_change_of_what_never_changed_is_unusual(value: float):
    assert watch([value] * 500 + [value + 1.0])[-1].holds


def test_rounding_is_no_change():
    assert begins(watch([0.1 * 3 if number % 7 else 0.3 for number in range(500)])) == []


def test_huge_values_give_finite_scores():
    said = watch([1e308, -1e308] * 300 + [0.0, 1e308], season=Season.DAY)
    assert all(math.isfinite(score.score) and math.isfinite(score.expected) for score in said)


def test_time_that_stands_still_goes_back_or_leaps_harms_nothing():
    values, chance = noise(2_000), random.Random(5)
    detector = Detector(rule(season=Season.DAY))
    times = [chance.choice((BEGIN_US, BEGIN_US + DAY_US * 40_000, chance.randint(0, BEGIN_US))) for _ in values]
    assert not any(detector.observe(at, value).holds for at, value in zip(times, values, strict=True))
    assert detector.observe(BEGIN_US, 200.0).holds


def test_missing_readings_are_no_anomaly():
    values, chance = days(14), random.Random(6)
    detector = Detector(rule(season=Season.DAY))
    kept = [number for number in range(len(values)) if chance.random() < 0.6 and not 1_500 < number < 1_800]
    assert not any(detector.observe(BEGIN_US + n * FIVE_MINUTES_US, values[n]).holds for n in kept)


readings = st.lists(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 100), st.sampled_from((0.0, 1.0, 20.0, -3.0))
    ),
    min_size=1,
    max_size=400,
)


@examples(40)
@given(readings, readings, st.sampled_from(Season), st.sampled_from(Direction), st.booleans())
def test_a_restored_detector_goes_on_bit_for_bit(
    before: list[float], after: list[float], season: Season, direction: Direction, as_json: bool
):
    form = msgspec.json if as_json else msgspec.msgpack
    settings_ = rule(season=season, direction=direction, warm_up=10)
    one = Detector(settings_)
    for number, value in enumerate(before * 3):
        one.observe(BEGIN_US + number * 17 * MINUTE_US, value)
    other = Detector.restore(settings_, form.decode(form.encode(one.state()), type=Memory))
    for number, value in enumerate(after):
        assert one.observe(BEGIN_US + number * MINUTE_US, value) == other.observe(BEGIN_US + number * MINUTE_US, value)
    assert one.state() == other.state()


def test_a_state_is_a_copy():
    detector = Detector(rule())
    detector.observe(0, 1.0)
    kept = detector.state()
    detector.observe(1, 2.0)
    assert kept.readings == 1
    assert Detector.restore(rule(), kept).observe(1, 2.0) == Score(0.0, False, 1.0, Why.LEARNING)
    assert kept.readings == 1


def test_a_state_that_an_older_version_kept_goes_on_with_todays_numbers():
    values, old, today = noise(900), Detector(rule()), Detector(rule())
    for number, value in enumerate(values):
        old.observe(number * MINUTE_US, value)
        today.observe(number * MINUTE_US, value)
    kept = msgspec.to_builtins(old.state())
    for level in (kept["quick"], kept["slow"]):
        level |= {"weight": 0.9, "reach": 1.0}
        level["scale"] |= {"pace": 7.0, "block": 2}
    kept["season_scale"] |= {"pace": 7.0, "block": 2}
    kept["shift"]["usual"] |= {"pace": 7.0, "block": 2}
    restored = AnomalyEvaluator(rule())
    restored.restore([1.0, None, kept])
    assert restored.state()[2] == today.state()


def test_what_was_told_already_is_below_any_sensitivity_however_large_it_is():
    values = noise(1_000)
    values[700], values[703] = 600.0, 590.0
    said = watch(values)
    assert said[700].holds
    assert 0.0 < said[703].score < 1.0
    assert said[703].why is Why.JUMP


@pytest.mark.parametrize(("season", "bytes_max"), [(Season.NONE, 2_500), (Season.DAY, 3_000), (Season.WEEK, 4_500)])
def test_what_it_remembers_stays_small_however_long_it_watches(season: Season, bytes_max: int):
    detector, chance, sizes = Detector(rule(season=season)), random.Random(7), []
    for number in range(100_000):
        level = 10.0 ** (number // 5_000 % 4)
        detector.observe(BEGIN_US + number * FIVE_MINUTES_US, chance.lognormvariate(0, 1) * level)
        if number % 10_000 == 9_999:
            sizes.append(len(msgspec.msgpack.encode(detector.state())))
    assert max(sizes) < bytes_max
    assert sizes[-1] <= 1.1 * sizes[2]


def test_an_evaluator_learns_first_and_then_says_why():
    evaluator = AnomalyEvaluator(rule(warm_up=50))
    assert evaluator.why() == "latency is unknown"
    assert evaluator.value() is None
    seen = [evaluator.observe(number * MINUTE_US, value, "latency") for number, value in enumerate(noise(60))]
    assert seen == [Seen.NOTHING] * 50 + [Seen.FINE] * 10
    assert evaluator.observe(61 * MINUTE_US, 180.0, "latency") is Seen.HOLDS
    assert (evaluator.value(), evaluator.limit()) == (180.0, None)
    assert evaluator.why().startswith("latency is 180, usual is 1")
    assert evaluator.why().endswith("deviations (jump); rings from 6")


def test_an_evaluator_that_learns_says_so():
    evaluator = AnomalyEvaluator(rule())
    evaluator.observe(0, 5.0, "latency")
    assert evaluator.why() == "latency is 5; what is usual is being learned from the first 100 readings"


@pytest.mark.parametrize("readings_before", [0, 30, 300])
def test_an_evaluator_restored_from_plain_values_answers_the_same(readings_before: int):
    one, other = AnomalyEvaluator(rule(warm_up=50)), AnomalyEvaluator(rule(warm_up=50))
    for number, value in enumerate(noise(readings_before)):
        one.observe(number * MINUTE_US, value, "latency")
    other.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(one.state())))
    assert (other.value(), other.why()) == (one.value(), one.why())
    for number, value in enumerate([*noise(100, seed=2), 500.0]):
        assert one.observe(number, value, "latency") is other.observe(number, value, "latency")
        assert other.why() == one.why()
