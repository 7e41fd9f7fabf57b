"""When does time alone change something, and of what? One heap for all standings of a channel, one for all its series.

Entries are lazy: put right at the head, not whenever a due time moves away. Refreshing a source's alert (each minute)
therefore costs nothing here. Each has at most one live entry: the one whose time is its `timer`.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, Protocol, TypeVar

# Later than any time of ours.
NEVER = 1 << 63
# Stale entries are swept out when they outnumber the live ones; not for a handful.
_SWEEP_MIN = 64


class Timed(Protocol):
    """What an agenda looks after."""

    timer: int

    def due(self) -> int:
        """When it is due (microseconds); NEVER."""


T = TypeVar("T", bound=Timed)


class Agenda(Generic[T]):
    """Who of many is due when."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._serial = itertools.count()
        self._sweep_at = _SWEEP_MIN

    def __len__(self) -> int:
        """How many entries there are, stale ones included: never more than twice the live ones and a handful."""
        return len(self._heap)

    def put(self, each: T) -> None:
        """Makes sure that it is looked at when it is due."""
        due = each.due()
        if due >= each.timer:
            return
        each.timer = due
        heapq.heappush(self._heap, (due, next(self._serial), each))
        if len(self._heap) > self._sweep_at:
            self._sweep()

    def next_due(self) -> int:
        """When (microseconds) the next of them is really due; NEVER if none is."""
        while self._heap:
            when, _, each = self._heap[0]
            is_live = when == each.timer
            if is_live and when == each.due():
                return when
            heapq.heappop(self._heap)
            if is_live:
                each.timer = NEVER
                self.put(each)
        return NEVER

    def pop(self, now: int) -> T | None:
        """Takes off what has been due longest at `now`, if there is anything."""
        if self.next_due() > now:
            return None
        each = heapq.heappop(self._heap)[2]
        each.timer = NEVER
        return each

    def drop(self, each: T) -> None:
        """It is forgotten; its entry becomes stale."""
        each.timer = NEVER

    def _sweep(self) -> None:
        live = dict.fromkeys(each for when, _, each in self._heap if when == each.timer)
        self._heap = [(each.timer, next(self._serial), each) for each in live]
        heapq.heapify(self._heap)
        self._sweep_at = 2 * len(self._heap) + _SWEEP_MIN
