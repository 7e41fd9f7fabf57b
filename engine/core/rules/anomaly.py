"""Anomaly rules: how far is a reading from what its own series would have us expect?

Four looks at each reading, each in deviations: for Gaussian noise, what is usual is 1. Each is held against its own
past (`scale`), so that what is ordinary for this series, however wild, is no anomaly.
- `jump`: against where the series is just now (`level`).
- `level`, or `season` where the season explains the series better: against its baseline of days (`level`, `seasonal`).
- `shift`: small deviations from the baseline that add up (`cusum`).
- `pattern`: the last 52 readings are distributed unlike any window before (`entropy`).
The largest of the first three is the score, and a new pattern adds to it. Then suppression: for a while after a high
score only a clearly higher one counts in full; an anomaly is news once.

Rules: readings are taken in the order in which they come; their time says only where in the season they are. So time
that stands still, goes back or leaps harms nothing, and the same readings in the same order always give the same
scores. One reading costs the same whatever came before, and a series takes a few kilobytes for ever. What was learned
is `Memory`; a detector that is restored from it goes on bit for bit. No clock, no randomness.

How the numbers were chosen: docs/decisions/0010-anomalies.md. They must not be chosen on what is scored with them.
"""

from __future__ import annotations

import enum
import math
from typing import Any

import msgspec

from engine.core.rules.cusum import Cusum
from engine.core.rules.entropy import Entropy
from engine.core.rules.evaluation import Seen, number_in_words
from engine.core.rules.level import Level
from engine.core.rules.scale import Scale
from engine.core.rules.seasonal import Seasonal, seasonal
from protocol.rules import AnomalyRule, Direction

# The newest reading's share in each level: one forgets half with each reading, the other within 140.
QUICK_WEIGHT, SLOW_WEIGHT = 0.5, 0.005
# As many deviations as one reading may move a level for.
QUICK_REACH, SLOW_REACH = 4.0, 3.0
# How fast scales forget, and the blocks (readings) of their peaks. They are slow, the season's most of all: a day that
# goes wrong is to be held against the days before, not against its own first hours.
QUICK_PACE, QUICK_BLOCK = 0.1, 100
SLOW_PACE, SLOW_BLOCK = 0.2, 100
SEASON_PACE, SEASON_BLOCK = 0.04, 100
SHIFT_PACE, SHIFT_BLOCK = 0.03, 50
# What is smaller is rounding: of the level itself, and of the series' usual distance from it.
FLOOR_RELATIVE = 1e-4
FLOOR_SPREAD = 0.05
# A series of zeros has no level to take a share of.
FLOOR_MIN = 1e-300
# Readings beyond are cut: the difference of two must still be a number.
VALUE_MAX = 1e300
# Above this nobody distinguishes; it is more than any sensitivity (100).
SCORE_MAX = 1_000.0
# What the looks count. Without a season, being off the baseline lasts, so the same size says less. Sums are held
# against a wide unit (`cusum`), so that what is no shift is next to nothing; a shift counts the more.
JUMP_SHARE = 0.8
BASELINE_SHARE = 0.5
SEASON_SHARE = 1.0
SHIFT_SHARE = 1.6
# A new pattern adds so much to what else is unusual: by itself it rings only rules more sensitive than by default.
PATTERN_SHARE = 5.0
# The season is asked once it was compared for so many readings, and only where it explains more than the slow level.
SEASON_MIN = 300
# After a high score the next must be so much higher to count at all: what comes again soon is the same trouble. Half of
# that is forgotten after 70 readings. Scores beyond 10 are guarded by their logarithm: the memory of a huge one must
# pass as well.
GUARD_MARGIN = 1.8
GUARD_LINEAR = 10.0
GUARD_LEFT = 0.5 ** (1 / 70)
# What is damped says a fifth of its size, and less than any sensitivity: however large, it is what was told already.
DAMPED, DAMPED_MAX = 0.2, 0.9
# It holds until the deviation is below this share of the sensitivity: on the edge it would come and go.
RELEASE = 0.5


