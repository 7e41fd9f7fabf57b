"""Every byte to a peer goes through its connection's outbox, and the drain writes them.

Owns: the frames that wait for one peer, and the right to write to its socket. Talks to it: whoever has something to
say (`push`, synchronous, never waits). Waits for: nothing; when the kernel would block, a flusher of its own waits for
the socket. Bounded in bytes: past the bound the peer is closed with 3008, nobody waits for a slow one.

A push is a note; the drain writes once all tasks of a scheduler pass have made theirs, so frames of one pass leave in
one `send` (one costs the same for 200 bytes as for 8 kB), and a thousand equal lists of frames are joined once. We
decided against a task and a channel per client (measured: 48 ms for 1,000 clients instead of 14).

What runs once per client and message (`push_all`, `write`) is written flat: a call more costs a thousand calls more.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable, Sequence

import trio

from actors.ports import Observer
from actors.send import FLAGS, WOULD_BLOCK, Send
from protocol.model import Severity

# Replies leave first, then the most severe alerts.
REPLY_LANE = 0
# What nobody waits for (proof of silence) leaves last.
IDLE_LANE = 5
LANES = 6
# About 2 ms of writing; then acks, pings and cancellation get their turn. Each turn lets the interpreter's lock go, and
# beside busy threads getting it back costs more than the writing, so not more often.
WRITES_PER_PASS = 250


def lane_of(severity: Severity) -> int:
    """The drain's lane for an alert."""
    return IDLE_LANE - 1 - severity.rank


class Frame:
    """One built WebSocket frame, shared by all who get it, with what a lane must know."""

    __slots__ = ("data", "lane")

    def __init__(self, data: bytes, lane: int = REPLY_LANE) -> None:
        self.data = data
        self.lane = lane


class Frames:
    """The frames of one pass for one group of subscribers: their size and best lane are counted once for all."""

    __slots__ = ("frames", "lane", "size")

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = tuple(frames)
        self.size = sum(len(frame.data) for frame in frames)
        self.lane = min(frame.lane for frame in frames)


class Drain:
    """Writes what outboxes have noted: one task for all connections, woken by the first note."""

    def __init__(self, observer: Observer) -> None:
        self._lanes: tuple[deque[Outbox], ...] = tuple(deque() for _ in range(LANES))
        self._noted = trio.Event()
        self._began = 0.0
        # Whether alerts are among what is noted: replies and proofs of silence alone are no fan-out.
        self._has_alerts = False
        self._observer = observer
        self._joined_frames: tuple[Frame, ...] = ()
        self._joined = b""
        self.writes = 0
        # Written to all connections so far (one counter: a number per outbox would be a cache miss per client).
        self.frames = 0

    def note(self, outbox: Outbox, lane: int) -> None:
        """This outbox has something to write."""
        self._lanes[lane].append(outbox)
        if REPLY_LANE < lane < IDLE_LANE:
            self._has_alerts = True
        if not self._noted.is_set():
            self._began = trio.current_time()
            self._noted.set()

    async def run(self) -> None:
        """Drains for ever."""
        while True:
            await self._noted.wait()
            writes_before = self.writes
            while (lane := next(filter(None, self._lanes), None)) is not None:
                count = min(len(lane), WRITES_PER_PASS)
                for _ in range(count):
                    lane.popleft().write()
                self.writes += count
                if count == WRITES_PER_PASS:
                    await trio.lowlevel.checkpoint()
            self._joined_frames, self._joined = (), b""
            self._noted = trio.Event()
            if self._has_alerts:
                self._has_alerts = False
                self._observer.fan_out(trio.current_time() - self._began, self.writes - writes_before)

    def join(self, frames: tuple[Frame, ...]) -> bytes:
        """The bytes of several frames. Subscribers of one channel have the very same ones: they are joined once."""
        if frames != self._joined_frames:
            self._joined_frames = frames
            self._joined = b"".join([frame.data for frame in frames])
        return self._joined


