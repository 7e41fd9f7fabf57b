"""How far is far? The scale of a quantity that is never negative, from its own past, in a few numbers.

Four estimates, of which the largest counts: the median (what is ordinary, whatever some readings do), the mean (what
comes in quiet and loud spells), a high quantile (how long the tail is), and the peak (as high as it was before is no
news). Each as the multiple of its quantity that is about 1 for Gaussian noise of deviation 1. Median and quantile are
followed by multiplicative steps (Robbins and Monro, in the logarithm): no window is kept, and one reading moves them by
a step however large it is. The peak is taken in block by block, so that what grows is not held against itself at once.
Pure.
"""

from __future__ import annotations

import msgspec

# The share that lies below the tail's mark.
TAIL_SHARE = 0.99
# Of |x| with deviation 1: median 0.6745, mean 0.7979. The 99 % quantile is 2.5758 and counts a little less, because it
# is the one that chance moves most.
_BY_MEDIAN, _BY_MEAN, _BY_TAIL = 1 / 0.6745, 1 / 0.7979, 1 / 3.4
# A step of the median; of the tail in all (up by nearly all of it, down by the rest). The first ones are larger.
STEP = 0.02
TAIL_STEP = 0.2
MEAN_WEIGHT = 0.05
# A reading counts in the mean as at most so many times the scale: an outlier must not become ordinary at once.
CLIP = 10.0
# As large as the peak is so many deviations; so much of it is left after each block.
PEAK_DEVIATIONS = 3.5
_BY_PEAK = 1 / PEAK_DEVIATIONS
PEAK_LEFT = 0.7


class Scale(msgspec.Struct):
    """The scale of what was learned. `pace`: 1 forgets within a hundred readings, 0.1 within a thousand; `block`: the
    readings that a peak is looked for in.
    """

    pace: float
    block: int
    count: int = 0
    middle: float = 0.0
    mean: float = 0.0
    tail: float = 0.0
    # The largest of the blocks that are over, and of the one that goes on.
    peak: float = 0.0
    recent: float = 0.0

    def of(self, floor: float) -> float:
        """What one deviation is; at least the floor."""
        return max(self.middle * _BY_MEDIAN, self.mean * _BY_MEAN, self.tail * _BY_TAIL, self.peak * _BY_PEAK, floor)

    def learn(self, size: float, floor: float) -> None:
        """One more reading."""
        self.count += 1
        if self.count == 1:
            self.middle = self.mean = self.tail = max(size, floor)
            return
        first, pace = 1.0 / self.count, self.pace
        step = 1.0 + max(STEP * pace, first)
        self.mean += max(MEAN_WEIGHT * pace, first) * (min(size, CLIP * self.of(floor)) - self.mean)
        self.middle = max(self.middle * step if size > self.middle else self.middle / step, floor)
        step = max(TAIL_STEP * pace, first)
        step = 1.0 + step * TAIL_SHARE if size > self.tail else 1.0 / (1.0 + step * (1.0 - TAIL_SHARE))
        self.tail = max(self.tail * step, floor)
        self.recent = max(self.recent, size)
        if not self.count % self.block:
            self.peak, self.recent = max(self.recent, self.peak * PEAK_LEFT), 0.0
