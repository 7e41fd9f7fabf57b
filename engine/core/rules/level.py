"""Where a series is: a mean in which newer readings count more (EWMA), and how far readings usually are from it.

One that forgets within minutes says where the series is just now (a jump is far from it), one that forgets within days
is the baseline of what has no season. Pure.
"""

from __future__ import annotations

import msgspec

from engine.core.rules.scale import Scale

# So many readings are averaged before a scale says anything.
AVERAGED = 2


class Level(msgspec.Struct):
    """One mean. `weight`: the newest reading's share; `reach`: as many deviations as one reading may move it for."""

    weight: float
    reach: float
    scale: Scale
    mean: float = 0.0

    def observe(self, value: float, floor: float) -> float:
        """Takes in a reading; how far from the mean before it was, in deviations (of at least `floor`), signed."""
        scale = self.scale
        if not scale.count:
            self.mean = value
        unit, residual = scale.of(floor), value - self.mean
        scale.learn(abs(residual), floor)
        # A step of `reach` deviations at most: an outlier must leave no echo. The first ones are averaged.
        most = self.reach * unit if scale.count > AVERAGED else abs(residual)
        self.mean += max(self.weight, 1.0 / scale.count) * max(-most, min(most, residual))
        return residual / unit
