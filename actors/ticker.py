"""The one clock for all connections: no timer per client.

Owns: a heap of moments at which somebody wants to be asked, and the periodic calls (ping, proof of silence). Asks each
second. A check is synchronous, answers when it wants to be asked again (None: never), and must not raise: if one does,
the ticker crashes and its supervisor restarts it with the heap as it was, without that check.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import trio

from actors.supervisor import Started

# Deadlines are seconds; connections do not need to be ended more punctually than this.
TICK_S = 1.0

Check = Callable[[float], float | None]


class Ticker:
    """Asks whoever wants to be asked, at the second."""

    def __init__(self) -> None:
        self._checks: list[tuple[float, int, Check]] = []
        self._sequence = itertools.count()

    def watch(self, at: float, check: Check) -> None:
        """Calls `check(now)` at the first tick at or after `at` (trio time)."""
        heapq.heappush(self._checks, (at, next(self._sequence), check))

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls it every so many seconds, for ever, without catching up on missed turns."""

        def again(now: float) -> None:
            # First: a call that raises must not be the last one.
            self.watch(now + seconds, again)
            call()

        self.watch(trio.current_time() + seconds, again)

    def __len__(self) -> int:
        return len(self._checks)

    async def run(self, status: Started) -> None:
        """Ticks for ever."""
        status.started()
        while True:
            await trio.sleep(TICK_S)
            self.tick(trio.current_time())

    def tick(self, now: float) -> None:
        """Asks all whose moment has come."""
        while self._checks and self._checks[0][0] <= now:
            _, _, check = heapq.heappop(self._checks)
            again = check(now)
            if again is not None:
                self.watch(max(again, now + TICK_S), check)
