"""Milestone rules: a metric reaches a goal, once per goal and series.

A milestone is no condition that comes and goes: what was reached stays reached, so its alert is closed by people only.
Readings count whenever they come, late or not: a sum knows no order, and what was reached late was reached. Progress
is told in percent of the last goal.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from engine.core.rules.evaluation import Seen, number_in_words
from protocol.rules import MilestoneRule


class Milepost(NamedTuple):
    """Something to be reached: at which value, what it is called (a label), and whether it is a goal or progress."""

    value: float
    name: str
    is_goal: bool


def mileposts_of(rule: MilestoneRule) -> list[Milepost]:
    """All mileposts of a rule, lowest first."""
    goals = [Milepost(goal, f"{goal:.10g}", True) for goal in rule.goals]
    progress = [Milepost(rule.goals[-1] * percent / 100, f"{percent:.10g} %", False) for percent in rule.progress]
    return sorted([*goals, *progress], key=lambda milepost: (milepost.value, milepost.is_goal))


class MilestoneEvaluator:
    """One milestone rule on one series: where the metric stands, and which mileposts were told. About 300 bytes."""

    __slots__ = ("_is_cumulative", "_level", "_metric", "_mileposts", "told")

    def __init__(self, rule: MilestoneRule) -> None:
        self._metric = rule.metric
        self._is_cumulative = rule.is_cumulative
        self._mileposts = mileposts_of(rule)
        self._level: float | None = None
        self.told: set[str] = set()

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """One more reading. It never holds: ask `reached`."""
        if self._is_cumulative:
            value = max(-sys.float_info.max, min((self._level or 0.0) + value, sys.float_info.max))
        self._level = value
        return Seen.NOTHING

    def reached(self) -> list[Milepost]:
        """The mileposts that are reached and were not told yet, lowest first."""
        level = self._level
        if level is None:
            return []
        return [milepost for milepost in self._mileposts if milepost.value <= level and milepost.name not in self.told]

    def told_names(self) -> list[str]:
        """The mileposts that were told, lowest first."""
        return [milepost.name for milepost in self._mileposts if milepost.name in self.told]

    def value(self) -> float | None:
        """Where the metric stands."""
        return self._level

    def limit(self) -> float | None:
        """The next milepost; None: all were told."""
        return next((milepost.value for milepost in self._mileposts if milepost.name not in self.told), None)

    def why(self) -> str:
        """What it came to, as a sentence."""
        told = ", ".join(self.told_names()) or "nothing yet"
        return f"{self._metric} stands at {number_in_words(self._level)}; told: {told}"

    def state(self) -> Any:
        """Where it stands, and what was told."""
        return [self._level, sorted(self.told)]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._level, told = state
        self.told = set(told)