class Why(enum.Enum):
    """Which look it was that gave the score."""

    LEARNING = "learning"
    JUMP = "jump"
    LEVEL = "level"
    SEASON = "season"
    SHIFT = "shift"
    PATTERN = "pattern"


class Score(msgspec.Struct, frozen=True, gc=False):
    """What a detector says to a reading: how unusual (deviations, after suppression), and what was expected instead."""

    score: float
    holds: bool
    expected: float
    why: Why


class Memory(msgspec.Struct):
    """All that a detector knows of its series."""

    quick: Level
    slow: Level
    season: Seasonal | None
    # How far readings are from the season's expectation; the levels have scales of their own.
    season_scale: Scale
    shift: Cusum
    pattern: Entropy
    readings: int = 0
    guard: float = 0.0
    holds: bool = False

    def forget_as(self, today: Memory) -> None:
        """Takes over weights, reaches, paces and blocks: a state kept by an older version carries the older ones."""
        for level, other in ((self.quick, today.quick), (self.slow, today.slow)):
            level.weight, level.reach = other.weight, other.reach
        for scale, as_today in zip(self._scales(), today._scales(), strict=True):
            scale.pace, scale.block = as_today.pace, as_today.block

    def _scales(self) -> tuple[Scale, ...]:
        return self.quick.scale, self.slow.scale, self.season_scale, self.shift.usual


class Detector:
    """Watches one series for one rule."""

    def __init__(self, rule: AnomalyRule) -> None:
        self._rule = rule
        self._memory = Memory(
            quick=Level(QUICK_WEIGHT, QUICK_REACH, Scale(QUICK_PACE, QUICK_BLOCK)),
            slow=Level(SLOW_WEIGHT, SLOW_REACH, Scale(SLOW_PACE, SLOW_BLOCK)),
            season=seasonal(rule.season),
            season_scale=Scale(SEASON_PACE, SEASON_BLOCK),
            shift=Cusum(Scale(SHIFT_PACE, SHIFT_BLOCK)),
            pattern=Entropy(),
        )

    @classmethod
    def restore(cls, rule: AnomalyRule, state: Memory) -> Detector:
        """A detector that goes on where another was when it gave its `state`, be that of an older version.

        What was learned is the state's; how fast it is forgotten is the code's.
        """
        detector = cls(rule)
        today, detector._memory = detector._memory, _copy(state)
        detector._memory.forget_as(today)
        return detector

    def state(self) -> Memory:
        """What it has learned, as a copy that goes to JSON or MessagePack and back unchanged."""
        return _copy(self._memory)

    def observe(self, at_us: int, value: float) -> Score:
        """Takes in a reading (finite; microseconds since 1970) and judges it by what came before."""
        memory, value = self._memory, max(-VALUE_MAX, min(VALUE_MAX, value))
        memory.readings += 1
        expected, baseline, why = self._baseline(at_us, value)
        floor = _floor(memory.slow.mean) + FLOOR_SPREAD * memory.slow.scale.mean
        jump = memory.quick.observe(value, floor)
        up, down = memory.shift.observe(baseline)
        news = memory.pattern.observe(value)
        if memory.season is not None and not memory.season_scale.count:
            # Before a season was there twice, much of it is new and nothing is news.
            news = 0.0
        if memory.readings <= self._rule.warm_up:
            return Score(0.0, False, expected, Why.LEARNING)
        return self._judge(*self._strongest(jump, baseline, why, (up, down), news), expected)

    def _strongest(
        self, jump: float, baseline: float, why: Why, sums: tuple[float, float], news: float
    ) -> tuple[float, Why]:
        """How unusual all of it is in the rule's direction, and which look says so loudest."""
        direction, (up, down) = self._rule.direction, sums
        if direction is Direction.BOTH:
            jump, baseline, shift = abs(jump), abs(baseline), max(sums)
        elif direction is Direction.UP:
            shift, news = up, news if baseline > 0.0 else 0.0
        else:
            jump, baseline, shift, news = -jump, -baseline, down, news if baseline < 0.0 else 0.0
        score, look = JUMP_SHARE * jump, Why.JUMP
        baseline *= SEASON_SHARE if why is Why.SEASON else BASELINE_SHARE
        if baseline > score:
            score, look = baseline, why
        if SHIFT_SHARE * shift > score:
            score, look = SHIFT_SHARE * shift, Why.SHIFT
        pattern = PATTERN_SHARE * news
        return max(0.0, score) + pattern, Why.PATTERN if pattern > score else look

    def _baseline(self, at_us: int, value: float) -> tuple[float, float, Why]:
        """What the baseline expects, how far the reading is from it, and which baseline that is. Learns."""
        memory = self._memory
        season, slow, scale = memory.season, memory.slow, memory.season_scale
        floor, level = _floor(slow.mean), slow.mean if memory.readings > 1 else value
        if season is None:
            return level, slow.observe(value, floor), Why.LEVEL
        expected, reach = season.expected(at_us), SLOW_REACH * slow.scale.of(floor)
        residual = 0.0 if expected is None else value - expected
        unit = scale.of(floor)
        is_better = scale.count >= SEASON_MIN and scale.mean < slow.scale.mean
        if expected is not None:
            scale.learn(abs(residual), floor)
        season.learn(at_us, value, residual, reach)
        deviation = slow.observe(value, floor)
        if expected is None or not is_better:
            return level, deviation, Why.LEVEL
        return expected, residual / unit, Why.SEASON

    def _judge(self, raw: float, why: Why, expected: float) -> Score:
        """Suppression: what was said already counts less; and whether the rule holds."""
        memory, sensitivity, raw = self._memory, self._rule.sensitivity, min(SCORE_MAX, raw)
        memory.guard *= GUARD_LEFT
        weight = raw if raw <= GUARD_LINEAR else GUARD_LINEAR * (1.0 + math.log(raw / GUARD_LINEAR))
        score = min(DAMPED * raw, DAMPED_MAX)
        if weight >= GUARD_MARGIN * memory.guard:
            # What is damped leaves no mark, else what grows slowly would be held against itself for ever.
            score = raw
            memory.guard = weight
        memory.holds = score >= sensitivity or (memory.holds and raw >= RELEASE * sensitivity)
        return Score(score, memory.holds, expected, why)


