"""How far off a forecast is: what it was off in the past, by the hour of the day.

Errors are told in units of what is usual at that time of day (nights are quiet), so that all of them together make one
list whose quantiles hold for every step: conformal prediction (Vovk et al. 2005), locally scaled
(Lei et al. 2018), newer days counting more (Barber et al. 2023).
Days whose errors hang together stay together as paths, for questions about a whole day ("will it be reached at all?").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.core.analytics.forecast_past import Row, middle

# Neighbouring slots that help a slot to its scale: half an hour to both sides of an hour's.
NEIGHBOURS = 24
# The worst tenth says nothing about what is usual.
USUAL = 0.9
# A slot that never moved may move by a tenth of what others do.
LEAST = 0.1
# A day's errors count half after four weeks: the noise of summer says little about autumn.
FORGET_DAYS = 28.0
# How wild the last days were is a mean that counts half after five; one wild day counts as three at most, and a long
# calm is believed to a fifth.
LATELY_DAYS, WILDEST, CALMEST = 5.0, 3.0, 0.2


class Spread(NamedTuple):
    """`scale`: of each slot of the day. `low`, `high`: the interval in such units. `offs`: all errors, in order.

    `by_origin`: each past day's errors by step, in these units.
    """

    scale: list[float]
    low: float
    high: float
    offs: list[float]
    by_origin: dict[int, dict[int, float]]

    def paths(self, ahead: int) -> list[list[float | None]]:
        """Each past day's errors, a list of `ahead`; None where nothing was measured."""
        return [[steps.get(step) for step in range(ahead)] for steps in self.by_origin.values()]


def spread_of(rows: Sequence[Row], errors: Sequence[float], per_day: int, coverage: float) -> Spread:
    """From the past's errors. `coverage`: of the interval; what is outside is shared between both ends."""
    scale = _scale(rows, errors, per_day)
    by_origin: dict[int, dict[int, float]] = {}
    for row, error in zip(rows, errors, strict=True):
        by_origin.setdefault(row.origin, {})[row.at - row.origin] = error / (scale[row.at % per_day] or 1.0)
    now = _calmed(by_origin)
    weighted = _weighted(by_origin, per_day)
    low, high = _quantile(weighted, (1 - coverage) / 2), _quantile(weighted, (1 + coverage) / 2)
    return Spread([each * now for each in scale], low, high, [off for off, _ in weighted], by_origin)


def _calmed(by_origin: Mapping[int, dict[int, float]]) -> float:
    """Takes out of each day's errors how wild the days before it were; how wild the last ones were."""
    count = sum(len(steps) for steps in by_origin.values())
    usual = sum(abs(off) for steps in by_origin.values() for off in steps.values()) / count
    lately, keep = 1.0, 0.5 ** (1 / LATELY_DAYS)
    for origin in sorted(by_origin) if usual > 0.0 else ():
        steps = by_origin[origin]
        wild = sum(map(abs, steps.values())) / len(steps) / usual
        for step in steps:
            steps[step] /= lately
        lately = max(CALMEST, keep * lately + (1 - keep) * min(wild, WILDEST))
    return lately


def _weighted(by_origin: Mapping[int, Mapping[int, float]], per_day: int) -> list[tuple[float, float]]:
    """All errors in order, each with what it counts."""
    newest = max(by_origin)
    return sorted(
        (off, 0.5 ** ((newest - origin) / per_day / FORGET_DAYS))
        for origin, steps in by_origin.items()
        for off in steps.values()
    )


def _quantile(weighted: Sequence[tuple[float, float]], share: float) -> float:
    """The smallest that this share of the weight does not exceed."""
    left = share * sum(weight for _, weight in weighted)
    found = weighted[0][0]
    for off, weight in weighted:
        if left <= 0.0:
            break
        found, left = off, left - weight
    return found


def _scale(rows: Sequence[Row], errors: Sequence[float], per_day: int) -> list[float]:
    slots: list[list[float]] = [[] for _ in range(per_day)]
    for row, error in zip(rows, errors, strict=True):
        slots[row.at % per_day].append(abs(error))
    reach = max(1, per_day // NEIGHBOURS)
    scales = []
    for slot in range(per_day):
        near = sorted(error for step in range(-reach, reach + 1) for error in slots[(slot + step) % per_day])
        usual = near[: max(1, int(len(near) * USUAL))]
        scales.append(sum(usual) / len(usual) if usual else 0.0)
    moving = [scale for scale in scales if scale > 0.0]
    least = LEAST * middle(moving) if moving else 0.0
    return [max(scale, least) for scale in scales]
