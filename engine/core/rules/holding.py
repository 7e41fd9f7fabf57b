"""From "it holds" to "it rings": idle, pending (`for_s`), firing, keeping (`keep_firing_for_s`).

    idle --holds--> pending --for `for_s`--> firing --fine--> keeping --for `keep_firing_for_s`--> idle
                    pending --fine--> idle                    keeping --holds--> firing

Without `for_s` it fires at once, without `keep_firing_for_s` it is over at once. All times are the series' own: that of
its newest reading, going on with the wall clock while nothing comes. So what was pending rings when its time has
passed, also without another reading; and a reading that says "fine" before ends it, however long it held by then: we
ring for what, as far as we know, still holds.
"""

from __future__ import annotations

import enum

from engine.core.agenda import NEVER


class Phase(enum.IntEnum):
    """Where a rule stands with a series. The numbers are stored."""

    IDLE = 0
    PENDING = 1
    FIRING = 2
    KEEPING = 3


class Holding:
    """One rule's phase on one series. `since`: when it began to hold, or to be fine again, in the series' time."""

    __slots__ = ("for_us", "keep_us", "phase", "since")

    def __init__(self, for_us: int, keep_us: int) -> None:
        self.for_us, self.keep_us = for_us, keep_us
        self.phase = Phase.IDLE
        self.since = 0

    def hear(self, holds: bool, at: int) -> None:
        """The condition as of the series' newest reading, which is of `at`."""
        phase = self.phase
        if holds:
            if phase is Phase.IDLE:
                self.phase, self.since = (Phase.PENDING if self.for_us else Phase.FIRING), at
            elif phase is Phase.KEEPING:
                self.phase, self.since = Phase.FIRING, at
        elif phase is Phase.PENDING:
            self.phase = Phase.IDLE
        elif phase is Phase.FIRING:
            self.phase, self.since = (Phase.KEEPING if self.keep_us else Phase.IDLE), at
        self.pass_time(at)

    def pass_time(self, at: int) -> None:
        """The series' time is `at`."""
        if at >= self.due():
            self.phase = Phase.FIRING if self.phase is Phase.PENDING else Phase.IDLE

    def due(self) -> int:
        """When, in the series' time, time alone changes something; NEVER."""
        if self.phase is Phase.PENDING:
            return self.since + self.for_us
        return self.since + self.keep_us if self.phase is Phase.KEEPING else NEVER

    def over(self) -> None:
        """Back to idle, whatever it was."""
        self.phase = Phase.IDLE
