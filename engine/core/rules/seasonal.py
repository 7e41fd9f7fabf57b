"""What a season would have us expect: its course in slots, each the mean of its visits, newer ones counting more.

A visit (all readings of one slot in one season) is folded in when it is over, as one number: so it does not matter how
often the series is read, and a slot never learns from the very readings that it is to judge. Between the middles of two
slots the course is a straight line. What lies over the whole course (a trend) is an offset beside it. Pure.
"""

from __future__ import annotations

import msgspec

from protocol.rules import Season
from protocol.times import SECOND_US

# Width of a slot and how many there are: fine enough for a course, few enough for each to be visited in full.
_SLOTS = {Season.HOUR: (60, 60), Season.DAY: (1_800, 48), Season.WEEK: (3_600, 168)}
# A slot says something from its second visit on.
VISITS_MIN = 2
# The newest visit's share in its slot, once there were a few.
VISIT_WEIGHT = 0.2
OFFSET_WEIGHT = 0.01


class Seasonal(msgspec.Struct):
    """One series' course through its season."""

    width_us: int
    levels: list[float]
    visits: list[int]
    offset: float = 0.0
    # The visit that goes on: its slot, how many readings, their sum without the offset.
    slot: int = -1
    readings: int = 0
    total: float = 0.0

    def expected(self, at_us: int) -> float | None:
        """The value at this time; None: the slot is not known well enough yet."""
        levels, visits, slots = self.levels, self.visits, len(self.levels)
        slot, within = divmod(at_us, self.width_us)
        slot %= slots
        if visits[slot] < VISITS_MIN:
            return None
        share = within / self.width_us - 0.5
        other = (slot + (1 if share > 0 else -1)) % slots
        level = levels[slot]
        if visits[other] >= VISITS_MIN:
            level += abs(share) * (levels[other] - level)
        return level + self.offset

    def learn(self, at_us: int, value: float, residual: float, reach: float) -> None:
        """One more reading. `residual`: to what was expected (0: nothing was); `reach`: as far as one may move us."""
        slot = at_us // self.width_us % len(self.levels)
        if slot != self.slot:
            if self.readings:
                self._fold(reach)
            self.slot, self.readings, self.total = slot, 0, 0.0
        self.readings += 1
        self.total += value - self.offset
        self.offset += OFFSET_WEIGHT * max(-reach, min(reach, residual))

    def _fold(self, reach: float) -> None:
        mean = self.total / self.readings
        known = self.visits[self.slot]
        if not known:
            self.levels[self.slot] = mean
        else:
            move = mean - self.levels[self.slot]
            if known >= VISITS_MIN:
                move = max(-reach, min(reach, move))
            self.levels[self.slot] += max(VISIT_WEIGHT, 1.0 / (known + 1)) * move
        self.visits[self.slot] = known + 1


def seasonal(season: Season) -> Seasonal | None:
    """An empty course; None: there is no season."""
    if season is Season.NONE:
        return None
    width_s, slots = _SLOTS[season]
    return Seasonal(width_s * SECOND_US, [0.0] * slots, [0] * slots)
