"""Does an alert come and go? Nagios' rule, on what is said of one identity.

A state is what was said last: bad (a trigger) or good (an end, by source, rule or person). The history has the last 21
states: one for each change, and one for each full `interval_s` in which nothing changed. (Nagios checks at intervals;
we hear of changes only. Counting just those, an alert that comes and goes every day would look like one that does so
every second.) Of the 20 steps between states those that are changes count, the newest most: weights from 0.75 to 1.25,
in a line. At `start_percent` of the greatest sum it flaps, below `stop_percent` it no longer does; source: Nagios
`base/flapping.c`. Pure, exact (integers), and only ever asked when something changes: duplicates cost nothing.
"""

from __future__ import annotations

import msgspec

from protocol.rows import Flaps
from protocol.times import SECOND_US

STEPS = 20
_ALL = (1 << STEPS) - 1
# 0.75 … 1.25 in 76ths, so that the sums are exact; the first is that of the newest step.
WEIGHTS = tuple(95 - 2 * age for age in range(STEPS))
_WHOLE = 76 * STEPS


class Flapping(msgspec.Struct, frozen=True, kw_only=True):
    """When an identity counts as flapping."""

    # Nagios' defaults for services.
    start_percent: float = 30.0
    stop_percent: float = 20.0
    # Nagios checks once a minute.
    interval_s: float = 60.0

    @property
    def interval_us(self) -> int:
        """The same in microseconds."""
        return int(self.interval_s * SECOND_US)


def percent(changes: int) -> float:
    """How much of a history is change: bit n is set if the state changed n steps ago."""
    return 100.0 * sum(weight for age, weight in enumerate(WEIGHTS) if changes >> age & 1) / _WHOLE


def begun(at: int) -> Flaps:
    """The history of what was bad for the first time at `at`."""
    return Flaps(changes=1, at=at, is_bad=True)


def said(flaps: Flaps, is_bad: bool, now: int, figures: Flapping) -> Flaps:
    """The history after somebody said how it is; the same object if that is not new."""
    if flaps.is_bad is is_bad:
        return flaps
    # A clock that was set back is no quiet time.
    quiet = min(max(now - flaps.at, 0) // figures.interval_us, STEPS)
    changes = (flaps.changes << quiet << 1 | 1) & _ALL
    was_flapping = is_flapping(flaps, now)
    share = percent(changes)
    flaps_now = share >= (figures.stop_percent if was_flapping else figures.start_percent)
    calm_at = _calm_at(changes, now, figures) if flaps_now else 0
    return Flaps(changes=changes, at=now, is_bad=is_bad, calm_at=calm_at, until=max(calm_at, now + _kept_us(figures)))


def is_flapping(flaps: Flaps, now: int) -> bool:
    """Whether it flaps at `now`; it stops by itself at `calm_at`."""
    return now < flaps.calm_at


def _calm_at(changes: int, now: int, figures: Flapping) -> int:
    """When it no longer flaps if nothing changes any more."""
    steps = next(n for n in range(STEPS + 1) if percent(changes << n & _ALL) < figures.stop_percent)
    return now + steps * figures.interval_us


def _kept_us(figures: Flapping) -> int:
    """How long a history is kept that is not flapping: changes further apart never add up to `start_percent`."""
    return int(100.0 / figures.start_percent * figures.interval_us)
