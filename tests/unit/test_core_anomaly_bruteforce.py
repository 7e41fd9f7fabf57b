"""The anomaly kind against an independent reckoning from its definition (`docs/anomaly.md`), reading by reading.

100,000 readings in all: jittered, with pauses, repeated times, out of order and hours late, of a series that has a
season, noise, spikes, levels that shift, and spells of another distribution.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest

from engine.core.rules.anomaly import AnomalyEvaluator, Detector, Why
from engine.core.rules.evaluation import Seen
from protocol.rules import AnomalyRule, Direction, Season
from tests.support.anomaly import Reckoning
from tests.support.anomaly_looks import BINS, REMEMBERED_MAX, WINDOW

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
READINGS = 25_000
SEASONS_S = {Season.NONE: 86_400, Season.HOUR: 3_600, Season.DAY: 86_400, Season.WEEK: 7 * 86_400}


def times(luck: random.Random, about_s: float) -> Iterator[int]:
    """When readings say they were taken, in the order in which they come."""
    now = START
    for _ in range(READINGS):
        now += int(luck.expovariate(1 / about_s) * SECOND) if luck.random() > 0.1 else 0
        if luck.random() < 0.002:
            now += int(luck.random() * 200 * about_s) * SECOND  # missing
        chance = luck.random()
        if chance < 0.10:
            yield now - int(luck.random() * 10 * about_s * SECOND)  # out of order
        else:
            yield now - int(luck.random() * 500 * about_s * SECOND) if chance < 0.12 else now  # late


def readings(season: Season, seed: int) -> Iterator[tuple[int, float]]:
    """A series' course and everything that it is not: each of what a detector looks for comes some times."""
    luck, length = random.Random(seed), SEASONS_S[season] * SECOND
    level, pattern_left = 100.0, 0
    for at in times(luck, SEASONS_S[season] / 288):
        turn = 2 * math.pi * (at % length) / length
        if luck.random() < 0.0005:
            level += luck.choice((-20.0, 4.0, 6.0, 15.0))
        if luck.random() < 0.0005:
            pattern_left = 80
        pattern_left -= 1
        value = level + 20 * math.sin(turn) + 6 * math.sin(2 * turn)
        value += luck.choice((-4.0, 4.0)) * luck.random() ** 0.1 if pattern_left > 0 else luck.gauss(0, 2)
        yield at, value + luck.choice((-1, 1)) * luck.expovariate(1 / 30) * (luck.random() < 0.002)


@pytest.mark.parametrize(
    ("season", "direction", "sensitivity"),
    [
        (Season.NONE, Direction.BOTH, 4.0),
        (Season.HOUR, Direction.UP, 3.5),
        (Season.DAY, Direction.DOWN, 4.0),
        (Season.WEEK, Direction.BOTH, 6.0),
    ],
    ids=lambda value: getattr(value, "value", value),
)
def test_an_anomaly_is_what_its_definition_gives(season: Season, direction: Direction, sensitivity: float) -> None:
    rule = AnomalyRule(
        id="r", framework="f", metric="m", season=season, direction=direction, sensitivity=sensitivity, warm_up=100
    )
    evaluator, detector, reckoning = AnomalyEvaluator(rule), Detector(rule), Reckoning(rule)
    seen, looks = dict.fromkeys(Seen, 0), dict.fromkeys(Why, 0)
    for number, (at, value) in enumerate(readings(season, seed=7)):
        verdict, said, wanted = (
            evaluator.observe(at, value, "m"),
            detector.observe(at, value),
            reckoning.hear(at, value),
        )
        seen[verdict] += 1
        looks[said.why] += 1
        assert (number, said.why.value, said.holds) == (number, wanted.look, wanted.holds)
        assert (said.score, said.expected) == pytest.approx(wanted[::2], rel=1e-6)
        if number < rule.warm_up:
            assert verdict is Seen.NOTHING
        else:
            assert verdict is (Seen.HOLDS if wanted.holds else Seen.FINE)
    assert seen[Seen.HOLDS] > 20
    assert {why for why, count in looks.items() if not count} == ({Why.SEASON} if season is Season.NONE else set())


def extremes(luck: random.Random) -> Iterator[float]:
    """What bounds are for: no change, too small a one, more distributions than are remembered, growth, the ends."""
    yield from [5.0] * 200
    yield from (5.0 + 1e-6 * luck.random() for _ in range(60))
    for _ in range(250):
        shares = [luck.random() ** 4 for _ in range(BINS)]
        yield from (2.0 * number + luck.random() for number in luck.choices(range(BINS), shares, k=WINDOW))
    yield from (10 * 1.1**growth for growth in range(120))
    yield from (luck.choice((-1.7e308, 1e305, 0.0, 3.0)) for _ in range(60))


def test_at_the_bounds_of_what_is_learned_the_definition_still_says_all() -> None:
    rule = AnomalyRule(id="r", framework="f", metric="m", sensitivity=1.0, warm_up=10)
    detector, reckoning = Detector(rule), Reckoning(rule)
    for number, value in enumerate(extremes(random.Random(1))):
        said, wanted = detector.observe(START, value), reckoning.hear(START, value)
        assert (number, said.why.value, said.holds) == (number, wanted.look, wanted.holds)
        assert (said.score, said.expected) == pytest.approx(wanted[::2], rel=1e-6)
    assert len(detector.state().pattern.known) == len(reckoning.patterns.remembered) == REMEMBERED_MAX


@pytest.mark.parametrize("ordinary", range(252, 264))
def test_a_pattern_is_news_from_its_reading_on(ordinary: int) -> None:
    """What is unlike all before comes one reading later each time: once exactly when that begins to count."""
    rule, luck = AnomalyRule(id="r", framework="f", metric="m", sensitivity=1.0, warm_up=10), random.Random(ordinary)
    detector, reckoning = Detector(rule), Reckoning(rule)
    for number in range(330):
        value = luck.random() * 10 if number < ordinary else luck.choice((4.0, 6.0)) + luck.random()
        said, wanted = detector.observe(START, value), reckoning.hear(START, value)
        assert (number, said.why.value, said.holds) == (number, wanted.look, wanted.holds)
