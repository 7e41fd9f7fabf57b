"""What stands in front of several nodes: one port, and each connection goes to any node that takes it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

# As a balancer's health check would: a node that does not take a connection in this time is left out.
CONNECT_S = 1.0


class Balancer:
    """Carries bytes. `nodes`: host and port of each, by name; those in `out` get nobody."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.nodes: dict[str, tuple[str, int]] = {}
        self.out: set[str] = set()
        self.port = 0
        self.carried = 0
        self._scopes: dict[str, set[trio.CancelScope]] = {}

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}"

    def lead_to(self, name: str, url: str) -> None:
        """Whoever comes from now on is at this node, whose address is in its ws:// URL."""
        host, _, port = url.removeprefix("ws://").rpartition(":")
        self.nodes = {name: (host, int(port))}

    def cut(self, name: str) -> None:
        """Nobody goes to this node any more, and who is there is sent away."""
        self.out.add(name)
        for scope in self._scopes.get(name, set()):
            scope.cancel()

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, from its begin to its end."""
        async with stream:
            found = await self._dial()
            if found is None:
                return
            name, node = found
            scopes = self._scopes.setdefault(name, set())
            self.carried += 1
            async with node, trio.open_nursery() as nursery:
                scopes.add(nursery.cancel_scope)
                nursery.start_soon(_carry, stream, node, nursery.cancel_scope)
                await _carry(node, stream, nursery.cancel_scope)
            scopes.discard(nursery.cancel_scope)

    async def _dial(self) -> tuple[str, trio.SocketStream] | None:
        names = [name for name in self.nodes if name not in self.out]
        self._chance.shuffle(names)
        for name in names:
            with trio.move_on_after(CONNECT_S):
                try:
                    return name, await trio.open_tcp_stream(*self.nodes[name])
                except OSError:
                    continue
        return None


async def _carry(source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(65_536):
            await target.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@asynccontextmanager
async def a_balancer(chance: random.Random) -> AsyncIterator[Balancer]:
    """A balancer that listens."""
    balancer = Balancer(chance)
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        balancer.port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, balancer.serve, listeners)
        yield balancer
        nursery.cancel_scope.cancel()
