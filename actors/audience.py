"""Who follows one stream, and what they have been told.

Owns: the subscribers of a stream (a channel's, or a whole workspace's), grouped by wire form and filter, the last
offset told, and the ring of recent events. Everything here is synchronous, so an event is told to all or to none, and
a subscriber is attached exactly between two events. A message is built once per group, whatever its size.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from actors.frames import IDLE_LANE, AlertFrame, Frame, Frames, HintFrame, PositionFrame, lane_of
from protocol import messages as m
from protocol.codec import WireForm, frame_message
from protocol.hints import Hint
from protocol.model import Event, Severity
from protocol.stream import EventRing

OffsetOf = Callable[[Event], int]


class Recipient(Protocol):
    """What an audience pushes to: a connection's outbox."""

    def push_all(self, frames: Frames) -> None:
        """Takes frames, never waits."""


def _nobody() -> None:
    """For a recipient that need not know."""


class Group:
    """Subscribers who get the very same bytes. `last` is the offset of the last message told to the group.

    `told`: how many messages the group was told. A number in each outbox would cost every client at every message.
    """

    __slots__ = ("form", "last", "members", "min_severity", "told")

    def __init__(self, form: WireForm, min_severity: Severity, last: int) -> None:
        self.form = form
        self.min_severity = min_severity
        self.last = last
        self.told = 0
        # And whom to tell when we cannot go on without a gap.
        self.members: dict[Recipient, Callable[[], None]] = {}


class Audience:
    """The subscribers of one stream."""

    def __init__(self, name: str, epoch: str, told: int, floor: int, offset_of: OffsetOf) -> None:
        self.name = name
        self.epoch = epoch
        # Everybody attached has been told everything up to here.
        self.told = told
        self.floor = floor
        self.ring = EventRing(offset_of)
        self.offset_of = offset_of
        self._groups: dict[tuple[WireForm, Severity], Group] = {}
        self._recovering = 0

    def __len__(self) -> int:
        return self._recovering + sum(len(group.members) for group in self._groups.values())

    @contextlib.contextmanager
    def recovering(self) -> Iterator[None]:
        """Somebody is being brought level and will attach: this stream is in use."""
        self._recovering += 1
        try:
            yield
        finally:
            self._recovering -= 1

    def attach(
        self, recipient: Recipient, form: WireForm, min_severity: Severity, on_lost: Callable[[], None] = _nobody
    ) -> Group:
        """From now on this recipient gets everything after `told` that passes its filter.

        `on_lost` is called if something of it is not stored any more; then it gets nothing more.
        """
        group = self._groups.get((form, min_severity))
        if group is None:
            group = self._groups[form, min_severity] = Group(form, min_severity, self.told)
        group.members[recipient] = on_lost
        return group

    def detach(self, recipient: Recipient, group: Group) -> None:
        """No more for this recipient. Detaching twice does no harm."""
        group.members.pop(recipient, None)
        key = (group.form, group.min_severity)
        # The group may have been emptied before, and another one have taken its place since.
        if not group.members and self._groups.get(key) is group:
            del self._groups[key]

    def tell(self, events: Sequence[Event]) -> int:
        """Tells everybody these events, which follow on what was told; those told before are left out.

        Gives the number of deliveries: messages times those who get them.
        """
        fresh = [event for event in events if self.offset_of(event) > self.told]
        if not fresh:
            return 0
        if self.offset_of(fresh[-1]) - self.told != len(fresh):
            self._lose_before(fresh)
        deliveries = 0
        # First all of them: if one cannot be encoded nobody was told, and nobody is told twice when it is tried again.
        built = [(each, *self.frames(fresh, each.form, each.min_severity, each.last)) for each in self._groups.values()]
        for group, frames, last in built:
            group.last = last
            if frames:
                batch = Frames(frames)
                group.told += len(frames)
                deliveries += len(frames) * len(group.members)
                for recipient in group.members:
                    recipient.push_all(batch)
        self.ring.extend(fresh)
        self.told = self.offset_of(fresh[-1])
        return deliveries

    def lose(self, floor: int) -> None:
        """What comes after `told`, up to `floor`, is not stored any more: nobody who is attached can go on.

        They are told so and come back; whoever is being brought level notices by itself.
        """
        groups, self._groups = self._groups, {}
        self.told, self.floor = max(self.told, floor), max(self.floor, floor)
        for group in groups.values():
            members, group.members = group.members, {}
            for on_lost in members.values():
                on_lost()

    def _lose_before(self, fresh: Sequence[Event]) -> None:
        offsets = [self.told, *map(self.offset_of, fresh)]
        self.lose(max(there - 1 for here, there in itertools.pairwise(offsets) if there != here + 1))

    def frames(
        self, events: Iterable[Event], form: WireForm, min_severity: Severity, prev: int
    ) -> tuple[list[AlertFrame], int]:
        """The frames of those events that pass the filter, and the offset of the last of them (else `prev`)."""
        frames = []
        for event in events:
            severity = event.alert.severity
            if severity.rank < min_severity.rank:
                continue
            offset = self.offset_of(event)
            is_bulk = event.change is not None
            message = m.AlertMessage(
                channel=self.name,
                epoch=self.epoch,
                offset=offset,
                prev=prev,
                event=event.kind,
                data=None if is_bulk else event.alert,
                timestamp=event.at,
                by=event.by,
                suppressed=msgspec.UNSET if event.suppressed is None else event.suppressed,
                alert_ids=list(event.alert_ids) if is_bulk else None,
                change=event.change,
            )
            data, lane = frame_message(message, form), lane_of(severity)
            frames.append(AlertFrame(data, lane, self.name, epoch=self.epoch, prev=prev, offset=offset, form=form))
            prev = offset
        return frames, prev

    def prove(self, at: str) -> None:
        """Tells everybody up to where they have been told everything: proof of silence."""
        message = m.PositionMessage(channel=self.name, epoch=self.epoch, offset=self.told, at=at)
        self._tell_all(lambda form: [PositionFrame(frame_message(message, form), IDLE_LANE, self.name)])

    def hint(self, messages: Sequence[Hint]) -> None:
        """Tells everybody something beside the stream, whatever their filters: it has no offset, nobody recovers it."""
        self._tell_all(lambda form: [HintFrame(frame_message(each, form), IDLE_LANE, self.name) for each in messages])

    def _tell_all(self, build: Callable[[WireForm], Sequence[Frame]]) -> None:
        """Tells everybody the same, whatever their filters; built once per wire form."""
        for form in WireForm:
            groups = [group for group in self._groups.values() if group.form is form]
            if groups:
                batch = Frames(build(form))
                for group in groups:
                    group.told += len(batch.frames)
                    for recipient in group.members:
                        recipient.push_all(batch)


def channel_offset(event: Event) -> int:
    """The event's place in its channel."""
    return event.offset


def workspace_offset(event: Event) -> int:
    """The event's place in its workspace."""
    return event.workspace_offset


def user_offset(user: str) -> OffsetOf:
    """An event's place in the stream of this person; 0: none, or the store has not said."""
    return lambda event: event.user_offsets.get(user, 0)
