"""The program of `balancer.py`: carries bytes between clients and nodes.

Its standard input tells it what to do, a line of JSON each: `nodes` (name to host and port, those that get clients),
`door` (opens a port, to any of them or to one by name, and prints where it is), `cut` (ends all connections of a node),
`shake` (ends one of all, which a number between 0 and 1 picks). Ends with its standard input. In a process of its own,
and on asyncio's callbacks, because it stands beside hundreds of clients in one other process and must not take their
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
from typing import Any, cast

# As a balancer's health check would: a node that does not take a connection in this time is left out.
CONNECT_S = 1.0


class Side(asyncio.Protocol):
    """One side of a connection; what it reads the other one writes."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Client(Side):
    """The side of a client: finds a node first."""

    def __init__(self, balancing: Balancing, only: str | None) -> None:
        super().__init__()
        self._balancing = balancing
        self.only = only
        self.node = ""
        # What it said before a node was found: the beginning of a handshake.
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._balancing.begin(self)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            # Not paused meanwhile: uvloop begins to read behind connection_made, whatever that has said.
            self._early += data
        else:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._balancing.clients.pop(self, None)

    async def find(self) -> None:
        """Connects it to a node, or ends it."""
        for name, (host, port) in self._balancing.nodes_for(self.only):
            with contextlib.suppress(OSError, TimeoutError):
                dialled = asyncio.get_running_loop().create_connection(Side, host, port)
                _, other = await asyncio.wait_for(dialled, CONNECT_S)
                self.node, self.other, other.other = name, other, self
                break
        if self.transport is None or self.other is None:
            self.end()
        elif self.other.transport is not None:
            self.other.transport.write(self._early)

    def end(self) -> None:
        """At once."""
        for side in (self, self.other):
            if side is not None and side.transport is not None:
                side.transport.abort()


class Balancing:
    """All connections."""

    def __init__(self) -> None:
        self._nodes: dict[str, tuple[str, int]] = {}
        # In the order in which they came.
        self.clients: dict[Client, asyncio.Task[None]] = {}

    def nodes_for(self, only: str | None) -> list[tuple[str, tuple[str, int]]]:
        """Whom to try, in this order."""
        found = [(name, address) for name, address in self._nodes.items() if only in (None, name)]
        random.shuffle(found)
        return found

    def begin(self, client: Client) -> None:
        """A client has come."""
        self.clients[client] = asyncio.get_running_loop().create_task(client.find())

    async def obey(self, order: dict[str, Any]) -> None:
        """One line."""
        if "nodes" in order:
            self._nodes = {name: (host, port) for name, (host, port) in order["nodes"].items()}
        if "cut" in order:
            for client in [client for client in self.clients if client.node == order["cut"]]:
                client.end()
        if "shake" in order:
            shared = [client for client in self.clients if client.only is None]
            for client in itertools.islice(shared, int(order["shake"] * len(shared)), None):
                client.end()
                break
        if "door" in order:
            server = await asyncio.get_running_loop().create_server(
                lambda: Client(self, order["door"]), "127.0.0.1", 0, backlog=1024
            )
            print(server.sockets[0].getsockname()[1], flush=True)


async def main() -> None:
    """Until standard input ends."""
    balancing, lines = Balancing(), asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        await balancing.obey(json.loads(line))
    # Everything of ours is open yet; the one that told us is gone, and nobody wants to read of it.
    os._exit(0)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
