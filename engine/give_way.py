"""Lets threads have Python's lock while the loop is busy.

A thread that comes back from SQLite asks for the lock and waits; it may demand it only after the switch interval (5
ms), and starts waiting anew whenever the loop gives the lock away for a system call and takes it back at once, before
the thread has woken up. So a loop that is busy with many short passes starves a commit: measured, one of 100 triggers
took up to 40 s (and still 8 s, now and then, with an interval of 0.5 ms). Therefore a busy loop sleeps for a moment
once a millisecond while an operation is under way in a thread: long enough for the thread to wake up and take the
lock. Then commits of 8 x 100 triggers take 50 ms at most. An idle loop waits without the lock anyway.

Decided against: `sys.setswitchinterval` (belongs to the program, and see above), a task with a timer (it would move
virtual clocks), a writer process (needs none of this, but everything that is written would be copied once more).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

# Together at most about 6 % of a loop that is busy all the time, and only while something is being written or read.
GIVE_WAY_EVERY_S = 0.001
# The kernel's timer slack makes about 60 µs of it: what a thread needs to wake up.
_MOMENT_S = 0.000_001


class GiveWay(trio.abc.Instrument):
    """Counts operations in threads and watches the passes of the loop."""

    def __init__(self) -> None:
        self.under_way = 0
        self._next = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watches the loop that runs now."""
        trio.lowlevel.add_instrument(self)
        try:
            yield
        finally:
            # If it ever raised, trio has put it aside and said so in the log: commits are slow then, no more.
            with suppress(KeyError):
                trio.lowlevel.remove_instrument(self)

    def before_io_wait(self, timeout: float) -> None:
        """Trio calls it once a pass; `timeout` 0: the loop has more to do."""
        if self.under_way and timeout <= 0 and time.perf_counter() >= self._next:
            time.sleep(_MOMENT_S)
            self._next = time.perf_counter() + GIVE_WAY_EVERY_S
