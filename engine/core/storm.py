"""A channel's budget of new alerts: what rings beyond it waits its turn, oldest first, until the storm is over.

The budget is a token bucket in the form of one number (GCRA, ITU-T I.371): the moment at which it would be full again
(`full_at`). A minute's budget may be spent at once. An alert that finds it spent is held: stored and shown with the
reason `storm`. As the budget comes back, held alerts that are still open ring, one for each; the storm is over when
nobody waits any more. Critical alerts neither wait nor spend. Decided against: releasing all of them at the end, which
would be the next storm.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from engine.core.agenda import NEVER
from engine.core.suppression import Standing
from protocol.effects import StormState
from protocol.model import QuietedBy

MINUTE_US = 60_000_000


class Storm:
    """The budget of one channel, and who waits for it. `per_minute` 0: there is no budget, and nobody waits."""

    def __init__(self, per_minute: int, state: StormState, held: Iterable[Standing]) -> None:
        self._each_us = MINUTE_US // per_minute if per_minute else 0
        self.state = state
        # By alert id, which is their age; who waits no more is passed over when it comes to the head.
        self._waiting = [(standing.alert_id, standing) for standing in held]
        self._known = {standing for _, standing in self._waiting}
        heapq.heapify(self._waiting)

    @property
    def is_on(self) -> bool:
        """Whether there is a budget."""
        return self._each_us > 0

    def first(self) -> Standing | None:
        """Who waits first, if anybody waits."""
        return self._head()

    def would_admit(self, now: int) -> bool:
        """Whether one more may ring now. Who waits goes first."""
        return not self._each_us or (self._head() is None and now >= self._paid_at())

    def admits(self, now: int) -> bool:
        """Whether one more may ring now; if so it is paid for."""
        if not self.would_admit(now):
            return False
        if self._each_us:
            self._pay(now)
        return True

    def hold(self, standing: Standing, now: int) -> bool:
        """It waits from now on. Says whether the storm begins with it."""
        if standing not in self._known:
            self._known.add(standing)
            heapq.heappush(self._waiting, (standing.alert_id, standing))
        state = self.state
        # A clock that was set back must not make a debt of it.
        full_at = min(state.full_at, now + MINUTE_US)
        self.state = StormState(full_at=full_at, since=state.since or now, held=state.held + 1, rang=state.rang)
        return not state.since

    def release(self, now: int) -> Standing | None:
        """Takes off the oldest that waits, if there is budget for it (it is not paid for yet)."""
        standing = self._head()
        if standing is None or (self._each_us and now < self._paid_at()):
            return None
        heapq.heappop(self._waiting)
        self._known.discard(standing)
        return standing

    def rings(self, now: int) -> None:
        """One that was released rings, and is paid for."""
        self._pay(now)
        state = self.state
        self.state = StormState(full_at=state.full_at, since=state.since, held=state.held, rang=state.rang + 1)

    def ends(self) -> StormState | None:
        """The storm that is over now, if one is: nobody waits any more."""
        if not self.state.since or self._head() is not None:
            return None
        over, self.state = self.state, StormState(full_at=self.state.full_at)
        return over

    def next_due(self) -> int:
        """When (microseconds) the next that waits may ring, or the storm is over; NEVER."""
        if not self.state.since:
            return NEVER
        return 0 if self._head() is None or not self._each_us else self._paid_at()

    def _paid_at(self) -> int:
        """From when on the budget pays for one more."""
        return self.state.full_at + self._each_us - MINUTE_US

    def _pay(self, now: int) -> None:
        state = self.state
        full_at = max(state.full_at, now) + self._each_us
        self.state = StormState(full_at=full_at, since=state.since, held=state.held, rang=state.rang)

    def _head(self) -> Standing | None:
        while self._waiting:
            standing = self._waiting[0][1]
            if standing.is_open and standing.current().quieted_by is QuietedBy.STORM:
                return standing
            heapq.heappop(self._waiting)
            self._known.discard(standing)
        return None
