"""Every byte to a peer goes through its connection's outbox.

Owns: the frames that wait for one peer, and the right to write to its socket. Talks to it: whoever has something to
say (`push`, synchronous, never waits). Waits for: nothing; when the kernel would block, a flusher of its own waits for
the socket. Bounded in bytes, twice: past the soft bound mild alerts give way to a `gap` (`actors/lanes.py`), past the
hard one the peer is closed with 3008. Nobody waits for a slow one.

A push is a note; the drain (`actors/drain.py`) has the outboxes write once all tasks of a scheduler pass have made
theirs. What runs once per client and message (`push_all`, `write`) is written flat: a call more costs a thousand calls
more. So whatever concerns slow peers only is behind the one comparison with the soft bound, or behind a short write.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
import trio

from actors.drain import Drain
from actors.frames import LANES, REPLY_LANE, Frame, Frames, lane_of
from actors.lag import Lag
from actors.lanes import SHED, Lanes
from actors.send import FLAGS, PIECE_MAX_BYTES, WOULD_BLOCK, Send
from protocol.model import Severity

log = structlog.get_logger()


@dataclass(frozen=True)
class OutboxLimits:
    """Bounds of each outbox: past `soft_bytes` mild alerts give way, past `max_bytes` the peer is too slow."""

    soft_bytes: int = 262_144
    max_bytes: int = 1_048_576


@dataclass(frozen=True)
class OutboxStatistics:
    """How far behind a peer is: bytes that wait, how long the oldest does, and what was left out since the start."""

    waiting_bytes: int
    lag_s: float
    dropped: Mapping[Severity, int]


class Outbox:
    """The single writer of one connection."""

    __slots__ = (
        "_drain", "_flushing", "_lag", "_lane", "_lanes", "_limits", "_nursery", "_on_broken", "_on_slow", "_progress",
        "_rest", "_send", "_slow", "_sock", "_soft_bytes", "_waiting", "broken", "sealed", "taken_at",
        "waiting_bytes",
    )  # fmt: skip

    def __init__(
        self,
        sock: trio.socket.SocketType,
        drain: Drain,
        nursery: trio.Nursery,
        limits: OutboxLimits,
        send: Send,
    ) -> None:
        self._sock = sock
        self._drain = drain
        self._nursery = nursery
        self._limits = limits
        # Here for `push_all`, and never above the hard bound.
        self._soft_bytes = min(limits.soft_bytes, limits.max_bytes)
        self._send = send
        # A tuple: an outbox that is empty takes the batch's own, and a thousand of them need not one allocation.
        self._waiting: tuple[Frame, ...] = ()
        # What the kernel did not take.
        self._rest = b""
        # While there is a flusher, only it writes: two tasks cannot wait for one socket.
        self._flushing = False
        self._lag: Lag | None = None
        # What waits before `_waiting`, once this peer was past its soft bound; empty again when it has caught up.
        self._lanes: Lanes | None = None
        # A frame was dropped: nothing may follow it that would hide the gap.
        self._slow = False
        self._lane = LANES
        self._progress: trio.Event | None = None
        self._on_slow: Callable[[], None] = _nobody
        self._on_broken: Callable[[], None] = _nobody
        self.sealed = False
        self.broken = False
        self.waiting_bytes = 0
        # When a peer that is behind took something the last time (trio time); never, if it was never behind.
        self.taken_at = -math.inf

    def on_trouble(self, slow: Callable[[], None], broken: Callable[[], None]) -> None:
        """Whom to tell, once, when the bound is passed, and when the socket is gone."""
        self._on_slow, self._on_broken = slow, broken

    def push(self, frame: Frame) -> None:
        """Notes one frame; it leaves at the end of this scheduler pass, or when the kernel has room."""
        self.push_all(Frames((frame,)))

    def push_all(self, frames: Frames) -> None:
        """Notes several frames at once."""
        size = self.waiting_bytes + frames.size
        if (self.sealed or self._slow or size > self._soft_bytes) and not self._admits(frames):
            return
        self.waiting_bytes = size
        self._waiting = self._waiting + frames.frames if self._waiting else frames.frames
        if frames.lane < self._lane and not self._flushing:
            self._lane = frames.lane
            self._drain.note(self, frames.lane)

    def seal(self, last: bytes, *, drop_waiting: bool = False) -> None:
        """The Close frame: nothing is taken after it. A slow peer gets it instead of what it never read."""
        if self.sealed:
            return
        if drop_waiting:
            self._waiting, self._lanes = (), None
            self.waiting_bytes = len(self._rest)
        self.sealed = True
        self.waiting_bytes += len(last)
        self._waiting = (*self._waiting, Frame(last))
        if not self._flushing:
            self._drain.note(self, REPLY_LANE)

    async def wait_below(self, max_bytes: int) -> None:
        """Waits until at most so many bytes wait, or the outbox is broken."""
        while self.waiting_bytes > max_bytes and not self.broken:
            if self._progress is None:
                self._progress = trio.Event()
            await self._progress.wait()

    def write(self) -> None:
        """Writes what waits, as far as the kernel takes it. Called by the drain only."""
        self._lane = LANES
        frames = self._waiting
        if self._flushing or not frames:
            return
        self._waiting = ()
        self._drain.frames += len(frames)
        data = frames[0].data if len(frames) == 1 else self._drain.join(frames)
        size = len(data)
        sent = self._send(self._sock.fileno(), data, size, FLAGS)
        if sent == size:
            self.waiting_bytes -= size
            if self._progress is not None:
                self._wake()
        else:
            self._rest = data
            self._sent(sent)
            if self._rest:
                self._put_back(frames)
                self._start_flusher()

    @property
    def lag_s(self) -> float:
        """How long the oldest byte that the peer has not taken waits."""
        return self._lag.seconds(trio.current_time()) if self._lag is not None else 0.0

    def statistics(self) -> OutboxStatistics:
        """How far behind this peer is."""
        dropped = self._lanes.dropped if self._lanes is not None else [0] * LANES
        return OutboxStatistics(
            waiting_bytes=self.waiting_bytes,
            lag_s=self.lag_s,
            dropped={severity: dropped[lane_of(severity)] for severity in SHED},
        )

    def gap_after(self, stream: str) -> int | None:
        """The offset after which a message of this stream was left out; None: nothing was."""
        return None if self._lanes is None else self._lanes.gaps.get(stream)

    def forget_gap(self, stream: str) -> None:
        """What was left out of this stream has been made good, or is wanted no more."""
        if self._lanes is not None:
            self._lanes.gaps.pop(stream, None)

    def failed(self, fault: Exception) -> None:
        """Writing raised, in the drain or in our flusher, and nobody else may suffer: this connection ends."""
        self._drain.failures += 1
        log.error("write_failed", exc_info=fault)
        self._break()

    def discard(self) -> None:
        """The connection is over: forgets what waits and takes nothing more."""
        self.sealed = self.broken = True
        self._waiting, self._lanes, self._rest, self.waiting_bytes = (), None, b"", 0
        self._on_slow = self._on_broken = _nobody  # breaks the cycle with the connection: no garbage collector needed
        self._wake()

    def _admits(self, frames: Frames) -> bool:
        """Whether frames that come after the Close, or go beyond the soft bound, are taken as if nothing was."""
        if not self.sealed and not self._slow:
            # Who keeps up may get one batch beyond the bound: a commit of 240 long alerts is 2 MB at once, and nobody
            # is slow who was not given the time to read it.
            if not self._flushing and self.waiting_bytes <= self._limits.max_bytes:
                return True
            if self._shed(frames):
                return False
            self._slow = True
            self._on_slow()
        return False

    def _shed(self, frames: Frames) -> bool:
        """Takes frames into the lanes, where the mild ones give way; False: too much is left all the same."""
        if self._lanes is None:
            self._lanes = Lanes(self._drain.dropped)
        lanes, begun = self._lanes, len(self._rest)
        waiting, self._waiting = self._waiting, ()
        fits = lanes.offer(frames, self._soft_bytes - begun, self._limits.max_bytes - begun, waiting)
        self.waiting_bytes = begun + lanes.bytes
        if not self._flushing:
            self._start_flusher()
        self._wake()
        return fits

    def _put_back(self, frames: tuple[Frame, ...]) -> None:
        """Whole frames that are certainly not on their way wait again, where they may still give way."""
        begun, index = len(self._rest), len(frames)
        while begun - len(frames[index - 1].data) >= PIECE_MAX_BYTES:
            index -= 1
            begun -= len(frames[index].data)
        self._waiting = frames[index:]
        self._drain.frames -= len(self._waiting)
        self._rest = self._rest[:begun]

    def _start_flusher(self) -> None:
        self._flushing = True
        self._lag = Lag(trio.current_time())
        self._nursery.start_soon(self._flush)

    def _sent(self, sent: int) -> None:
        """Takes note of what the kernel took of the rest; -1: nothing, for the reason in errno."""
        if sent >= 0:
            self._rest = self._rest[sent:]
            self.waiting_bytes -= sent
            if self._lag is not None:
                self._lag.note(sent, self.waiting_bytes, trio.current_time())
            self._wake()
        elif ctypes.get_errno() not in WOULD_BLOCK:
            self._break()

    def _break(self) -> None:
        tell = self._on_broken
        self.discard()
        tell()

    def _wake(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None

    async def _flush(self) -> None:
        """The flusher's boundary: it runs in the nursery of all connections."""
        try:
            await self._write_on()
        except Exception as fault:
            self.failed(fault)

    async def _write_on(self) -> None:
        """Waits for room in the socket and writes, until nothing is left."""
        while self._rest or self._waiting or self._lanes:
            try:
                await trio.lowlevel.wait_writable(self._sock.fileno())
            except trio.ClosedResourceError:
                self.discard()
                return
            if not self._rest:
                self._rest = self._next_bytes()
            before = self.waiting_bytes
            self._sent(self._send(self._sock.fileno(), self._rest, len(self._rest), FLAGS))
            if self.waiting_bytes < before:
                self.taken_at = trio.current_time()
        self._flushing, self._lag = False, None

    def _next_bytes(self) -> bytes:
        """The next frames, joined; what is in the lanes came first. No more than a piece: joined, nothing gives way."""
        lanes, frames = self._lanes, self._waiting
        if lanes:
            before = lanes.bytes
            frames = lanes.take(PIECE_MAX_BYTES)
            data = b"".join([frame.data for frame in frames])
            self.waiting_bytes += len(data) - (before - lanes.bytes)  # gaps were counted with larger numbers
        else:
            size = count = 0
            while count < len(frames) and size < PIECE_MAX_BYTES:
                size += len(frames[count].data)
                count += 1
            frames, self._waiting = frames[:count], frames[count:]
            data = b"".join([frame.data for frame in frames])
        self._drain.frames += len(frames)
        return data


def _nobody() -> None:
    """Before anybody wants to know."""
