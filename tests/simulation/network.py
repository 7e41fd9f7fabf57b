"""A network in memory: sockets with bounded buffers that deliver in pieces, stall, reset and vanish as they are told.

Owns: the links between clients and the engine. Both ends are `Socket`s, with as much of trio's socket as the product
uses. The engine's outboxes send through `Network.send` (the contract of `actors.send`) and wait through
`Network.wait_writable`; both know a socket by its number, as the kernel does. Numbers are far above real ones: what
escapes to the kernel fails there at once.
"""

from __future__ import annotations

import ctypes
import errno
import random
from collections import deque
from types import TracebackType

import trio

FIRST_NUMBER = 1_000_000
# What a kernel holds of one direction. Small, so that readers who stop are felt soon.
BUFFER_MIN_BYTES, BUFFER_MAX_BYTES = 2_048, 32_768
BACKLOG = 128


class Pipe:
    """One direction of a link: bytes on their way, at most `capacity`."""

    def __init__(self, capacity: int, chance: random.Random) -> None:
        self._capacity = capacity
        self._chance = chance
        self._data = bytearray()
        self._readers, self._writers = trio.lowlevel.ParkingLot(), trio.lowlevel.ParkingLot()
        self._is_full = False
        self.is_finished = False
        self.is_reset = False
        self.is_stalled = False

    def __len__(self) -> int:
        return len(self._data)

    @property
    def takes(self) -> bool:
        """Whether a send would not block: there is room, or it would fail."""
        return self.is_reset or self.is_finished or (not self._is_full and len(self._data) < self._capacity)

    def send(self, data: bytes) -> int:
        """Takes what there is room for, sometimes less. Raises OSError as a kernel does."""
        if self.is_reset or self.is_finished:
            raise OSError(errno.ECONNRESET if self.is_reset else errno.EPIPE, "the peer is gone")
        room = 0 if self._is_full else min(self._capacity - len(self._data), len(data))
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, "the buffer is full")
        if self._chance.random() < 0.1:
            # Short, and full now: as in a kernel there is room again when the peer has read, and not before.
            room = self._chance.randint(1, room)
            self._is_full = True
        self._data += data[:room]
        self._readers.unpark_all()
        return room

    async def receive(self, most: int) -> bytes:
        """What has arrived, in pieces of any size; empty at the end. Raises ConnectionResetError."""
        await trio.lowlevel.checkpoint()
        while not self.is_reset and (self.is_stalled or not (self._data or self.is_finished)):
            await self._readers.park()
        if self.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, "reset")
        size = min(most, len(self._data))
        if size > 1 and self._chance.random() < 0.2:
            size = self._chance.randint(1, size)
        taken = bytes(self._data[:size])
        del self._data[:size]
        self._is_full = False
        self._writers.unpark_all()
        return taken

    async def wait_takes(self) -> None:
        """Waits until a send would not block."""
        await trio.lowlevel.checkpoint()
        while not self.takes:
            await self._writers.park()

    def change(self, *, finish: bool = False, reset: bool = False, stall: bool | None = None) -> None:
        """Something happened to this direction: whoever waits looks again."""
        self.is_finished |= finish
        self.is_reset |= reset
        if stall is not None:
            self.is_stalled = stall
        if self.is_reset:
            self._data.clear()
        self._readers.unpark_all()
        self._writers.unpark_all()


class Socket:
    """One end of a link."""

    def __init__(self, network: Network, number: int, incoming: Pipe, outgoing: Pipe) -> None:
        self._network = network
        self._number = number
        self.incoming = incoming
        self.outgoing = outgoing

    def fileno(self) -> int:
        return self._number

    def getsockname(self) -> tuple[str, int]:
        return ("10.0.0.1", 3008)

    def getpeername(self) -> tuple[str, int]:
        return ("10.0.0.2", self._number % 60_000)

    def setsockopt(self, *_: object) -> None:
        pass

    async def recv(self, most: int) -> bytes:
        return await self.incoming.receive(most)

    async def send(self, data: bytes) -> int:
        """As trio's: waits for room, then takes some of it."""
        await self.outgoing.wait_takes()
        return self.outgoing.send(data)

    def shutdown(self, how: int) -> None:
        if self.outgoing.is_reset:
            raise OSError(errno.ENOTCONN, "not connected")
        self.outgoing.change(finish=True)

    def close(self) -> None:
        """Closes; what was not read turns the close into a reset, as in a kernel."""
        if self._number < 0:
            return
        del self._network.sockets[self._number]
        self._number = -1
        unread = len(self.incoming) > 0
        self.outgoing.change(finish=True, reset=unread)
        # Whoever still sends to a closed socket is told by a reset.
        self.incoming.change(reset=True)

    def reset(self) -> None:
        """The link breaks, for both ends."""
        self.incoming.change(reset=True)
        self.outgoing.change(reset=True)


