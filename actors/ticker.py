"""The one clock for all connections: no timer per client.

Owns: the moments at which somebody wants to be asked, one for each check, and the periodic calls (ping, proof of
silence). Asks each second. A check is synchronous, answers when it wants to be asked again (None: never), and must not
raise: if one does, the ticker crashes and its supervisor restarts it with the heap as it was, without that check.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

import trio

from actors.supervisor import Started

# Deadlines are seconds; connections do not need to be ended more punctually than this.
TICK_S = 1.0

# So many moments at which nobody is asked any more are kept, besides as many as there are real ones; removing each from
# the middle of the heap would cost a pass over all of it.
EMPTY_MAX = 64

Check = Callable[[float], float | None]


class _Moment:
    """When to ask whom; nobody any more if the check was moved to an earlier moment, or is not wanted."""

    __slots__ = ("at", "check", "order")

    def __init__(self, at: float, order: int, check: Check) -> None:
        self.at = at
        self.order = order
        self.check: Check | None = check

    def __lt__(self, other: _Moment) -> bool:
        return (self.at, self.order) < (other.at, other.order)


class Ticker:
    """Asks whoever wants to be asked, at the second."""

    def __init__(self) -> None:
        self._heap: list[_Moment] = []
        self._moments: dict[Check, _Moment] = {}
        self._sequence = itertools.count()

    def watch(self, at: float, check: Check) -> None:
        """Calls `check(now)` at the first tick at or after `at` (trio time), or sooner if that was asked for before."""
        known = self._moments.get(check)
        if known is not None and known.at <= at:
            return
        self.forget(check)
        moment = self._moments[check] = _Moment(at, next(self._sequence), check)
        heapq.heappush(self._heap, moment)

    def forget(self, check: Check) -> None:
        """Does not ask it any more. Forgetting what is not watched does no harm."""
        moment = self._moments.pop(check, None)
        if moment is None:
            return
        moment.check = None  # what it belongs to, a whole connection, is let go at once
        if len(self._heap) > 2 * len(self._moments) + EMPTY_MAX:
            self._heap = list(self._moments.values())
            heapq.heapify(self._heap)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls it every so many seconds, for ever, without catching up on missed turns."""

        def again(now: float) -> None:
            # First: a call that raises must not be the last one.
            self.watch(now + seconds, again)
            call()

        self.watch(trio.current_time() + seconds, again)

    def __len__(self) -> int:
        return len(self._moments)

    async def run(self, status: Started) -> None:
        """Ticks for ever."""
        status.started()
        while True:
            await trio.sleep(TICK_S)
            self.tick(trio.current_time())

    def tick(self, now: float) -> None:
        """Asks all whose moment has come."""
        while self._heap and self._heap[0].at <= now:
            check = heapq.heappop(self._heap).check
            if check is None:
                continue
            del self._moments[check]
            again = check(now)
            if again is not None:
                self.watch(max(again, now + TICK_S), check)
