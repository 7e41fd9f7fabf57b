"""How many alerts a day brings: level, weekdays, spread, and whether what is said to be probable comes so often."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest

from engine.core.analytics.daily_counts import DailyCount, daily_count
from engine.core.analytics.forecast import TooLittle


def poisson(chance: random.Random, mean: float) -> int:
    count, reached, limit = 0, chance.random(), math.exp(-mean)
    while reached > limit:
        count, reached = count + 1, reached * chance.random()
    return count


def told(counts: Sequence[int | None], ahead: int = 1) -> DailyCount:
    found = daily_count(counts, ahead)
    assert isinstance(found, DailyCount)
    return found


def test_too_little_is_said() -> None:
    assert daily_count([5] * 3) == TooLittle("needs 14 days, has 3")


def test_a_steady_course_is_told_as_it_is() -> None:
    found = told([20] * 56)
    assert found.expected == pytest.approx(20.0, rel=0.1)
    assert found.low <= 20 <= found.high
    assert found.at_least_one > 0.999
    assert found.days == 56


def test_two_weeks_are_enough_and_what_is_older_than_eight_is_forgotten() -> None:
    assert told([3] * 14).days == 14
    assert told([900] * 30 + [3] * 56) == told([3] * 56)


def test_weekdays_are_told_apart() -> None:
    counts = [40 if day % 7 < 5 else 4 for day in range(56)]
    assert told(counts, ahead=1).expected > 4 * told(counts, ahead=6).expected
    assert told(counts, ahead=8).expected == pytest.approx(told(counts, ahead=1).expected, rel=0.01)


def test_a_new_level_is_believed_within_two_weeks() -> None:
    assert told([10] * 42 + [50] * 14).expected > 35


def test_silence_is_improbable_alerts_and_not_impossible_ones() -> None:
    found = told([0] * 30)
    assert 0.0 < found.at_least_one < 0.1
    assert (found.low, found.high) == (0, 0)


def test_uneven_days_make_wider_intervals_than_even_ones() -> None:
    even, uneven = told([10] * 28), told([0, 0, 0, 0, 50] * 5 + [0, 50, 0])
    assert uneven.high - uneven.low > even.high - even.low


@pytest.mark.parametrize("mean", [0.4, 3.0, 30.0])
def test_intervals_hold_what_they_say(mean: float) -> None:
    """Of whole numbers an interval holds what it says or more."""
    chance = random.Random(11)
    inside = 0
    for _ in range(150):
        counts = [poisson(chance, mean) for _ in range(43)]
        found = told(counts[:-1])
        inside += found.low <= counts[-1] <= found.high
    assert 0.74 <= inside / 150 <= (0.999 if mean < 10 else 0.88)


def once(chance: random.Random) -> int:
    """A rule that rings once on most days."""
    return int(chance.random() < 0.95)


def bursts(chance: random.Random) -> int:
    """Nothing for days, then several at once."""
    return poisson(chance, chance.gammavariate(0.5, 4.0))


def judged(draw: Callable[[random.Random], int], seed: int, rounds: int = 250) -> tuple[float, float, float]:
    """Brier score of "at least one", two days ahead, that of days by chance alone, and what was said on average."""
    chance = random.Random(seed)
    scores, by_chance, said = 0.0, 0.0, 0.0
    for _ in range(rounds):
        counts = [draw(chance) for _ in range(58)]
        found, happened = told(counts[:-2], ahead=2), counts[-1] > 0
        scores += (found.at_least_one - happened) ** 2
        by_chance += (1 - math.exp(-found.expected) - happened) ** 2
        said += found.at_least_one
    return scores / rounds, by_chance / rounds, said / rounds


def test_what_rings_on_53_of_56_days_rings_tomorrow() -> None:
    counts = [0 if day in {20, 36, 47} else 1 for day in range(56)]
    found = told(counts, ahead=2)
    assert 0.85 <= found.at_least_one <= 0.98
    assert found.high == 1
    assert told([1] * 56).at_least_one > 0.97


def test_days_that_are_nearly_alike_have_narrow_intervals() -> None:
    chance = random.Random(4)
    found = told([40 + chance.randint(-1, 1) for _ in range(56)])
    assert found.low <= 40 <= found.high
    assert found.high - found.low <= 6, "of days by chance it would be 16"


def test_of_regular_days_the_probability_is_far_better_than_that_of_chance_and_calibrated() -> None:
    score, by_chance, said = judged(once, seed=21)
    assert score < by_chance / 2
    assert said == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("mean", [0.2, 0.7, 2.0])
def test_of_days_by_chance_the_probability_is_no_worse_than_that_of_chance(mean: float) -> None:
    score, by_chance, said = judged(lambda chance: poisson(chance, mean), seed=22)
    assert score < by_chance * 1.02
    assert said == pytest.approx(1 - math.exp(-mean), abs=0.05)


def test_of_bursts_the_probability_is_better_than_that_of_chance_and_calibrated() -> None:
    score, by_chance, said = judged(bursts, seed=23)
    assert score < by_chance * 0.9
    assert said == pytest.approx(1 - (1 + 2.0 / 0.5) ** -0.5, abs=0.05)


def test_a_storm_does_not_undo_what_is_known_of_regular_days() -> None:
    counts = [1] * 56
    counts[40] = 50
    assert told(counts).at_least_one > 0.9


def test_days_that_are_not_known_teach_nothing() -> None:
    regular: list[int | None] = [10] * 56
    gone = list(regular)
    gone[30:33] = [None] * 3
    gone[-1] = None
    found = told(gone)
    assert found.days == 52
    assert found.expected == pytest.approx(told(regular).expected, rel=0.01)
    assert found.low == told(regular).low, "no day was silent"
    assert daily_count([None] * 40 + [1] * 13) == TooLittle("needs 14 days, has 13")
    assert told([None] * 40 + [1] * 14).days == 14
