"""What waits to be published, with its numbers, and the heartbeats that go with it. Pure, bounded, never waits.

Owns for each topic the number of the next entry, what waits, and the marks that are repeated. An entry gets its number
when it is published; one that does not fit any more (`max_bytes`) is dropped, its number stays, and by that hole the
others know. Each topic that was ever published to has a heartbeat a second, so that the others notice a lost tail, and
this node's end; an inbox only for a minute after its last entry: nobody writes to a node that is gone.

Decided against dropping the oldest instead: what waits longest is what others would be told first once the carrier is
back, and a batch that is on its way already cannot be taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.bus.frames import FRAME_BYTES, Frame, Parcel, pack
from engine.bus.hearing import FORGOTTEN_S, HEARTBEAT_S
from engine.bus.topics import is_inbox

# A mark is repeated in so many heartbeats: a listener that misses them all has been told of a gap by then.
MARK_BEATS = 3
# Of one heartbeat; the others are in the next one. 60 kB with long names.
MARKS_MAX = 1_000
INBOX_BEATS = 60
# Its number is forgotten when its reader has forgotten it too (FORGOTTEN_S), with time to spare.
FORGET_BEATS = 3 * int(FORGOTTEN_S / HEARTBEAT_S)
# What an entry costs beside its bytes, so that a million empty ones have a bound as well.
ENTRY_BYTES = 64


@dataclass
class _Lane:
    """One topic, as this node publishes to it."""

    next_seq: int = 1
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    # By workspace: the offset, and in how many heartbeats it is still to be said.
    marks: dict[str, tuple[int, int]] = field(default_factory=dict)
    # How many heartbeats since the last entry.
    idle_beats: int = 0


class Outgoing:
    """Everything that this node has published and not handed to a carrier yet."""

    def __init__(self, node: str, max_bytes: int) -> None:
        self._node = node
        self._max_bytes = max_bytes
        self._lanes: dict[str, _Lane] = {}
        self._beat_at = 0.0
        self.bytes = 0
        # Carriers that this node cannot read: said with each heartbeat.
        self.deaf_to: list[str] = []

    def put(self, topic: str, entries: Sequence[bytes], marks: Mapping[str, int]) -> int:
        """Takes entries, and says how many there was no room for."""
        lane = self._lanes.setdefault(topic, _Lane())
        dropped = 0
        for entry in entries:
            cost = len(entry) + ENTRY_BYTES
            if self.bytes + cost > self._max_bytes:
                dropped += 1
            else:
                self.bytes += cost
                lane.waiting.append((lane.next_seq, entry))
            lane.next_seq += 1
        lane.idle_beats = 0
        for workspace, offset in marks.items():
            # Last in line: the first ones are said first.
            known, _ = lane.marks.pop(workspace, (0, 0))
            lane.marks[workspace] = (max(known, offset), MARK_BEATS)
        return dropped

    def next_beat_s(self, now: float) -> float:
        """In how many seconds the next heartbeats are due."""
        return max(0.0, self._beat_at + HEARTBEAT_S - now)

    def take(self, now: float, max_bytes: int) -> list[Parcel]:
        """About so many bytes of what waits, joined into frames; and heartbeats if they are due, however much waits.

        A frame of each topic in turn: a flood on one of them is not in the way of the others.
        """
        parcels: list[Parcel] = []
        waiting = [(topic, lane) for topic, lane in self._lanes.items() if lane.waiting]
        budget = max_bytes
        while waiting and budget > 0:
            for topic, lane in waiting:
                frame, cost = self._frame(lane, now)
                budget -= cost
                parcels.append(Parcel(topic, pack(frame)))
            waiting = [(topic, lane) for topic, lane in waiting if lane.waiting]
        if self.next_beat_s(now) <= 0:
            self._beat_at = now
            parcels += [Parcel(topic, pack(frame)) for topic, frame in self._heartbeats(now)]
        return parcels

    def farewell(self, now: float) -> list[Parcel]:
        """The last of each topic: from now on silence means nothing."""
        return [
            Parcel(topic, pack(Frame(node=self._node, seq=lane.next_seq, at=now, is_last=True)))
            for topic, lane in self._lanes.items()
        ]

    def _frame(self, lane: _Lane, now: float) -> tuple[Frame, int]:
        """Consecutive entries off the front of a lane, and what they cost of the bound."""
        first = expected = lane.waiting[0][0]
        entries: list[bytes] = []
        size = cost = 0
        while lane.waiting and lane.waiting[0][0] == expected:
            if entries and size + len(lane.waiting[0][1]) > FRAME_BYTES:
                break
            entry = lane.waiting.popleft()[1]
            entries.append(entry)
            size += len(entry)
            cost += len(entry) + ENTRY_BYTES
            expected += 1
        self.bytes -= cost
        return Frame(node=self._node, seq=first, at=now, entries=entries), cost

    def _heartbeats(self, now: float) -> Iterator[tuple[str, Frame]]:
        for topic, lane in list(self._lanes.items()):
            lane.idle_beats += 1
            if is_inbox(topic) and lane.idle_beats > INBOX_BEATS:
                if lane.idle_beats == FORGET_BEATS:
                    del self._lanes[topic]
                continue
            yield topic, self._heartbeat(lane, now, is_last=is_inbox(topic) and lane.idle_beats == INBOX_BEATS)

    def _heartbeat(self, lane: _Lane, now: float, is_last: bool) -> Frame:
        """What comes next on a lane. Marks wait for what they are marks of."""
        seq = lane.waiting[0][0] if lane.waiting else lane.next_seq
        marks = {} if lane.waiting else _marks_of(lane)
        return Frame(node=self._node, seq=seq, at=now, marks=marks, is_last=is_last, deaf_to=self.deaf_to)


def _marks_of(lane: _Lane) -> dict[str, int]:
    """The marks that are to be said now; each is said a few times."""
    said = dict(list(lane.marks.items())[:MARKS_MAX])
    for workspace, (offset, left) in said.items():
        del lane.marks[workspace]
        if left > 1:
            lane.marks[workspace] = (offset, left - 1)
    return {workspace: offset for workspace, (offset, _) in said.items()}
