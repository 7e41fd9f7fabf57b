"""Performance rules: a percentile, an error rate, or how fast an error budget burns, over a window.

A percentile p of n readings is the one of rank ceil(n p / 100) in order. Rates divide two sums: of `metric`, what went
wrong, by `total_metric`, everything there was, both counted since the reading before (increments). The burn rate is the
error rate divided by the error budget 1 - slo: at 1 the budget lasts exactly as long as the objective's period. With
`short_window_s` it must be above the threshold over that window as well, so that an alert ends soon after its cause
(Google, The Site Reliability Workbook, chapter 5, "multiwindow, multi-burn-rate alerts").
"""

from __future__ import annotations

from typing import Any

from engine.core.rules.evaluation import Evaluator, Seen, condition, number_in_words
from engine.core.rules.sketch import SlidingPercentile
from engine.core.rules.windows import Window, finite
from protocol.model import Comparison
from protocol.rules import Objective, PerformanceRule
from protocol.wording import several


class PercentileEvaluator:
    """A percentile of one series. See `sketch.py` for its memory."""

    __slots__ = ("_is_held", "_rule", "_window")

    def __init__(self, rule: PerformanceRule) -> None:
        self._rule = rule
        recovery = rule.threshold if rule.recovery is None else rule.recovery
        self._window = SlidingPercentile(rule.window_s, (rule.threshold, recovery))
        self._is_held = False

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """One more reading."""
        window, percentile = self._window, self._rule.percentile
        if not window.take(at, value):
            return Seen.LATE
        if window.count() < self._rule.at_least:
            return Seen.NOTHING
        self._is_held = window.is_above(percentile, 0) or (self._is_held and window.is_above(percentile, 1))
        return Seen.HOLDS if self._is_held else Seen.FINE

    def value(self) -> float | None:
        """The percentile, to 1 %."""
        return self._window.percentile(self._rule.percentile)

    def limit(self) -> float | None:
        """The threshold."""
        return self._rule.threshold

    def why(self) -> str:
        """What it came to, as a sentence."""
        rule, level = self._rule, self.value()
        # More digits than it is good for would be a promise.
        value = "unknown" if level is None else f"{level:.3g}"
        return (
            f"p{rule.percentile:g} of {rule.metric} over {rule.window_s:g} s is {value} (to 1 %, "
            f"{several(self._window.count(), 'reading')}); rings when > {rule.threshold:.10g}"
        )

    def state(self) -> Any:
        """Whether it holds, and the window."""
        return [self._is_held, self._window.state()]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._is_held, window = state
        self._window.restore(window)


class Ratio(Window):
    """Errors and totals of a window; about 1 kB."""

    __slots__ = ()

    def __init__(self, window_s: float) -> None:
        super().__init__(window_s, 0.0, 0.0)

    def take(self, at: int, value: float, is_total: bool) -> bool:
        """An increment of one of the two. False: it is late."""
        place = self.place(at)
        if place < 0:
            return False
        self.columns[is_total][place] += value
        return True

    def ratio(self, at_least: float) -> float | None:
        """Errors by total; None if the total is smaller than `at_least`."""
        errors, total = map(sum, self.columns)
        return finite(errors / total) if total >= at_least else None


class RateEvaluator:
    """An error rate, or a burn rate over one or two windows."""

    __slots__ = ("_budget", "_condition", "_is_held", "_rule", "_windows")

    def __init__(self, rule: PerformanceRule) -> None:
        self._rule = rule
        spans = [rule.window_s]
        if rule.objective is Objective.BURN_RATE and rule.short_window_s:
            spans.append(rule.short_window_s)
        self._windows = [Ratio(span) for span in spans]
        self._budget = 1 - rule.slo if rule.objective is Objective.BURN_RATE else 1.0
        self._condition = condition(Comparison.ABOVE, rule.threshold, None, rule.recovery)
        self._is_held = False

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """An increment of the errors or of the total; judged at either."""
        is_total = metric == self._rule.total_metric
        taken = [window.take(at, value, is_total) for window in self._windows]
        if not taken[0]:
            return Seen.LATE
        level = self.value()
        if level is None:
            return Seen.NOTHING
        self._is_held = self._condition(level, self._is_held)
        return Seen.HOLDS if self._is_held else Seen.FINE

    def value(self) -> float | None:
        """The lowest rate of the windows: all must be above the threshold. None if one of them says nothing."""
        rates = [window.ratio(self._rule.at_least) for window in self._windows]
        known = [rate / self._budget for rate in rates if rate is not None]
        return min(known) if len(known) == len(rates) else None

    def limit(self) -> float | None:
        """The threshold."""
        return self._rule.threshold

    def why(self) -> str:
        """What it came to, as a sentence."""
        rule, value = self._rule, number_in_words(self.value())
        spans = f"{rule.window_s:g} s" + (f" and {rule.short_window_s:g} s" if len(self._windows) > 1 else "")
        name = "error rate" if rule.objective is Objective.ERROR_RATE else f"burn rate at an objective of {rule.slo:g}"
        return f"{name} of {rule.metric} over {spans} is {value}; rings when > {rule.threshold:.10g}"

    def state(self) -> Any:
        """Whether it holds, and the windows."""
        return [self._is_held, [window.state() for window in self._windows]]

    def restore(self, state: Any) -> None:
        """Goes on from there."""
        self._is_held, windows = state
        for window, kept in zip(self._windows, windows, strict=True):
            window.restore(kept)


def performance_evaluator(rule: PerformanceRule) -> Evaluator:
    """The evaluator of a rule's objective."""
    return PercentileEvaluator(rule) if rule.objective is Objective.PERCENTILE else RateEvaluator(rule)
