"""What happened in the last five minutes, of counters that only grow: what the engine's own health is reckoned from.

Owns the counts of each look of that time. Looked at every few seconds, and whenever somebody asks. Decided against:
figures since the start, in which a bad hour is never over and a bad minute after a good month is not seen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from engine.telemetry.series import Observed

WINDOW_S = 300.0
# Sixty looks, some hundred bytes each. The window begins up to so much before five minutes ago.
LOOK_EVERY_S = 5.0
# A 95th percentile of fewer is one slow answer's time.
ANSWERS_MIN = 20
FAN_OUTS_MIN = 100
# 25 s of them: a start keeps the loop busy for a moment, which is nobody's fault.
WAKE_UPS_MIN = 100
# One a second: the first question for each entry always misses, and fewer look-ups cost nobody anything.
LOOKUPS_MIN = 300


class Counted(NamedTuple):
    """Counters of one moment, all since the start. Times in seconds; `wake_ups`: how late the loop was; `errors`:
    triggers that failed in the engine."""

    answers: Observed
    fan_outs: Observed
    wake_ups: Observed
    errors: int = 0
    restarts: int = 0
    dead_letters: int = 0
    cache_hits: int = 0
    cache_misses: int = 0

    def since(self, earlier: Counted) -> Counted:
        """What was counted after an earlier moment. A cache that was made anew counts from nought again."""
        is_new_cache = self.cache_hits < earlier.cache_hits or self.cache_misses < earlier.cache_misses
        return Counted(
            self.answers.since(earlier.answers),
            self.fan_outs.since(earlier.fan_outs),
            self.wake_ups.since(earlier.wake_ups),
            self.errors - earlier.errors,
            self.restarts - earlier.restarts,
            self.dead_letters - earlier.dead_letters,
            self.cache_hits - (0 if is_new_cache else earlier.cache_hits),
            self.cache_misses - (0 if is_new_cache else earlier.cache_misses),
        )

    @property
    def hit_rate_percent(self) -> float | None:
        """Hits of all look-ups; None: there were none."""
        return 100.0 * self.cache_hits / lookups if (lookups := self.cache_hits + self.cache_misses) else None

    def figures(self) -> Mapping[str, float | None]:
        """What of `engine.core.health.PARTS` can be told from these; None for what too little is known of."""
        answered, lookups = self.answers.count, self.cache_hits + self.cache_misses
        # What failed was answered, but not all that fails is a trigger.
        asked = max(answered, self.errors)
        return {
            "alert_latency_p95_ms": _ms(self.answers, 0.95, ANSWERS_MIN),
            "alert_errors_percent": 100.0 * self.errors / asked if asked else None,
            "cache_hit_rate_percent": self.hit_rate_percent if lookups >= LOOKUPS_MIN else None,
            "restarts": self.restarts,
            "dead_letters": self.dead_letters,
            "loop_lag_p99_ms": _ms(self.wake_ups, 0.99, WAKE_UPS_MIN),
            "fan_out_p99_ms": _ms(self.fan_outs, 0.99, FAN_OUTS_MIN),
        }


class Lately:
    """The looks of the last five minutes. `at_first`: the counts at the start. Times are seconds of one clock."""

    def __init__(self, at_first: Counted) -> None:
        # There may be no clock yet.
        self._looks = deque([(-math.inf, at_first)])

    def look(self, now: float, counted: Counted) -> None:
        """Keeps these counts, and forgets those that no window begins with any more."""
        if now - self._looks[-1][0] >= LOOK_EVERY_S / 2:
            self._looks.append((now, counted))
        while len(self._looks) > 1 and self._looks[1][0] <= now - WINDOW_S:
            self._looks.popleft()

    def since(self, now: float, counted: Counted) -> Counted:
        """What was counted in the last five minutes, or since the start."""
        self.look(now, counted)
        return counted.since(self._looks[0][1])


def _ms(observed: Observed, share: float, at_least: int) -> float | None:
    seconds = observed.quantile(share) if observed.count >= at_least else None
    return None if seconds is None else seconds * 1e3
