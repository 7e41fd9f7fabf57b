"""Has the level shifted? Two cumulative sums (Page 1954) of deviations from the baseline, one for each direction.

Each deviation is clipped, so that one spike is no shift. A series that wanders by itself makes large sums all the time:
they are held against their own past (`scale`), and at least against what independent noise would not reach. Pure.
"""

from __future__ import annotations

import msgspec

from engine.core.rules.scale import Scale

# What is allowed for: half of the smallest shift that is looked for, in deviations.
SLACK = 0.6
CLIP = 4.0
# So much of a sum is one deviation of the score at least.
UNIT = 3.5
# A sum grows no further, in its deviations and by itself: it has to come down again when the level is back, and the
# alert lasts until it has.
DEVIATIONS_MAX = 8.0
SUM_MAX = 200.0


class Cusum(msgspec.Struct):
    """The two sums, and what they usually are."""

    usual: Scale
    up: float = 0.0
    down: float = 0.0

    def observe(self, deviation: float) -> tuple[float, float]:
        """Takes in one deviation; how unusual are the sums upwards and downwards, in deviations?"""
        clipped, unit = max(-CLIP, min(CLIP, deviation)), self.usual.of(UNIT)
        most = min(SUM_MAX, DEVIATIONS_MAX * unit)
        self.up = min(most, max(0.0, self.up + clipped - SLACK))
        self.down = min(most, max(0.0, self.down - clipped - SLACK))
        self.usual.learn(max(self.up, self.down), UNIT * 0.1)
        return self.up / unit, self.down / unit
