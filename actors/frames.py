"""What waits in outboxes: built WebSocket frames, with what must be known of them to leave in the right order.

Values only. A frame is built once and shared by all who get it, so what is said about it here costs nothing per client.
The class says what may happen to it in the outbox of a peer that does not keep up (`actors/lanes.py` decides): only an
AlertFrame and a HintFrame may be left out, only a PositionFrame may give way to a newer one, everything else is sent or
the connection ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from protocol.codec import WireForm
from protocol.model import Severity

# Replies leave first, then the most severe alerts.
REPLY_LANE = 0
# What nobody waits for (proof of silence) leaves last.
IDLE_LANE = 5
LANES = 6


def lane_of(severity: Severity) -> int:
    """The drain's lane for an alert."""
    return IDLE_LANE - 1 - severity.rank


class Frame:
    """One built WebSocket frame. `stream`: the channel that it is about, which nothing of that channel overtakes."""

    __slots__ = ("data", "lane", "stream")

    def __init__(self, data: bytes, lane: int = REPLY_LANE, stream: str | None = None) -> None:
        self.data = data
        self.lane = lane
        self.stream = stream


class AlertFrame(Frame):
    """A live alert message: its place in the stream says what is missing when it is left out."""

    __slots__ = ("epoch", "form", "offset", "prev")

    stream: str

    def __init__(
        self, data: bytes, lane: int, stream: str, *, epoch: str, prev: int, offset: int, form: WireForm
    ) -> None:
        super().__init__(data, lane, stream)
        self.epoch = epoch
        self.prev = prev
        self.offset = offset
        self.form = form

    def promised(self) -> Frame:
        """The same as history: `recovered: true` has promised it, so it is never left out."""
        return Frame(self.data, self.lane, self.stream)


class PositionFrame(Frame):
    """A proof of silence: of those that wait, only the newest of a stream says anything."""

    __slots__ = ()


class HintFrame(Frame):
    """What is nice to know and recorded elsewhere: left out, and counted, for a peer that does not keep up."""

    __slots__ = ()


class Frames:
    """The frames of one pass for one group of subscribers: their size and best lane are counted once for all."""

    __slots__ = ("frames", "lane", "size")

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = tuple(frames)
        self.size = sum(len(frame.data) for frame in frames)
        self.lane = min(frame.lane for frame in frames)
