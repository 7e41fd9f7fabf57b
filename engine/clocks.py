"""The clock of whoever runs on a shared store: the store's, carried on between looks by this machine's steady clock.

Several nodes hold leases against each other, put jobs off for each other, and take each other's workspaces over: all of
it only means the same if they mean the same time. So what an engine takes for the time is its store's, from the moment
it is opened; each beat of the node looks again. The wall clock here may be wrong, or be set while we run: nobody asks
it once the store has spoken. While the store is away the steady clock carries on, for as long as it takes.

Owns: the last look that told us something. Asked on the loop, told in the foreign thread; both see one tuple or the
other. Decided against: the difference to the wall clock (a wall clock that is set back an hour takes everybody's jobs
with it until the next look); asking the server for each lease (a trip more).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.ids import now_us


def steady_us() -> int:
    """Microseconds by a clock that nobody can set, from some beginning."""
    return time.monotonic_ns() // 1_000


class StoreClock:
    """Called, it says the store's time in microseconds; before the store has said it, the wall clock's."""

    def __init__(self, wall: Callable[[], int] = now_us, steady: Callable[[], int] = steady_us) -> None:
        self._wall = wall
        self._steady = steady
        # The store's time, and ours that nobody can set, at the same moment.
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> int:
        """The time."""
        if self._seen is None:
            return self._wall()
        theirs, ours = self._seen
        return theirs + self._steady() - ours

    def ask(self, look: Callable[[], int]) -> int:
        """Asks the store for its time by `look`, which may take long, and goes by that; what it said."""
        asked = self._steady()
        theirs = look()
        self.learn(theirs, asked, self._steady())
        return theirs

    def learn(self, theirs: int, asked: int, answered: int) -> None:
        """The store said this between two moments of the steady clock.

        What is not further off than the answer took tells us nothing new: time does not jump for that.
        """
        middle = (asked + answered) // 2
        if self._seen is not None:
            said, then = self._seen
            if abs(said + middle - then - theirs) <= (answered - asked) // 2:
                return
        self._seen = theirs, middle

    def steady(self) -> int:
        """The moment, as `learn` wants it."""
        return self._steady()

    @property
    def wall_behind_us(self) -> int:
        """How far this machine's wall clock is behind the store's."""
        return self() - self._wall()
