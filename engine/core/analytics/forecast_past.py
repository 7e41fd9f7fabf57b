"""A series' past, arranged for its forecast: the baseline of each slot, and clues to how far off it the future will be.

The baseline is the median of the same slot of the week in the last four weeks. A clue is what one would have added to
it by one rule of thumb: as much as yesterday at this time, as much as the last day, or week, was off on average, and so
on. Of a series that is never negative levels go up and down by shares (a day is 5 % busier), of others by amounts.

Rules: a clue for a step knows nothing from its origin on; what is not measured adds nothing; sums are kept so that any
stretch costs the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

BASE_WEEKS = 4
WEEK_DAYS = 7
# What just happened: a twelfth of a day, and how fast that is forgotten (a twelfth, half a day).
JUST_NOW, HALF = 12, 2
# Weeks that a slot's long view goes back.
LONG_WEEKS = 8
# A clue is off by at most so many times what is usual at that time of day: a holiday says little about tomorrow.
WILD = 4.0


class Row(NamedTuple):
    """One step that was forecast in the past: from where, which, its clues, and how far off the baseline it was."""

    origin: int
    at: int
    clues: list[float]
    off: float


class Past:
    """`values` (`per_day` a day, None: not measured), and the baseline of `ahead` more."""

    def __init__(self, values: Sequence[float | None], per_day: int, ahead: int) -> None:
        self.values, self.per_day, self.count = values, per_day, len(values)
        self.week = WEEK_DAYS * per_day
        known = [value for value in values if value is not None]
        self.is_positive = min(known) >= 0.0
        self._middle = middle(known)
        self._base = [self._same_slot(at) for at in range(self.count + ahead)]
        self.off = [
            None if value is None or base is None else value - base
            for value, base in zip(values, self._base, strict=False)
        ]
        self._tame = self._tamed()
        self._offs = _sums(off or 0.0 for off in self._tame)
        self._bases = _sums(
            0.0 if off is None else base or 0.0 for off, base in zip(self.off, self._base, strict=False)
        )
        self._known = _sums(float(off is not None) for off in self.off)

    def base(self, at: int) -> float:
        """The baseline; the median of everything where the slot was never measured."""
        base = self._base[at]
        return self._middle if base is None else base

    def clues(self, origin: int, at: int) -> list[float]:
        """What each rule of thumb adds to the baseline at `at`, with everything before `origin` known."""
        day, base = self.per_day, self.base(at)
        last = at - day * ((at - origin) // day + 1)
        steps = at - origin + 1
        now = self._moved(base, origin - max(1, day // JUST_NOW), origin)
        yesterday = self.values[last]
        days = [self.values[place] for place in range(last, max(-1, last - WEEK_DAYS * day), -day)]
        measured = [value for value in days if value is not None]
        week = at - self.week * ((at - origin) // self.week + 1)
        return [
            self._near(last, origin),
            0.0 if yesterday is None else yesterday - base,
            self._moved(base, origin - day, origin),
            self._moved(base, origin - 2 * day, origin - day),
            self._moved(base, origin - self.week, origin),
            now * math.exp(-steps * JUST_NOW / day),
            now * math.exp(-steps * HALF / day),
            self._near(week, origin),
            middle(measured) - base if measured else 0.0,
            self._long(at, origin) - base,
        ]

    def _same_slot(self, at: int) -> float | None:
        places = [at - week * self.week for week in range(1, BASE_WEEKS + 1)]
        found = [self.values[place] for place in places if 0 <= place < self.count]
        known = [value for value in found if value is not None]
        return middle(known) if known else None

    def _tamed(self) -> list[float | None]:
        usual: list[list[float]] = [[] for _ in range(self.per_day)]
        for place, off in enumerate(self.off):
            if off is not None:
                usual[place % self.per_day].append(abs(off))
        # Where nothing ever moved there is no usual to be wild by.
        most = [(WILD * middle(slot) if slot else 0.0) or math.inf for slot in usual]
        return [
            None if off is None else max(-most[place % self.per_day], min(most[place % self.per_day], off))
            for place, off in enumerate(self.off)
        ]

    def _long(self, at: int, origin: int) -> float:
        """The median of the same slot in twice as many weeks."""
        places = [at - week * self.week for week in range(1, LONG_WEEKS + 1)]
        known = [value for place in places if 0 <= place < origin and (value := self.values[place]) is not None]
        return middle(known) if known else self.base(at)

    def _near(self, place: int, origin: int) -> float:
        """The mean that the slot and its neighbours were off."""
        near = [off for off in self._tame[max(0, place - 1) : max(0, min(place + 2, origin))] if off is not None]
        return sum(near) / len(near) if near else 0.0

    def _moved(self, base: float, start: int, end: int) -> float:
        """What a baseline of `base` would be off if it went as a stretch did."""
        start = max(0, start)
        off = self._offs[end] - self._offs[start]
        if self.is_positive:
            expected = self._bases[end] - self._bases[start]
            return base * off / expected if expected > 0.0 else 0.0
        known = self._known[end] - self._known[start]
        return off / known if known else 0.0


def middle(values: Sequence[float]) -> float:
    """The median. Raises IndexError if there is none."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _sums(values: Iterable[float]) -> list[float]:
    return list(accumulate(values, initial=0.0))
