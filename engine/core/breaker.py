"""Whether a target that keeps failing is worth another try: after `FAILURES_MAX` in a row only one each `PROBE_US`.

A circuit breaker. While it is open, who asks is told how long to wait; then one is let through to see (the probe), and
what comes of it closes the circuit or keeps it open as long again. A target that is gone costs one connection in half a
minute instead of a worker for each alert. Pure: the time is handed in.
"""

from __future__ import annotations

from protocol.times import SECOND_US

FAILURES_MAX = 5
PROBE_US = 30 * SECOND_US


class Breaker:
    """The circuit to one target."""

    __slots__ = ("_open_until", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._open_until = 0

    @property
    def is_open(self) -> bool:
        """Whether only probes are let through."""
        return self.failures >= FAILURES_MAX

    def wait_us(self, now: int) -> int:
        """How long to wait; 0: go ahead. While it is open one goes ahead, and the next is a probe later."""
        if not self.is_open:
            return 0
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + PROBE_US
        return 0

    def failed(self, now: int) -> None:
        """The target did not do what it is for."""
        self.failures += 1
        if self.is_open:
            self._open_until = now + PROBE_US

    def succeeded(self) -> None:
        """It did."""
        self.failures = 0