class AnomalyEvaluator:
    """One anomaly rule on one series: about 8 kB, stored 2 to 4 kB."""

    __slots__ = ("_detector", "_rule", "_said", "_value")

    def __init__(self, rule: AnomalyRule) -> None:
        self._rule, self._detector = rule, Detector(rule)
        self._said: Score | None = None
        self._value: float | None = None

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """One more reading; none is late: what a series is like does not depend on it."""
        self._said, self._value = self._detector.observe(at, value), value
        if self._said.why is Why.LEARNING:
            return Seen.NOTHING
        return Seen.HOLDS if self._said.holds else Seen.FINE

    def value(self) -> float | None:
        """The newest reading: how unusual it is stands in `why`."""
        return self._value

    def limit(self) -> float | None:
        """There is none: what is unusual depends on what was before."""
        return None

    def why(self) -> str:
        """What it came to, as a sentence."""
        is_or_was = f"{self._rule.metric} is {number_in_words(self._value)}"
        if self._said is None:
            return is_or_was
        if self._said.why is Why.LEARNING:
            return f"{is_or_was}; what is usual is being learned from the first {self._rule.warm_up} readings"
        usual = number_in_words(float(f"{self._said.expected:.4g}"))
        return (
            f"{is_or_was}, usual is {usual}: {self._said.score:.1f} deviations ({self._said.why.value});"
            f" rings from {self._rule.sensitivity:g}"
        )

    def state(self) -> Any:
        """What was said last, and all that was learned."""
        return [self._value, self._said, self._detector.state()]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._value, said, memory = state
        self._said = msgspec.convert(said, Score | None, strict=False)
        self._detector = Detector.restore(self._rule, msgspec.convert(memory, Memory))


def _floor(level: float) -> float:
    return FLOOR_RELATIVE * abs(level) + FLOOR_MIN


def _copy(memory: Memory) -> Memory:
    # Through bytes: many times faster than `copy.deepcopy`, and floats come out as they went in.
    return msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=Memory)
