"""What waits for a peer that does not keep up: the lanes of mild alerts give way, and a `gap` says what is missing.

Owned by one outbox, made when more than its soft bound waits for the first time. Synchronous, waits for nothing. The
rules:
- Past the soft bound all waiting `info` alerts are left out; if that is not enough, the `warning` ones as well. What
  arrives in these lanes meanwhile is left out, too, or the queue would grow again.
- `error` and `critical`, replies, pings and history (`recovered: true` has promised it) are never left out.
- A gap stands in the place of the first message that it covers, and grows as long as nothing of the same channel waits
  behind it. So on every channel nothing is overtaken, and nothing later hides what is missing.
- Of the waiting proofs of silence of a channel only the newest is kept.
- Past the soft bound no hint is taken; there is no gap for it, as it has no place in a stream.

Decided against leaving out only as much as is needed: each further message would make room for itself by one more pass
over the queue, and a peer that is 256 KiB behind is helped by silence, not by a few messages less.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from actors.frames import IDLE_LANE, LANES, AlertFrame, Frame, Frames, HintFrame, PositionFrame, lane_of
from protocol.codec import WireForm, frame_message
from protocol.fields import OFFSET_MAX
from protocol.messages import GapMessage
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

    def frame(self) -> Frame:
        """As it is sent."""
        return Frame(self._bytes(self.prev, self.first, self.last, self.count), stream=self.stream)

    def _bytes(self, prev: int, first: int, last: int, count: int) -> bytes:
        message = GapMessage(
            channel=self.stream, epoch=self.epoch, prev=prev, from_=first, to=last, count=count, reason=SLOW
        )
        return frame_message(message, self.form)


class Lanes:
    """The queue of one slow peer. `dropped`: messages left out by lane; `totals`: the same of all peers together.

    Hints are counted in the idle lane. `gaps`: by stream, the offset before the first message that was left out.
    """

    def __init__(self, totals: list[int]) -> None:
        self.dropped = [0] * LANES
        self.bytes = 0
        self._totals = totals
        # By stream, until it is subscribed again.
        self.gaps: dict[str, int] = {}
        # By a running number, so that something in the middle can be taken out at once.
        self._queue: OrderedDict[int, Frame | Gap] = OrderedDict()
        self._next = 0
        # By stream: the gap behind which nothing of the stream waits, and the number of the waiting proof of silence
        # (which may be gone by now).
        self._open: dict[str, Gap] = {}
        self._proofs: dict[str, int] = {}
        # Bytes that could be left out, by lane.
        self._mild = [0] * LANES

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, frames: Frames, soft_bytes: int, max_bytes: int, waiting: Sequence[Frame] = ()) -> bool:
        """Takes what waited elsewhere until now, and frames; past `soft_bytes` the mild lanes give way.

        False, and none of the frames is taken, if more than `max_bytes` would wait all the same.
        """
        shed, severe = self._give_way(frames, soft_bytes, waiting)
        if severe and self.bytes + severe > max_bytes:
            return False
        self._sift(frames.frames, shed)
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
            self._proofs.clear()
        return tuple(taken)

    def _give_way(self, frames: Frames, soft_bytes: int, waiting: Sequence[Frame]) -> tuple[frozenset[int], int]:
        """Takes what waited, without what must be left out of all that waits.

        Gives the lanes in which the arriving frames share its lot, and the bytes of the others.
        """
        arriving, size = frames.size, self.bytes + sum([len(frame.data) for frame in waiting])
        shed: set[int] = set()
        has_mild = False
        for lane in _SHED_LANES:
            if size + arriving <= soft_bytes:
                break
            shed.add(lane)
            mild = self._mild[lane] + _mild_bytes(waiting, lane)
            size, has_mild = size - mild, has_mild or mild > 0
            arriving -= _mild_bytes(frames.frames, lane)
        if shed:
            arriving -= sum([len(frame.data) for frame in frames.frames if type(frame) is HintFrame])
        if has_mild:
            # One pass over everything. A thousand peers may come to this with the same message, so it is written flat.
            before, self._queue = self._queue, OrderedDict()
            self.bytes, self._mild = 0, [0] * LANES
            self._open, self._proofs = {}, {}
            self._sift(before.values(), shed)
        self._sift(waiting, shed)
        return frozenset(shed), arriving

    def _sift(self, entries: Iterable[Frame | Gap], shed: AbstractSet[int]) -> None:
        """Appends entries, those of some lanes as a gap."""
        open_gaps, dropped = self._open, [0] * LANES
        for entry in entries:
            if type(entry) is AlertFrame and entry.lane in shed:
                dropped[entry.lane] += 1
                gap = open_gaps.get(entry.stream)
                if gap is None:
                    self._append_gap(Gap(entry))
                    # Not the first to be left out: a younger, milder one may have given way before.
                    self.gaps[entry.stream] = min(self.gaps.get(entry.stream, entry.prev), entry.prev)
                else:
                    gap.last = entry.offset
                    gap.count += 1
            elif isinstance(entry, Gap):
                self._append_gap(entry)
            elif shed and type(entry) is HintFrame:
                dropped[IDLE_LANE] += 1
            else:
                self._append(entry)
        for lane in (*shed, IDLE_LANE):
            self.dropped[lane] += dropped[lane]
            self._totals[lane] += dropped[lane]

    def _append(self, frame: Frame) -> None:
        stream = frame.stream
        if stream is not None:
            self._open.pop(stream, None)
            if isinstance(frame, PositionFrame):
                older = self._queue.pop(self._proofs.get(stream, -1), None)
                if older is not None:
                    self.bytes -= self._forget(older)
                self._proofs[stream] = self._next
        size = len(frame.data)
        if isinstance(frame, AlertFrame):
            self._mild[frame.lane] += size
        self._put(frame, size)

    def _append_gap(self, gap: Gap) -> None:
        before = self._open.get(gap.stream)
        if before is not None:
            before.last = gap.last
            before.count += gap.count
        else:
            self._open[gap.stream] = gap
            self._put(gap, gap.size)

    def _put(self, entry: Frame | Gap, size: int) -> None:
        self._queue[self._next] = entry
        self._next += 1
        self.bytes += size

    def _forget(self, entry: Frame | Gap) -> int:
        """Its bytes, which wait no more."""
        if isinstance(entry, Gap):
            if self._open.get(entry.stream) is entry:
                del self._open[entry.stream]
            return entry.size
        size = len(entry.data)
        if isinstance(entry, AlertFrame):
            self._mild[entry.lane] -= size
        return size


def _mild_bytes(frames: Sequence[Frame], lane: int) -> int:
    """Bytes of those of these frames that could be left out in this lane."""
    return sum([len(frame.data) for frame in frames if frame.lane == lane and type(frame) is AlertFrame])
