"""Series of our own for choosing how forecasts are made: never on what is scored later.

Each is twelve weeks of half-hours, drawn from a seed: a course of the day whose weekends differ, with days that are
busier than others, noise that lasts for hours, days that are special, and besides what its kind has: a trend, a level
that wanders, counts, spikes, noise that does not grow with the level, offices that are empty on weekends.
"""

from __future__ import annotations

import math
import random
from typing import NamedTuple

DAYS, PER_DAY = 84, 48
KINDS = ("plain", "office", "flat_week", "trend", "walk", "counts", "spiky", "additive")
_WEEKS = {"office": (1.0, 1.02, 1.03, 1.0, 0.95, 0.35, 0.3), "flat_week": (1.0,) * 7}
_WEEK = (1.0, 1.02, 1.03, 1.05, 1.1, 0.9, 0.75)


class Course(NamedTuple):
    """A series on a grid of equal steps, `per_day` a day; None: not measured."""

    name: str
    per_day: int
    values: list[float | None]


def courses(seed: int, each: int = 1) -> list[Course]:
    """So many of each kind, drawn from a seed."""
    return [Course(f"{kind}-{number}", PER_DAY, course(f"{seed}/{kind}/{number}", kind))
            for kind in KINDS for number in range(each)]  # fmt: skip


def course(seed: str, kind: str) -> list[float | None]:
    """One of them."""
    # Chance for series, not for secrets.
    chance = random.Random(seed)  # noqa: S311
    week = [share * (1 + chance.gauss(0, 0.05)) for share in _WEEKS.get(kind, _WEEK)]
    first, second = chance.uniform(0.3, 0.7), chance.uniform(0.1, 0.4)
    phases = chance.uniform(0, math.tau), chance.uniform(0, math.tau)
    level, trend = chance.uniform(50, 20_000), chance.gauss(0, 0.004 if kind == "trend" else 0.0008)
    days, steps = chance.uniform(0.01, 0.06), chance.uniform(0.01, 0.05)
    busy = lasting = wander = 0.0
    values: list[float | None] = []
    for day in range(DAYS):
        busy = 0.5 * busy + chance.gauss(0, days)
        wander += chance.gauss(0, 0.03 if kind == "walk" else 0.003)
        special = chance.uniform(0.4, 0.9) if chance.random() < 0.02 else 1.0
        evening = second * (1.3 if day % 7 >= 5 and kind != "flat_week" else 1.0)
        for slot in range(PER_DAY):
            angle = slot / PER_DAY * math.tau
            shape = max(0.05, 1 + first * math.sin(angle + phases[0]) + evening * math.sin(2 * angle + phases[1]))
            lasting = 0.85 * lasting + chance.gauss(0, steps)
            share = week[day % 7] * shape * special * math.exp(busy + lasting + wander + trend * day)
            values.append(_measured(chance, kind, level, share))
    return values


def _measured(chance: random.Random, kind: str, level: float, share: float) -> float:
    if kind == "counts":
        return float(max(0, round(chance.gauss(20 * share, math.sqrt(20 * share)))))
    if kind == "spiky" and chance.random() < 0.01:
        share *= chance.uniform(1.5, 4)
    return level * share + (level * 0.3 * chance.gauss(0, 1) if kind == "additive" else 0.0)
