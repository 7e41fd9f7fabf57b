"""Bugs planted into the product, each a few lines that somebody could have written: the simulation must find them.

Not part of the suite's product: they replace one method each while a context is open, to show that the checks bite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from actors.audience import Audience
from actors.channel import ChannelActor
from actors.frames import REPLY_LANE, Frames
from actors.outbox import Outbox
from actors.restart import Exhausted, Restart, RestartHistory
from engine.core.keeping import StateKeeper
from protocol.effects import Behind, Commit, Committed, Recalled, Unavailable
from protocol.stream import EventRing


@contextmanager
def answers_before_the_commit() -> Iterator[None]:
    """An outage is taken for a success: producers are acked and subscribers told what is not stored (P1)."""

    async def commit(self: Any, commit: Commit) -> Committed | None:
        outcome = await self._kit.store.commit(commit)
        if isinstance(outcome, Unavailable):
            return Committed(commit.decision.results, commit.decision.events)
        return None if isinstance(outcome, Behind) else outcome

    with patch.object(ChannelActor, "_commit", commit):
        yield


@contextmanager
def forgets_what_was_not_told() -> Iterator[None]:
    """A channel that comes back after a crash goes on from where the store is, not from what it told last (P3)."""
    catch_up = ChannelActor._catch_up

    async def forgetful(self: Any, recalled: Recalled) -> Audience:
        if self._cell.audience is not None:
            self._cell.audience.told = recalled.offset
        return await catch_up(self, recalled)

    with patch.object(ChannelActor, "_catch_up", forgetful):
        yield


@contextmanager
def drops_in_silence() -> Iterator[None]:
    """Alerts for a peer whose socket is full are dropped without a `gap` (P3)."""
    push_all = Outbox.push_all

    def lossy(self: Any, frames: Frames) -> None:
        if not (self._flushing and frames.lane > REPLY_LANE):
            push_all(self, frames)

    with patch.object(Outbox, "push_all", lossy):
        yield


@contextmanager
def ring_is_off_by_one() -> Iterator[None]:
    """History from the ring begins one event late: whoever recovers can never be brought level (P4)."""
    after = EventRing.after

    def late(self: Any, offset: int, limit: int) -> Any:
        return after(self, offset + 1, limit)

    with patch.object(EventRing, "after", late):
        yield


@contextmanager
def restarts_for_ever() -> Iterator[None]:
    """A channel is restarted however often it crashes (P6)."""
    crashed = RestartHistory.crashed

    def patient(self: Any, now: float, chance: float) -> Restart | Exhausted:
        verdict = crashed(self, now, chance)
        return Restart(0.1) if isinstance(verdict, Exhausted) else verdict

    with patch.object(RestartHistory, "crashed", patient):
        yield


@contextmanager
def dates_states_a_row_late() -> Iterator[None]:
    """A rule's state is said to have heard the row after it as well: a restart loses those readings (P1)."""
    write = StateKeeper.write

    def late(self: Any, turn: Any, state_of: Callable[[Any, int], Any], *, everything: bool = False) -> None:
        write(self, turn, lambda key, seq: state_of(key, seq + 1), everything=everything)

    with patch.object(StateKeeper, "write", late):
        yield


BUGS: dict[str, Callable[[], Any]] = {
    bug.__name__: bug
    for bug in (
        answers_before_the_commit,
        forgets_what_was_not_told,
        drops_in_silence,
        ring_is_off_by_one,
        restarts_for_ever,
        dates_states_a_row_late,
    )
}