class Outbox:
    """The single writer of one connection."""

    __slots__ = (
        "_drain", "_flushing", "_lane", "_max_bytes", "_nursery", "_on_broken", "_on_slow", "_progress", "_rest",
        "_send", "_slow", "_sock", "_waiting", "broken", "dropped", "sealed", "waiting_bytes",
    )  # fmt: skip

    def __init__(
        self,
        sock: trio.socket.SocketType,
        drain: Drain,
        nursery: trio.Nursery,
        max_bytes: int,
        send: Send,
    ) -> None:
        self._sock = sock
        self._drain = drain
        self._nursery = nursery
        self._max_bytes = max_bytes
        self._send = send
        # A tuple: an outbox that is empty takes the batch's own, and a thousand of them need not one allocation.
        self._waiting: tuple[Frame, ...] = ()
        # What the kernel did not take.
        self._rest = b""
        # While there is a flusher, only it writes: two tasks cannot wait for one socket.
        self._flushing = False
        # A frame was dropped: nothing may follow it that would hide the gap.
        self._slow = False
        self._lane = LANES
        self._progress: trio.Event | None = None
        self._on_slow: Callable[[], None] = _nobody
        self._on_broken: Callable[[], None] = _nobody
        self.sealed = False
        self.broken = False
        self.waiting_bytes = 0
        self.dropped = 0

    def on_trouble(self, slow: Callable[[], None], broken: Callable[[], None]) -> None:
        """Whom to tell, once, when the bound is passed, and when the socket is gone."""
        self._on_slow, self._on_broken = slow, broken

    def push(self, frame: Frame) -> None:
        """Notes one frame; it leaves at the end of this scheduler pass, or when the kernel has room."""
        self.push_all(Frames((frame,)))

    def push_all(self, frames: Frames) -> None:
        """Notes several frames at once."""
        size = self.waiting_bytes + frames.size
        if (self.sealed or self._slow or size > self._max_bytes) and not self._admits(len(frames.frames)):
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
            self.dropped += len(self._waiting)
            self._waiting = ()
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
                self._flushing = True
                self._nursery.start_soon(self._flush)

    def discard(self) -> None:
        """The connection is over: forgets what waits and takes nothing more."""
        self.sealed = self.broken = True
        self._waiting, self._rest, self.waiting_bytes = (), b"", 0
        self._on_slow = self._on_broken = _nobody  # breaks the cycle with the connection: no garbage collector needed
        self._wake()

    def _admits(self, count: int) -> bool:
        """Whether frames that come after the Close, or go beyond the bound, are taken all the same."""
        # Who keeps up may get one batch beyond the bound: a commit of 240 long alerts is 2 MB at once, and nobody is
        # slow who was not given the time to read it.
        keeps_up = not self._flushing and self.waiting_bytes <= self._max_bytes
        if keeps_up and not self.sealed and not self._slow:
            return True
        self.dropped += count
        if not self.sealed and not self._slow:
            self._slow = True
            self._on_slow()
        return False

    def _sent(self, sent: int) -> None:
        """Takes note of what the kernel took of the rest; -1: nothing, for the reason in errno."""
        if sent >= 0:
            self._rest = self._rest[sent:]
            self.waiting_bytes -= sent
            self._wake()
        elif ctypes.get_errno() not in WOULD_BLOCK:
            tell = self._on_broken
            self.discard()
            tell()

    def _wake(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None

    async def _flush(self) -> None:
        """Waits for room in the socket and writes on, until nothing is left."""
        while self._rest or self._waiting:
            try:
                await trio.lowlevel.wait_writable(self._sock.fileno())
            except trio.ClosedResourceError:
                self.discard()
                return
            if not self._rest:
                frames, self._waiting = self._waiting, ()
                self._drain.frames += len(frames)
                self._rest = b"".join([frame.data for frame in frames])
            self._sent(self._send(self._sock.fileno(), self._rest, len(self._rest), FLAGS))
        self._flushing = False


def _nobody() -> None:
    """Before anybody wants to know."""
