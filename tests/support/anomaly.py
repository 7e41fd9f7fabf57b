"""Anomalies reckoned as `docs/anomaly.md` defines them, from tables that forget nothing (`anomaly_looks`).

Written from that page; no code is shared with the detector: where they differ, one of the three is wrong.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from protocol.rules import AnomalyRule, Direction, Season
from tests.support.anomaly_looks import Course, Level, Patterns, Scale, cut

MINUTE = 60_000_000
SLOTS = {Season.HOUR: (60, MINUTE), Season.DAY: (48, 30 * MINUTE), Season.WEEK: (168, 60 * MINUTE)}


class Reckoned(NamedTuple):
    """What is reckoned of a reading."""

    score: float
    holds: bool
    expected: float
    look: str


class Reckoning:
    """One series under one rule."""

    def __init__(self, rule: AnomalyRule) -> None:
        self.rule, self.readings = rule, 0
        self.slow, self.quick = Level(0.005, 3, Scale(0.2, 100)), Level(0.5, 4, Scale(0.1, 100))
        self.course = None if rule.season is Season.NONE else Course(*SLOTS[rule.season])
        self.season_scale, self.sums_scale = Scale(0.04, 100), Scale(0.03, 50)
        self.patterns = Patterns()
        self.up = self.down = 0.0
        # When something counted in full last, among the judged, and its weight.
        self.judged = self.counted = 0
        self.weight = 0.0
        self.holds = False

    def hear(self, at: int, value: float) -> Reckoned:
        value = cut(value, 1e300)
        self.readings += 1
        expected, baseline, look = self.baseline(at, value)
        floor = 1e-4 * abs(self.slow.before) + 1e-300 + 0.05 * self.slow.scale.before.mean
        jump = self.quick.hear(value, floor)
        up, down = self.shift(baseline)
        is_news = self.patterns.hear(value) and (self.course is None or bool(self.season_scale.sizes))
        if self.readings <= self.rule.warm_up:
            return Reckoned(0.0, False, expected, "learning")
        raw, look = self.strongest(jump, baseline, look, up, down, is_news)
        return self.verdict(min(1_000.0, raw), look, expected)

    def baseline(self, at: int, value: float) -> tuple[float, float, str]:
        floor = 1e-4 * abs(self.slow.before) + 1e-300
        expected, known = self.slow.before if self.slow.means else value, self.slow.scale.before
        season = self.season(at, value, floor)
        deviation = self.slow.hear(value, floor)
        if season is None or len(self.season_scale.sizes) <= 300:
            return expected, deviation, "level"
        marks = self.season_scale.rows[-2]
        if marks.mean >= known.mean:
            return expected, deviation, "level"
        return season, (value - season) / marks.deviation(floor), "season"

    def season(self, at: int, value: float, floor: float) -> float | None:
        """What the season expects; it learns."""
        if self.course is None:
            return None
        expected = self.course.expected(at)
        off = None if expected is None else value - expected
        if off is not None:
            self.season_scale.learn(abs(off), floor)
        self.course.hear(at, value, off, 3 * self.slow.scale.before.deviation(floor))
        return expected

    def shift(self, baseline: float) -> tuple[float, float]:
        z, unit = cut(baseline, 4), self.sums_scale.before.deviation(3.5)
        self.up = min(200.0, 8 * unit, max(0.0, self.up + z - 0.6))
        self.down = min(200.0, 8 * unit, max(0.0, self.down - z - 0.6))
        self.sums_scale.learn(max(self.up, self.down), 0.35)
        return self.up / unit, self.down / unit

    def strongest(
        self, jump: float, baseline: float, look: str, up: float, down: float, is_news: bool
    ) -> tuple[float, str]:
        if self.rule.direction is Direction.BOTH:
            jump, baseline, shift = abs(jump), abs(baseline), max(up, down)
        else:
            sign, shift = (1, up) if self.rule.direction is Direction.UP else (-1, down)
            jump, baseline = sign * jump, sign * baseline
            is_news = is_news and baseline > 0
        share = 1.0 if look == "season" else 0.5
        looks = {"jump": 0.8 * jump, look: share * baseline, "shift": 1.6 * shift}
        loudest = max(looks, key=lambda name: looks[name])
        if is_news:
            return looks[loudest] + 5, "pattern" if looks[loudest] < 5 else loudest
        return looks[loudest], loudest

    def verdict(self, raw: float, look: str, expected: float) -> Reckoned:
        self.judged += 1
        guard = self.weight * 0.5 ** ((self.judged - self.counted) / 70)
        weight = raw if raw <= 10 else 10 * (1 + math.log(raw / 10))
        score = min(0.2 * raw, 0.9)
        if weight >= 1.8 * guard:
            score, self.weight, self.counted = raw, weight, self.judged
        sensitivity = self.rule.sensitivity
        self.holds = score >= sensitivity or (self.holds and raw >= sensitivity / 2)
        return Reckoned(score, self.holds, expected, look)
