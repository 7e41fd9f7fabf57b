"""How late the loop is: a task that sleeps a moment and sees when it was really woken.

Owns nothing but two numbers. What it measures is what every other task feels: a garbage collection, a long computation,
a fan-out. The histogram is for rates and percentiles over time; the worst of the last minute is for whoever looks now.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.supervisor import Started

# Four looks a second: a pause of 100 ms is seen by two of five, one of 250 ms always; it costs 0.01 % of a core.
LOOK_EVERY_S = 0.25
# The worst is that of this window or the one before: at least so old, at most twice.
WINDOW_S = 60.0


class LoopLag:
    """Looks, and tells `observe` each time how many seconds late it was."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self._observe = observe
        self._worst = self._worst_before = 0.0

    @property
    def worst_s(self) -> float:
        """The worst of the last minute or two, in seconds."""
        return max(self._worst, self._worst_before)

    async def run(self, status: Started) -> None:
        """Looks for ever."""
        status.started()
        window_ends = trio.current_time() + WINDOW_S
        while True:
            due = trio.current_time() + LOOK_EVERY_S
            await trio.sleep_until(due)
            now = trio.current_time()
            if now >= window_ends:
                self._worst_before, self._worst = self._worst, 0.0
                window_ends = now + WINDOW_S
            self._worst = max(self._worst, now - due)
            self._observe(now - due)
