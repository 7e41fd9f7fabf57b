"""Threshold rules: a metric, or an aggregate of it over a window, compared with a value."""

from __future__ import annotations

from typing import Any

from engine.core.rules.evaluation import Seen, condition, in_words, number_in_words
from engine.core.rules.windows import level_of
from protocol.rules import Aggregate, ThresholdRule


class ThresholdEvaluator:
    """One threshold rule on one series. About 200 bytes, with a window 1 to 3 kB."""

    __slots__ = ("_condition", "_is_held", "_level", "_rule")

    def __init__(self, rule: ThresholdRule) -> None:
        self._rule = rule
        self._level = level_of(rule.aggregate, rule.window_s)
        self._condition = condition(rule.comparison, rule.threshold, rule.upper, rule.recovery)
        self._is_held = False

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """One more reading."""
        if not self._level.take(at, value):
            return Seen.LATE
        level = self._level.value()
        if level is None:
            return Seen.NOTHING
        self._is_held = self._condition(level, self._is_held)
        return Seen.HOLDS if self._is_held else Seen.FINE

    def value(self) -> float | None:
        """The newest value, or the aggregate of the window."""
        return self._level.value()

    def limit(self) -> float | None:
        """The threshold."""
        return self._rule.threshold

    def why(self) -> str:
        """What it came to, as a sentence."""
        rule, value = self._rule, number_in_words(self.value())
        return f"{name_of(rule)} is {value}; rings when {in_words(rule.comparison, rule.threshold, rule.upper)}"

    def state(self) -> Any:
        """Whether it holds, and the window."""
        return [self._is_held, self._level.state()]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._is_held, level = state
        self._level.restore(level)


def name_of(rule: ThresholdRule) -> str:
    """`cpu`, `avg of cpu over 300 s`."""
    if rule.aggregate is Aggregate.LAST:
        return rule.metric
    return f"{rule.aggregate.value} of {rule.metric} over {rule.window_s:g} s"
