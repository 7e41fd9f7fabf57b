"""Whether a target that keeps failing is worth another try: after `FAILURES_MAX` in a row only one each `PROBE_US`.

A circuit breaker. While it is open, one of those who ask is told when the next probe is due, and it goes ahead then;
what comes of it closes the circuit or keeps it open as long again. All others are told to come after a quarter of the
time for which it has been open: each question is a job that is claimed, and thousands may wait. So a target that is
gone costs one connection in half a minute instead of a worker for each alert, and what waited for one that is back is
on its way at most a quarter later. Pure: the time is handed in, from a clock that nobody sets.

Decided against: all are told the same moment (5,000 who wait were 170 claims a second, for as long as the target was
gone); an end of waiting for all when the probe is through (who asks is told how long, and nobody keeps a list of them).
"""

from __future__ import annotations

from protocol.times import SECOND_US

FAILURES_MAX = 5
PROBE_US = 30 * SECOND_US
# A target that is back is sent what waited for it so soon, however long it was gone.
WAIT_MAX_US = 600 * SECOND_US


class Breaker:
    """The circuit to one target."""

    __slots__ = ("_has_next", "_open_until", "_opened_at", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._opened_at = self._open_until = 0
        # Whether somebody was told when the next probe is due.
        self._has_next = False

    @property
    def is_open(self) -> bool:
        """Whether only probes are let through."""
        return self.failures >= FAILURES_MAX

    def wait_us(self, now: int) -> int:
        """How long to wait; 0: go ahead. While it is open one goes ahead, and the next is a probe later."""
        if not self.is_open:
            return 0
        if now >= self._open_until:
            self._probe_at(now + PROBE_US)
            return 0
        if not self._has_next:
            self._has_next = True
            return self._open_until - now
        return min(WAIT_MAX_US, max(PROBE_US, (now - self._opened_at) // 4))

    def failed(self, now: int) -> None:
        """The target did not do what it is for."""
        self.failures += 1
        if self.failures == FAILURES_MAX:
            self._opened_at = now
        if self.is_open:
            self._probe_at(now + PROBE_US)

    def _probe_at(self, moment: int) -> None:
        self._open_until, self._has_next = moment, False

    def succeeded(self) -> None:
        """It did."""
        self.failures = 0
