"""Streams of events: the ring of recent ones, whether a position can be recovered, and what a client does with `prev`.

A stream has an epoch (the store's identity) and offsets that grow by one. A server serves a recovering client from the
store, then from the ring, and attaches it to live messages when it is level. A client that sees offsets twice (history
and live overlap after a reconnect) keeps the first and drops the second.
"""

from __future__ import annotations

import enum
import itertools
from collections import deque
from collections.abc import Callable, Sequence

from protocol.messages import Position, RecoveryOutcome, Snapshot
from protocol.model import Event

# About 1 MB a channel at 1 kB an event; a reconnect after a minute's storm is served without the store.
RING_MAX_EVENTS = 1_000


class EventRing:
    """The newest events of a stream, contiguous, at most `limit`; `offset_of` says which of their offsets counts."""

    def __init__(self, offset_of: Callable[[Event], int], limit: int = RING_MAX_EVENTS) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._offset_of = offset_of

    def extend(self, events: Sequence[Event]) -> None:
        """Adds events that follow on; a gap (the ring was told nothing for a while) empties it first."""
        if events and self._events and self._offset_of(events[0]) != self._offset_of(self._events[-1]) + 1:
            self._events.clear()
        self._events.extend(events)

    def after(self, offset: int, limit: int) -> Sequence[Event] | None:
        """The next events after an offset, at most `limit`; None if the ring no longer has the first of them."""
        if not self._events or offset < self._offset_of(self._events[0]) - 1:
            return None
        start = offset - self._offset_of(self._events[0]) + 1
        return list(itertools.islice(self._events, start, start + limit))


def recovery(wanted: Position | None, epoch: str, offset: int, floor: int) -> RecoveryOutcome:
    """Can a client that has `wanted` be brought to `offset` without a gap? All or nothing, with the reason."""
    if wanted is None:
        return RecoveryOutcome(False, "fresh")
    if wanted.epoch != epoch:
        return RecoveryOutcome(False, "epoch_changed")
    if wanted.offset > offset:
        return RecoveryOutcome(False, "ahead")
    if wanted.offset < floor:
        return RecoveryOutcome(False, "trimmed")
    return RecoveryOutcome(True, "ok")


class Arrival(enum.Enum):
    """What a message means to a client that follows a stream."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"


class Follower:
    """A client's place in one stream. Pure: it is told what arrived and says what that means.

    Below its place there may be holes: messages that were left out and that it has asked for again (`reopen`).
    """

    def __init__(self, epoch: str = "", offset: int = 0) -> None:
        self.epoch = epoch
        self.offset = offset
        # From which offset on, and up to which one; in order.
        self._holes: list[tuple[int, int]] = []
        # A snapshot is under way: a place in the middle of it is none to recover from.
        self._is_partial = False
        # By alert: the offset of the snapshot's page that showed it, where that is beyond the first page's.
        self._shown: dict[str, int] = {}
        self._shown_until = 0

    def position(self) -> Position | None:
        """Where to recover from; None if nothing was ever received, or a snapshot broke off."""
        offset = self._holes[0][0] if self._holes else self.offset
        return Position(self.epoch, offset) if self.epoch and not self._is_partial else None

    def restart(self, epoch: str, offset: int) -> None:
        """A fresh subscription: everything up to `offset` is not coming."""
        self.epoch, self.offset = epoch, offset
        self._holes = []
        self._shown.clear()

    def expect_snapshot(self) -> None:
        """Pages of open alerts come now, before anything else."""
        self._is_partial = True

    def show(self, page: Snapshot) -> None:
        """Takes note of a page of a snapshot. The first one's offset is our place."""
        if page.page == 0:
            self.restart(page.epoch, page.offset)
        elif page.offset > self.offset:
            self._shown.update(dict.fromkeys([alert.id for alert in page.alerts], page.offset))
            self._shown_until = page.offset
        self._is_partial = not page.last

    def has_shown(self, alert_id: str, offset: int) -> bool:
        """Whether the snapshot showed this alert as it was after this event, or later."""
        if self._shown and offset > self._shown_until:
            self._shown.clear()
        return offset <= self._shown.get(alert_id, 0)

    def arrive(self, epoch: str, offset: int, prev: int) -> Arrival:
        """Takes note of a message. A GAP leaves the place where it was: recover from there."""
        if epoch == self.epoch and offset <= self.offset:
            return self._fill(offset, prev)
        return self._advance(epoch, offset, prev)

    def left_out(self, epoch: str, to: int, prev: int) -> Arrival:
        """A `gap`: what is between does not come now; the place moves on behind it."""
        if epoch == self.epoch and to <= self.offset:
            return Arrival.DUPLICATE
        return self._advance(epoch, to, prev)

    def reopen(self, epoch: str, prev: int, to: int) -> bool:
        """The messages after `prev` up to `to` are wanted after all. False: they are of another store."""
        if epoch != self.epoch:
            return False
        self._holes = sorted({*self._holes, (prev, to)})
        return True

    def forget_holes(self) -> bool:
        """What was left out is not coming either. False: there were no holes."""
        had, self._holes = self._holes, []
        return bool(had)

    def skip(self, epoch: str, prev: int) -> None:
        """Up to `prev` something cannot be read: goes on behind it, without going back."""
        if self._holes and epoch == self.epoch:
            self._holes = [(max(at, prev), to) for at, to in self._holes if to > prev]
        else:
            self.restart(epoch, prev)

    def silence(self, epoch: str, offset: int) -> None:
        """A `position`: everything up to `offset` that was meant for us has arrived."""
        if epoch == self.epoch and offset > self.offset:
            self.offset = offset

    def _advance(self, epoch: str, offset: int, prev: int) -> Arrival:
        if epoch != self.epoch or prev > self.offset:
            return Arrival.GAP
        self.offset = offset
        self._holes = []  # history comes in order: it is past them all
        return Arrival.NEXT

    def _fill(self, offset: int, prev: int) -> Arrival:
        """Something from before our place: news only if it was left out and asked for."""
        self._holes = [hole for hole in self._holes if hole[1] >= offset]
        if not self._holes or offset <= self._holes[0][0]:
            return Arrival.DUPLICATE
        at, to = self._holes[0]
        if prev > at:
            return Arrival.GAP
        self._holes[0] = (offset, to)
        return Arrival.NEXT
