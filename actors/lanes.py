"""What waits for a peer that does not keep up: the lanes of mild alerts give way, and a `gap` says what is missing.

Owned by one outbox, made when more than its soft bound waits for the first time. Synchronous, waits for nothing. The
rules:
- Past the soft bound all waiting `info` alerts are left out; if that is not enough, the `warning` ones as well. What
  arrives in these lanes meanwhile is left out, too, or the queue would grow again.
- `error` and `critical`, replies, pings and history (`recovered: true` has promised it) are never left out.
- A gap stands in the place of the first message that it covers, and grows as long as nothing of the same channel waits
  behind it. So on every channel nothing is overtaken, and nothing later hides what is missing.
- Of the waiting proofs of silence of a channel only the newest is kept.

Decided against leaving out only as much as is needed: each further message would make room for itself by one more pass
over the queue, and a peer that is 256 KiB behind is helped by silence, not by a few messages less.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from actors.frames import LANES, AlertFrame, Frame, Frames, PositionFrame, lane_of
from protocol.codec import WireForm, frame_message
from protocol.messages import OFFSET_MAX, GapMessage
from protocol.model import Severity

# What gives way, first to last.
SHED = (Severity.INFO, Severity.WARNING)
_SHED_LANES = tuple(lane_of(severity) for severity in SHED)
# The wire's word for why.
SLOW = "slow"


class Gap:
    """A run of messages of one channel that were left out; written when its turn comes, until then it may grow."""

    __slots__ = ("count", "epoch", "first", "form", "last", "prev", "size", "stream")

    def __init__(self, frame: AlertFrame) -> None:
        self.stream = frame.stream
        self.epoch = frame.epoch
        self.form: WireForm = frame.form
        self.prev = frame.prev
        self.first = self.last = frame.offset
        self.count = 1
        # Counted with the largest numbers: it may grow, the bytes that wait must not without being counted.
        self.size = len(self._bytes(OFFSET_MAX, OFFSET_MAX, OFFSET_MAX, OFFSET_MAX))

    def grow(self, last: int, count: int) -> None:
        """Covers what follows on it as well."""
        self.last = last
        self.count += count

    def frame(self) -> Frame:
        """As it is sent."""
        return Frame(self._bytes(self.prev, self.first, self.last, self.count), stream=self.stream)

    def _bytes(self, prev: int, first: int, last: int, count: int) -> bytes:
        message = GapMessage(
            channel=self.stream, epoch=self.epoch, prev=prev, from_=first, to=last, count=count, reason=SLOW
        )
        return frame_message(message, self.form)


class Lanes:
    """The queue of one slow peer. `dropped`: messages left out by lane; `totals`: the same of all peers together."""

    def __init__(self, totals: list[int]) -> None:
        self.dropped = [0] * LANES
        self.bytes = 0
        self._totals = totals
        # By a running number, so that something in the middle can be replaced or taken out at once.
        self._queue: OrderedDict[int, Frame | Gap] = OrderedDict()
        self._next = 0
        # By stream: the number of its last entry, and of its waiting proof of silence; the entry may be gone by now.
        self._tails: dict[str, int] = {}
        self._proofs: dict[str, int] = {}
        # Bytes that could be left out, by lane.
        self._mild = [0] * LANES

    def __len__(self) -> int:
        return len(self._queue)

    def extend(self, frames: Iterable[Frame]) -> None:
        """Takes frames that waited elsewhere, whatever waits here."""
        for frame in frames:
            self._append(frame)

    def offer(self, frames: Frames, soft_bytes: int, max_bytes: int) -> bool:
        """Takes frames; while more than `soft_bytes` would wait, the mild lanes give way.

        False, and none of them is taken, if more than `max_bytes` would wait all the same.
        """
        shed = self._give_way(frames, soft_bytes)
        severe = frames.size - sum(_mild_bytes(frames, lane) for lane in shed)
        if severe and self.bytes + severe > max_bytes:
            return False
        for frame in frames.frames:
            if isinstance(frame, AlertFrame) and frame.lane in shed:
                self._drop(frame)
            else:
                self._append(frame)
        return True

    def take(self, at_least_bytes: int) -> tuple[Frame, ...]:
        """The next frames to send, about so many bytes of them."""
        taken: list[Frame] = []
        size = 0
        while self._queue and size < at_least_bytes:
            _, entry = self._queue.popitem(last=False)
            self.bytes -= self._forget(entry)
            frame = entry.frame() if isinstance(entry, Gap) else entry
            taken.append(frame)
            size += len(frame.data)
        if not self._queue:
            self._tails.clear()
            self._proofs.clear()
        return tuple(taken)

    def _give_way(self, frames: Frames, soft_bytes: int) -> set[int]:
        """Leaves out what must be left out of what waits; gives the lanes whose arriving frames share its lot."""
        arriving = frames.size
        shed: set[int] = set()
        for lane in _SHED_LANES:
            if self.bytes + arriving <= soft_bytes:
                break
            shed.add(lane)
            arriving -= _mild_bytes(frames, lane)
            if self._mild[lane]:
                self._leave_out(lane)
        return shed

    def _leave_out(self, lane: int) -> None:
        """One pass over the queue; everything of this lane that may be left out is."""
        waiting, self._queue = self._queue, OrderedDict()
        self.bytes, self._mild = 0, [0] * LANES
        self._tails.clear()
        self._proofs.clear()
        for entry in waiting.values():
            if isinstance(entry, Gap):
                self._append_gap(entry)
            elif isinstance(entry, AlertFrame) and entry.lane == lane:
                self._drop(entry)
            else:
                self._append(entry)

    def _append(self, frame: Frame) -> None:
        size = len(frame.data)
        if isinstance(frame, AlertFrame):
            self._mild[frame.lane] += size
        if frame.stream is not None:
            if isinstance(frame, PositionFrame):
                self._replace_proof(frame.stream)
            self._tails[frame.stream] = self._next
        self._put(frame, size)

    def _append_gap(self, gap: Gap) -> None:
        before = self._tail(gap.stream)
        if isinstance(before, Gap):
            before.grow(gap.last, gap.count)
            return
        self._tails[gap.stream] = self._next
        self._put(gap, gap.size)

    def _drop(self, frame: AlertFrame) -> None:
        self.dropped[frame.lane] += 1
        self._totals[frame.lane] += 1
        before = self._tail(frame.stream)
        if isinstance(before, Gap):
            before.grow(frame.offset, 1)
        else:
            self._append_gap(Gap(frame))

    def _replace_proof(self, stream: str) -> None:
        older = self._queue.pop(self._proofs.get(stream, -1), None)
        if older is not None:
            self.bytes -= self._forget(older)
        self._proofs[stream] = self._next

    def _tail(self, stream: str) -> Frame | Gap | None:
        return self._queue.get(self._tails.get(stream, -1))

    def _put(self, entry: Frame | Gap, size: int) -> None:
        self._queue[self._next] = entry
        self._next += 1
        self.bytes += size

    def _forget(self, entry: Frame | Gap) -> int:
        """Its bytes, which wait no more."""
        if isinstance(entry, Gap):
            return entry.size
        size = len(entry.data)
        if isinstance(entry, AlertFrame):
            self._mild[entry.lane] -= size
        return size


def _mild_bytes(frames: Frames, lane: int) -> int:
    """Bytes of those of these frames that could be left out in this lane."""
    return sum(len(f.data) for f in frames.frames if f.lane == lane and isinstance(f, AlertFrame))
