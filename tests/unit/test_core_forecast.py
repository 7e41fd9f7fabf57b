"""Forecasts of a series: what is learnt from its past, how sure that is, and when nothing can be said."""

from __future__ import annotations

import math
import random

import pytest

from engine.core.analytics.forecast import Forecast, TooLittle, forecast
from engine.core.analytics.forecast_past import Past, Row, middle
from engine.core.analytics.forecast_spread import _quantile, spread_of
from engine.core.analytics.forecast_weights import dot, learn
from engine.core.analytics.theil_sen import theil_sen

DAY = 8


def a_course(weeks: int, seed: int = 1, noise: float = 0.0, growth: float = 0.0) -> list[float | None]:
    """A day of eight steps, weekends half as much; `growth` a day."""
    chance = random.Random(seed)
    return [
        (100 + 50 * math.sin(step % DAY / DAY * math.tau))
        * (0.5 if step // DAY % 7 >= 5 else 1.0)
        * (1 + growth * (step // DAY))
        + chance.gauss(0, noise)
        for step in range(weeks * 7 * DAY)
    ]


def told(values: list[float | None], ahead: int = DAY, **more: float) -> Forecast:
    found = forecast(values, DAY, ahead, **more)
    assert isinstance(found, Forecast)
    return found


def off(found: Forecast, came: list[float | None]) -> float:
    pairs = [(said, value) for said, value in zip(found.expected, came, strict=False) if value is not None]
    return sum(abs(said - value) for said, value in pairs) / sum(abs(value) for _, value in pairs)


def test_a_course_that_repeats_itself_is_told_exactly() -> None:
    values = a_course(6)
    found = told(values[:-DAY])
    assert found.expected == pytest.approx(values[-DAY:])
    assert found.low == pytest.approx(found.expected)
    assert found.high == pytest.approx(found.expected)
    assert len(found.expected) == len(found.low) == len(found.high) == len(found.spread) == DAY


def test_weekdays_and_weekends_are_told_apart() -> None:
    values = a_course(6)
    friday = told(values[: -3 * DAY], ahead=3 * DAY)
    assert friday.expected == pytest.approx(values[-3 * DAY :])


def test_a_level_that_grows_is_followed_where_the_median_of_four_weeks_lags_behind() -> None:
    values = a_course(10, noise=1.0, growth=0.02)
    past, came = values[:-DAY], values[-DAY:]
    lagging = [Past(past, DAY, DAY).base(len(past) + step) for step in range(DAY)]
    median_off = sum(abs(a - (b or 0)) for a, b in zip(lagging, came, strict=True)) / sum(b or 0 for b in came)
    assert off(told(past), came) < 0.3 * median_off


@pytest.mark.parametrize(("days", "reason"), [(3, "needs 14 days, has 3"), (0, "needs 14 days, has 0")])
def test_too_little_is_said(days: int, reason: str) -> None:
    assert forecast(a_course(2)[: days * DAY], DAY, DAY) == TooLittle(reason)


def test_two_weeks_are_enough() -> None:
    assert told(a_course(2)).days == 6


def test_two_weeks_with_hardly_a_reading_are_not() -> None:
    values = [value if step % 3 == 0 else None for step, value in enumerate(a_course(2))]
    assert forecast(values, DAY, DAY) == TooLittle("needs readings in half of 14 days, has 38 of 112 slots")


def test_readings_of_one_week_alone_are_refused() -> None:
    values = [*a_course(1), *[None] * 7 * DAY]
    assert forecast(values, DAY, DAY) == TooLittle("the same hours of the last weeks have no readings")


def test_holes_are_no_zeros() -> None:
    values = a_course(8)
    with_holes = [None if step % 11 == 0 else value for step, value in enumerate(values[:-DAY])]
    assert off(told(with_holes), values[-DAY:]) < 0.02


def test_a_slot_that_was_never_measured_is_told_as_what_is_usual() -> None:
    values = [None if step % DAY == 3 else value for step, value in enumerate(a_course(8))]
    found = told(values)
    known = [value for value in values if value is not None]
    assert found.expected[3] == pytest.approx(middle(known), rel=0.5)
    assert all(course[3] is None for course in found.courses)


def test_what_was_never_negative_is_not_forecast_so_and_what_was_may_be() -> None:
    chance = random.Random(7)
    sparse: list[float | None] = [max(0.0, chance.gauss(-1, 2)) for _ in range(60 * DAY)]
    assert min(told(sparse).low) >= 0.0
    assert min(min(value for value in course if value is not None) for course in told(sparse).courses) >= 0.0
    around: list[float | None] = [chance.gauss(0, 2) for _ in range(60 * DAY)]
    assert min(told(around).low) < 0.0


def test_one_wild_day_does_not_teach() -> None:
    values = a_course(9, noise=1.0)
    wild = [value if step // DAY != 40 else 5_000.0 for step, value in enumerate(values[:-DAY])]
    assert off(told(wild), values[-DAY:]) < 0.03


def test_intervals_hold_what_they_say() -> None:
    inside = count = 0
    for seed in range(12):
        values = a_course(12, seed=seed, noise=8.0)
        for day in range(4, 0, -1):
            end = len(values) - day * DAY
            found = told(values[:end])
            for step in range(DAY):
                value = values[end + step] or 0.0
                inside += found.low[step] <= value <= found.high[step]
                count += 1
    assert 0.75 <= inside / count <= 0.85


def test_a_wider_interval_holds_a_narrower_one() -> None:
    values = a_course(10, noise=5.0)
    narrow, wide = told(values, coverage=0.5), told(values, coverage=0.95)
    assert all(a <= b for a, b in zip(wide.low, narrow.low, strict=True))
    assert all(a <= b for a, b in zip(narrow.high, wide.high, strict=True))
    assert narrow.expected == wide.expected


def test_after_wild_days_intervals_are_wider_than_after_calm_ones() -> None:
    chance = random.Random(3)
    calm, wild = a_course(10), a_course(10)
    for step in range(len(calm)):
        late = step // DAY >= 60
        calm[step] = (calm[step] or 0) + chance.gauss(0, 2 if late else 10)
        wild[step] = (wild[step] or 0) + chance.gauss(0, 20 if late else 10)
    assert sum(told(calm).spread) < 0.5 * sum(told(wild).spread)


def test_the_past_that_is_too_old_changes_nothing() -> None:
    values = a_course(12, noise=3.0)
    assert told([*a_course(2, seed=9, noise=500.0), *values]) == told(values)


def test_a_forecast_is_a_function_of_its_values() -> None:
    values = a_course(9, noise=4.0)
    assert told(values) == told(list(values))


def test_clues_know_nothing_from_their_origin_on() -> None:
    values = a_course(9, noise=4.0)
    origin = 50 * DAY
    changed = [*values[:origin], *[1e6] * (len(values) - origin)]
    # What is usual is of all that is known, so it is taken from the same past.
    one, other = Past(values[:origin], DAY, 2 * DAY), Past(changed[:origin], DAY, 2 * DAY)
    assert [one.clues(origin, origin + step) for step in range(2 * DAY)] == [
        other.clues(origin, origin + step) for step in range(2 * DAY)
    ]


def test_levels_of_series_that_may_be_negative_go_by_amounts() -> None:
    chance, level, values = random.Random(4), 0.0, list[float | None]()
    for step in range(90 * DAY):
        level += chance.gauss(0, 3) if step % DAY == 0 else 0.0
        values.append(step % DAY - 4.0 + level)
    assert min(value for value in values if value is not None) < 0.0
    ours = lagging = 0.0
    for end in range(len(values) - 20 * DAY, len(values), DAY):
        past, base = values[:end], Past(values[:end], DAY, DAY)
        for step, said in enumerate(told(past).expected):
            came = values[end + step] or 0.0
            ours, lagging = ours + abs(said - came), lagging + abs(base.base(end + step) - came)
    assert ours < 0.7 * lagging


def test_a_series_of_nothing_but_zeros_is_told_as_zeros() -> None:
    found = told([0.0] * 30 * DAY)
    assert set(found.expected) == set(found.low) == set(found.high) == {0.0}


def test_weights_find_the_clue_that_tells() -> None:
    chance = random.Random(5)
    rows = []
    for number in range(200):
        clues = [chance.gauss(0, 1), chance.gauss(0, 1), 0.0]
        rows.append(Row(number, number, clues, 2.0 * clues[0] + chance.gauss(0, 0.01)))
    learnt = learn(rows, [row.origin for row in rows], 4)
    assert learnt.weights[0] == pytest.approx(2.0 / 1.2, rel=0.05)
    assert abs(learnt.weights[1]) < 0.05
    assert learnt.weights[2] == 0.0
    assert dot(learnt.weights, [1.0, 0.0, 5.0]) == pytest.approx(learnt.weights[0])
    assert len(learnt.errors) == len(rows)


def test_days_that_cannot_be_left_out_are_their_own_teachers() -> None:
    rows = [Row(1, step, [1.0], 3.0) for step in range(4)]
    learnt = learn(rows, [1] * 4, 4)
    assert learnt.errors == pytest.approx([3.0 - learnt.weights[0]] * 4)


def test_a_slot_that_never_moved_may_move_a_little() -> None:
    rows = [Row(day * 2, day * 2 + slot, [0.0], 0.0) for day in range(10) for slot in range(2)]
    errors = [float(row.at % 2) * (1 if row.origin % 4 else -1) for row in rows]
    spread = spread_of(rows, errors, 2, 0.8)
    assert min(spread.scale) > 0.0
    assert spread.low < 0.0 < spread.high
    assert [len(path) for path in spread.paths(3)] == [3] * 10
    assert {path[2] for path in spread.paths(3)} == {None}


@pytest.mark.parametrize(("values", "found"), [([], None), ([1.0], None), ([None, 1.0, None], None)])
def test_a_trend_needs_two_values(values: list[float | None], found: None) -> None:
    assert theil_sen(values) is found


def test_a_trend_is_not_bent_by_wild_values() -> None:
    values: list[float | None] = [3.0 * step + 1.0 for step in range(20)]
    values[5], values[11], values[12] = 900.0, None, -500.0
    assert theil_sen(values) == pytest.approx((3.0, 58.0))


@pytest.mark.parametrize(("values", "middle_one"), [([3.0], 3.0), ([1.0, 9.0], 5.0), ([5.0, 1.0, 9.0], 5.0)])
def test_the_middle_of_values(values: list[float], middle_one: float) -> None:
    assert middle(values) == middle_one


def test_all_of_the_weight_is_what_nothing_exceeds() -> None:
    assert [_quantile([(1.0, 1.0), (2.0, 3.0)], share) for share in (0.0, 0.25, 0.5, 1.0)] == [1.0, 1.0, 2.0, 2.0]
