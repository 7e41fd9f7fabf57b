"""Outboxes on real sockets with small buffers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked

from actors.drain import Drain
from actors.outbox import Outbox, OutboxLimits
from actors.send import Send, choose_send, socket_send
from tests.support.actors import Recorder

SENDS: dict[str, Send] = {"libc": choose_send(), "fallback": socket_send}
BIG = b"x" * 300_000


class Wire:
    """An outbox over one end of a socket pair; what it wrote is read from the other end."""

    def __init__(self, drain: Drain, nursery: trio.Nursery, soft_bytes: int, max_bytes: int, send: Send) -> None:
        self.near, self.far = trio.socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.writes: list[int] = []
        self.slow = self.broken = 0
        self._send = send
        self.outbox = Outbox(self.near, drain, nursery, OutboxLimits(soft_bytes, max_bytes), self.send)
        self.outbox.on_trouble(self.is_slow, self.is_broken)

    def send(self, fd: int, data: bytes, size: int, flags: int) -> int:
        self.writes.append(size)
        return self._send(fd, data, size, flags)

    def replace_send(self, send: Send) -> None:
        self._send = send

    def is_slow(self) -> None:
        self.slow += 1

    def is_broken(self) -> None:
        self.broken += 1

    async def heard(self, size: int) -> bytes:
        data = b""
        with trio.fail_after(100):
            while len(data) < size:
                data += await self.far.recv(size - len(data))
        return data

    def close(self) -> None:
        self.outbox.discard()
        self.near.close()
        self.far.close()


class Bench:
    """A running drain and the wires that hang on it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.observer = Recorder()
        self.drain = Drain(self.observer)
        self.nursery = nursery
        self.wires: list[Wire] = []

    def wire(self, max_bytes: int = 1_000_000, send: Send = SENDS["libc"], *, soft_bytes: int | None = None) -> Wire:
        soft_bytes = max_bytes if soft_bytes is None else soft_bytes
        self.wires.append(Wire(self.drain, self.nursery, soft_bytes, max_bytes, send))
        return self.wires[-1]


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        made = Bench(nursery)
        nursery.start_soon(made.drain.run)
        await wait_all_tasks_blocked()
        try:
            yield made
        finally:
            for wire in made.wires:
                wire.close()
            nursery.cancel_scope.cancel()
