"""What every kind of rule answers about a reading, and how a number is held against bounds."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from protocol.model import Comparison

_HOLDS: Mapping[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
    Comparison.EQUAL: operator.eq,
    Comparison.DIFFERENT: operator.ne,
}
UPWARDS = (Comparison.ABOVE, Comparison.AT_LEAST)
DOWNWARDS = (Comparison.BELOW, Comparison.AT_MOST)
# Those that need two thresholds.
RANGES = (Comparison.BETWEEN, Comparison.OUTSIDE)


class Seen(enum.Enum):
    """What a reading says about a rule's condition."""

    HOLDS = enum.auto()
    FINE = enum.auto()
    # Too little is known yet: whatever stood, stands.
    NOTHING = enum.auto()
    # Older than what is still looked at: it changed nothing.
    LATE = enum.auto()


class Evaluator(Protocol):
    """One rule's condition on one series: a pure function of the readings that it saw, in their own time."""

    def observe(self, at: int, value: float, metric: str) -> Seen:
        """One more reading; `at` in microseconds."""

    def value(self) -> float | None:
        """What it came to; None: nothing yet."""

    def limit(self) -> float | None:
        """What that is held against, if there is such a number."""

    def why(self) -> str:
        """What it came to, as a sentence."""

    def state(self) -> Any:
        """Everything that must survive a restart, in plain values."""

    def restore(self, state: Any) -> None:
        """Goes on from there; the answers are the same afterwards."""


def holds(value: float, comparison: Comparison, threshold: float, upper: float | None = None) -> bool:
    """Whether `value comparison threshold` is true; exact, as floating point has it.

    `between` takes in both ends, `outside` is its opposite; without an upper end there is none.
    """
    if comparison in RANGES:
        is_inside = value >= threshold and (upper is None or value <= upper)
        return is_inside is (comparison is Comparison.BETWEEN)
    return _HOLDS[comparison](value, threshold)


def worse(comparison: Comparison, known: float | None, value: float | None) -> float | None:
    """The worse of two values: furthest in the direction of the comparison; without a direction the later one."""
    if known is None or value is None:
        return known if value is None else value
    if comparison in UPWARDS:
        return max(known, value)
    return min(known, value) if comparison in DOWNWARDS else value


# Value, and whether it held before, to whether it holds now.
Condition = Callable[[float, bool], bool]


def condition(comparison: Comparison, threshold: float, upper: float | None, recovery: float | None) -> Condition:
    """The comparison with its hysteresis: what held goes on holding until the value is back at `recovery`."""
    if recovery is None:
        return lambda value, held: holds(value, comparison, threshold, upper)
    compare = _HOLDS[comparison]
    if comparison in UPWARDS:
        return lambda value, held: compare(value, threshold) or (held and value > recovery)
    return lambda value, held: compare(value, threshold) or (held and value < recovery)


def in_words(comparison: Comparison, threshold: float, upper: float | None) -> str:
    """`> 90`, `between 10 and 20`."""
    if comparison in RANGES and upper is not None:
        return f"{comparison.value} {threshold:.10g} and {upper:.10g}"
    return f"{comparison.value} {threshold:.10g}"


def number_in_words(value: float | None) -> str:
    """`93.2`, or `unknown`."""
    return "unknown" if value is None else f"{value:.10g}"
