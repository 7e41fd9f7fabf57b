"""What waits for one event stream, where a WebSocket has its outbox.

Owns: the frames that wait for one reader, in the lanes of slow readers (`actors/lanes.py`), so the same gives way in
the same order. Talks to it: whoever has something to say (`push_all`, synchronous, never waits); the stream's own task
takes what waits (`take`). Bounded in bytes, twice, as an outbox is: past the soft bound mild alerts give way to a
`gap`, past the hard one the reader is too slow. Decided against: an Outbox of its own, which writes to a socket itself;
here HTTP stands between, and its chunks must not be written by two.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import trio

from actors.drain import Drain
from actors.frames import Frame, Frames, lane_of
from actors.lag import Lag
from actors.lanes import SHED, Lanes
from actors.outbox import OutboxLimits, OutboxStatistics

# As much as HTTP writes at a time (`engine/http/streams.py`): joined, nothing can give way any more.
PIECE_BYTES = 65_536


class EventQueue:
    """The frames that wait for one reader. `on_slow` is told, once, when the hard bound is passed."""

    def __init__(self, drain: Drain, limits: OutboxLimits, on_slow: Callable[[], None]) -> None:
        self._drain = drain
        self._limits = limits
        self._on_slow = on_slow
        self._lanes = Lanes(drain.dropped)
        self._is_slow = False
        # Handed to HTTP, not taken by the reader's end yet.
        self._under_way = 0
        self._lag: Lag | None = None
        self._filled = trio.Event()
        self._progress = trio.Event()

    @property
    def waiting_bytes(self) -> int:
        """How much the reader has not been sent yet."""
        return self._lanes.bytes + self._under_way

    @property
    def lag_s(self) -> float:
        """How long the oldest byte that the reader has not taken waits."""
        return self._lag.seconds(trio.current_time()) if self._lag is not None else 0.0

    def push(self, frame: Frame) -> None:
        """Notes one frame."""
        self.push_all(Frames((frame,)))

    def push_all(self, frames: Frames) -> None:
        """Notes several frames at once; nothing more after a drop that no gap tells of."""
        if self._is_slow:
            return
        # Who keeps up may get one batch beyond the bounds, as from an outbox.
        is_behind = self.waiting_bytes > 0
        soft = self._limits.soft_bytes - self._under_way if is_behind else sys.maxsize
        hard = self._limits.max_bytes - self._under_way if is_behind else sys.maxsize
        if not self._lanes.offer(frames, soft, hard):
            self._is_slow = True
            self._on_slow()
            return
        if self._lag is None:
            self._lag = Lag(trio.current_time())
        self._filled.set()

    async def take(self) -> tuple[Frame, ...]:
        """The next frames to send, about a piece of them; waits until there are any."""
        while not self._lanes:
            self._filled = trio.Event()
            await self._filled.wait()
        return self.take_now()

    def take_now(self) -> tuple[Frame, ...]:
        """What there is of them now; whoever takes says `sent` when the reader has it."""
        frames = self._lanes.take(PIECE_BYTES)
        self._under_way = sum(len(frame.data) for frame in frames)
        return frames

    def sent(self, frames: tuple[Frame, ...]) -> None:
        """The reader's end has taken these."""
        sent, self._under_way = self._under_way, 0
        self._drain.frames += len(frames)
        if self._lag is not None:
            self._lag.note(sent, self.waiting_bytes, trio.current_time())
        if not self.waiting_bytes:
            self._lag = None
        self._progress.set()

    async def wait_below(self, max_bytes: int) -> None:
        """Waits until at most so many bytes wait."""
        while self.waiting_bytes > max_bytes:
            self._progress = trio.Event()
            await self._progress.wait()

    def statistics(self) -> OutboxStatistics:
        """How far behind this reader is."""
        dropped = self._lanes.dropped
        return OutboxStatistics(
            waiting_bytes=self.waiting_bytes,
            lag_s=self.lag_s,
            dropped={severity: dropped[lane_of(severity)] for severity in SHED},
        )

    def gap_after(self, stream: str) -> int | None:
        """The offset after which a message of this stream was left out; None: nothing was."""
        return self._lanes.gaps.get(stream)

    def forget_gap(self, stream: str) -> None:
        """What was left out of this stream has been made good, or is wanted no more."""
        self._lanes.gaps.pop(stream, None)
