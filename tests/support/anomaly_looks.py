"""The looks of an anomaly rule, as tables: what a scale, a level, a season's course and the patterns came to.

Every column keeps all its values, and what looks at a window, a block or the visits of a slot goes through all of them
each time: no ring of values, no running counts, sums or peaks. Written from `docs/anomaly.md`, its numbers written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

WINDOW, BINS, ALIKE_BELOW, REMEMBERED_MAX = 52, 5, 13.276704135987622, 64


def cut(value: float, most: float) -> float:
    return max(-most, min(most, value))


class Marks(NamedTuple):
    """What a scale holds after a number of sizes."""

    middle: float
    mean: float
    tail: float
    peak: float

    def deviation(self, floor: float) -> float:
        return max(self.middle / 0.6745, self.mean / 0.7979, self.tail / 3.4, self.peak / 3.5, floor)


@dataclass
class Scale:
    """All sizes that were ever learned, and the marks after each; the first row is that of nothing."""

    pace: float
    block: int
    sizes: list[float] = field(default_factory=list)
    rows: list[Marks] = field(default_factory=lambda: [Marks(0.0, 0.0, 0.0, 0.0)])

    @property
    def before(self) -> Marks:
        return self.rows[-1]

    def learn(self, size: float, floor: float) -> None:
        self.sizes.append(size)
        number = len(self.sizes)
        middle, mean, tail, peak = self.before
        if number == 1:
            first = max(size, floor)
            self.rows.append(Marks(first, first, first, 0.0))
            return
        mean += max(0.05 * self.pace, 1 / number) * (min(size, 10 * self.before.deviation(floor)) - mean)
        step = 1 + max(0.02 * self.pace, 1 / number)
        middle = max(floor, middle * step if size > middle else middle / step)
        step = max(0.2 * self.pace, 1 / number)
        tail = max(floor, tail * (1 + 0.99 * step) if size > tail else tail / (1 + 0.01 * step))
        self.rows.append(Marks(middle, mean, tail, self.peak() if number % self.block == 0 else peak))

    def peak(self) -> float:
        """Over all blocks that are complete, the oldest first."""
        peak = 0.0
        for begin in range(0, len(self.sizes), self.block):
            peak = max(0.7 * peak, *self.sizes[max(1, begin) : begin + self.block])
        return peak


@dataclass
class Level:
    weight: float
    reach: float
    scale: Scale
    means: list[float] = field(default_factory=list)

    @property
    def before(self) -> float:
        return self.means[-1] if self.means else 0.0

    def hear(self, value: float, floor: float) -> float:
        """The deviation."""
        mean, unit = (self.means[-1] if self.means else value), self.scale.before.deviation(floor)
        distance = value - mean
        self.scale.learn(abs(distance), floor)
        number = len(self.means) + 1
        share = max(self.weight, 1 / number)
        self.means.append(mean + share * (cut(distance, self.reach * unit) if number > 2 else distance))
        return distance / unit


@dataclass
class Visit:
    slot: int
    values: list[float]
    # The reach of the reading that ended it.
    reach: float = 0.0


@dataclass
class Course:
    """All visits of all slots."""

    slots: int
    width: int
    visits: list[Visit] = field(default_factory=list)
    # Those that are over, and the level that they come to, by slot.
    over: dict[int, list[Visit]] = field(default_factory=dict)
    levels: dict[int, float] = field(default_factory=dict)
    offset: float = 0.0

    def expected(self, at: int) -> float | None:
        slot = at // self.width % self.slots
        if not self.is_known(slot):
            return None
        past_middle = (at % self.width) / self.width - 0.5
        other = (slot + 1) % self.slots if past_middle > 0 else (slot - 1) % self.slots
        level = self.levels[slot]
        if self.is_known(other):
            level += abs(past_middle) * (self.levels[other] - level)
        return level + self.offset

    def is_known(self, slot: int) -> bool:
        return len(self.over.get(slot, ())) >= 2

    def hear(self, at: int, value: float, off: float | None, reach: float) -> None:
        slot = at // self.width % self.slots
        if not self.visits or self.visits[-1].slot != slot:
            if self.visits:
                self.end(self.visits[-1], reach)
            self.visits.append(Visit(slot, []))
        self.visits[-1].values.append(value - self.offset)
        if off is not None:
            self.offset += 0.01 * cut(off, reach)

    def end(self, visit: Visit, reach: float) -> None:
        visit.reach = reach
        visits = self.over.setdefault(visit.slot, [])
        visits.append(visit)
        level = 0.0
        for number, each in enumerate(visits, 1):
            move = sum(each.values) / len(each.values) - level
            level += max(0.2, 1 / number) * (cut(move, each.reach) if number > 2 else move)
        self.levels[visit.slot] = level


@dataclass
class Remembered:
    counts: list[int]
    met: int = 1


@dataclass
class Patterns:
    values: list[float] = field(default_factory=list)
    low: float = 0.0
    width: float = 0.0
    judged: list[int] = field(default_factory=list)
    remembered: list[Remembered] = field(default_factory=list)
    met_last: Remembered | None = None
    lowest: float = math.inf
    highest: float = -math.inf

    def hear(self, value: float) -> bool:
        """Whether its window is unlike all that are remembered."""
        self.values.append(value)
        self.lowest, self.highest = min(self.lowest, value), max(self.highest, value)
        if len(self.values) < 156:
            return False
        is_drawn = not self.width or not self.low <= value < self.low + BINS * self.width
        if is_drawn and not self.draw():
            return False
        counts = [0] * BINS
        for each in self.values[-WINDOW:]:
            counts[self.bin(each)] += 1
        is_judged = is_drawn or counts != self.judged
        self.judged = counts
        return is_judged and self.is_new(counts)

    def bin(self, value: float) -> int:
        return min(BINS - 1, math.floor((value - self.low) / self.width))

    def draw(self) -> bool:
        span = self.highest - self.lowest
        if span <= 1e-6 * max(abs(self.lowest), abs(self.highest)):
            return False
        middles = [self.low + (number + 0.5) * self.width for number in range(BINS)]
        was_drawn = self.width > 0
        self.low, self.width = self.lowest - 0.05 * span, 0.22 * span
        for each in self.remembered if was_drawn else ():
            before, each.counts = each.counts, [0] * BINS
            for middle, count in zip(middles, before, strict=True):
                each.counts[self.bin(middle)] += count
        return True

    def is_new(self, counts: list[int]) -> bool:
        alike = None
        if self.met_last is not None and unlikeness(counts, self.met_last.counts) < ALIKE_BELOW:
            alike = self.met_last
        elif self.remembered:
            nearest = min(self.remembered, key=lambda each: unlikeness(counts, each.counts))
            alike = nearest if unlikeness(counts, nearest.counts) < ALIKE_BELOW else None
        if alike is not None:
            self.met_last = alike
            alike.met += 1
            return False
        self.met_last = Remembered(counts)
        if len(self.remembered) < REMEMBERED_MAX:
            self.remembered.append(self.met_last)
        else:
            least = min(range(REMEMBERED_MAX), key=lambda number: self.remembered[number].met)
            self.remembered[least] = self.met_last
        return len(self.values) >= 312


def unlikeness(counts: list[int], known: list[int]) -> float:
    total = 0.0
    for one, other in zip(counts, known, strict=True):
        middle = (one + other) / 2
        total += sum(count * math.log(count / middle) for count in (one, other) if count)
    return 2 * total
