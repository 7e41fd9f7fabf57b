"""Which rule states are ahead of the store, and when they are written.

A state need not be written whenever a reading changes it: the reading is in the log. So states are written when what a
restart would have to hear again grows too long or too old, the oldest first, and all of them when the channel is
retired. What the log alone would not tell is written with the very decision: a new series whatever the room (who makes
new ones bounds them, and without its first state nothing would be heard again), what time has brought if there is room.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from engine.core.agenda import NEVER
from engine.core.log import ReadingLog
from engine.core.turn import ROWS_MAX, Turn
from protocol.readings import RuleState
from protocol.times import SECOND_US

# What a restart hears again, counted as often as a reading was held against a rule (`ReadingLog.heard`): half a second
# of computing, at 25 us each. Ten thousand rules on one metric may come to a few times that: each decision hears a
# reading ten thousand times, and writes a tenth of the states. Counting readings alone was not enough: three hundred
# rules that watched one metric left a minute's work behind, over which the next start stalled, and each one after it.
REPLAY_MAX_HEARINGS = 20_000
# A state is at latest written so long after it changed: a channel with few readings hears next to nothing again.
STATE_AGE_S = 30

K = TypeVar("K")


class _Since(NamedTuple):
    """When a state left the one that is stored: the row of the log, what had been heard until then, the time."""

    seq: int
    heard: int
    at: int


class StateKeeper(Generic[K]):
    """Knows what has a state that the store does not have, in the order in which those changed."""

    def __init__(self, log: ReadingLog) -> None:
        self._log = log
        self._ahead: dict[K, _Since] = {}
        self._at_once: dict[K, None] = {}
        self._new: dict[K, None] = {}

    def begin(self, key: K) -> None:
        """The store has no state of it: one is written with this decision, come what may."""
        self._new[key] = None

    def changed(self, key: K, now: int) -> None:
        """A reading of the row of the log that is being heard has changed the state."""
        if key not in self._ahead:
            self._ahead[key] = _Since(self._log.hearing, self._log.heard, now)

    def at_once(self, key: K) -> None:
        """The log alone would not tell this change: to be written with this decision."""
        self._at_once[key] = None

    def drop(self, key: K) -> None:
        """There is nothing more to be kept of it."""
        self._ahead.pop(key, None)
        self._at_once.pop(key, None)
        self._new.pop(key, None)

    def settled(self) -> int:
        """Up to which row of the log stored states have heard everything."""
        return next(iter(self._ahead.values())).seq - 1 if self._ahead else self._log.seq

    def next_due(self) -> int:
        """When (microseconds) states must be written though nothing is read; NEVER."""
        if self._at_once:
            return 0
        return next(iter(self._ahead.values())).at + STATE_AGE_S * SECOND_US if self._ahead else NEVER

    def write(self, turn: Turn, state_of: Callable[[K, int], RuleState], *, everything: bool = False) -> None:
        """Hands out what is to be stored with this decision, as much as it has room for."""
        room = max(ROWS_MAX - len(turn.touched) - len(turn.states) - len(self._new), 0)
        # The oldest come first: behind one that is not due none is.
        due = itertools.takewhile(lambda key: everything or self._is_due(self._ahead[key], turn.now), self._ahead)
        others = itertools.islice(itertools.chain(self._at_once, due), room)
        for key in list(dict.fromkeys([*self._new, *others])):
            turn.states.append(state_of(key, self._log.seq))
            self.drop(key)

    def _is_due(self, since: _Since, now: int) -> bool:
        # Further ahead than that, the clock was set back.
        is_old = not since.at <= now < since.at + STATE_AGE_S * SECOND_US
        return is_old or self._log.heard - since.heard >= REPLAY_MAX_HEARINGS