class Listener:
    """A listening socket; `faults` are raised by the next accepts."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[Socket] = deque()
        self._arrived = trio.lowlevel.ParkingLot()
        self.faults: deque[int] = deque()
        self.is_closed = False
        # The machine is gone: nobody gets through, and who accepts notices nothing.
        self.is_deaf = False

    def getsockname(self) -> tuple[str, int]:
        return ("10.0.0.1", 3008)

    def fileno(self) -> int:
        return -1

    def listen(self, backlog: int) -> None:
        """It does so from the beginning."""

    async def accept(self) -> tuple[Socket, tuple[str, int]]:
        await trio.lowlevel.checkpoint()
        while not self._waiting and not self.is_closed:
            await self._arrived.park()
        if self.is_closed:
            raise OSError(errno.EBADF, "closed")
        if self.faults:
            raise OSError(self.faults.popleft(), "injected")
        sock = self._waiting.popleft()
        return sock, sock.getpeername()

    def put(self, sock: Socket) -> None:
        """Somebody connects. Raises ConnectionRefusedError."""
        if self.is_closed or self.is_deaf or len(self._waiting) >= BACKLOG:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")
        self._waiting.append(sock)
        self._arrived.unpark()

    def close(self) -> None:
        self.is_closed = True
        for sock in self._waiting:
            sock.reset()
        self._waiting.clear()
        self._arrived.unpark_all()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Network:
    """All links, and the engine's present listener."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._last = FIRST_NUMBER
        self.sockets: dict[int, Socket] = {}
        self.listener: Listener | None = None

    def listen(self) -> Listener:
        """The engine's listening socket; there is one at a time."""
        assert self.listener is None or self.listener.is_closed, "two engines listen on one address"
        self.listener = Listener(self)
        return self.listener

    async def connect(self) -> Socket:
        """A client's end of a fresh link. Raises ConnectionRefusedError."""
        await trio.lowlevel.checkpoint()
        if self.listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody listens")
        there, back = (Pipe(self._chance.randint(BUFFER_MIN_BYTES, BUFFER_MAX_BYTES), self._chance) for _ in range(2))
        ours, theirs = self._socket(back, there), self._socket(there, back)
        try:
            self.listener.put(theirs)
        except OSError:
            ours.close()
            theirs.close()
            raise
        return ours

    def cut(self) -> None:
        """The engine's machine is gone: every link is reset, nobody listens."""
        if self.listener is not None:
            self.listener.is_deaf = True
        for sock in list(self.sockets.values()):
            sock.reset()

    def send(self, number: int, data: bytes, size: int, flags: int) -> int:
        """The contract of `actors.send.Send`."""
        sock = self.sockets.get(number)
        try:
            if sock is None:
                raise OSError(errno.EBADF, "no such socket")
            return sock.outgoing.send(data[:size])
        except OSError as fault:
            ctypes.set_errno(fault.errno or errno.EIO)
            return -1

    async def wait_writable(self, number: int) -> None:
        """As `trio.lowlevel.wait_writable`, for our numbers."""
        sock = self.sockets.get(number)
        if sock is None:
            raise OSError(errno.EBADF, "no such socket")
        await sock.outgoing.wait_takes()
        if sock.fileno() < 0:
            raise trio.ClosedResourceError("closed while it was waited for")

    def _socket(self, incoming: Pipe, outgoing: Pipe) -> Socket:
        self._last += 1
        sock = self.sockets[self._last] = Socket(self, self._last, incoming, outgoing)
        return sock
