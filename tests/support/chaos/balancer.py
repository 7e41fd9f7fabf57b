"""What stands in front of the nodes: one port, and each connection goes to any node that takes it.

In a process of its own (`balancing.py`); that of `tests.support.balancer` runs in the test's own process and time.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.engines import ROOT, environment, first_line


class Balancer:
    """Tells the program (`balancing.py`) what to do. Nodes that are out get nobody."""

    def __init__(self, chance: random.Random, process: trio.Process) -> None:
        self._chance = chance
        self._process = process
        self._one_at_a_time = trio.Lock()
        self._nodes: dict[str, tuple[str, int]] = {}
        self._out: set[str] = set()
        self.url = ""
        # Connections that `shake` has ended.
        self.shaken = 0

    @property
    def healthy(self) -> list[str]:
        """The nodes that get connections."""
        return sorted(self._nodes.keys() - self._out)

    async def put_in(self, name: str, address: tuple[str, int] | None = None) -> None:
        """A node that takes connections: here, or where it was."""
        if address is not None:
            self._nodes[name] = address
        self._out.discard(name)
        await self._say(nodes=self._open)

    async def take_out(self, name: str) -> None:
        """Nobody goes to this node any more; who is there stays."""
        self._out.add(name)
        await self._say(nodes=self._open)

    async def cut(self, name: str) -> None:
        """Nobody goes to this node any more, and who is there is sent away."""
        self._out.add(name)
        await self._say(nodes=self._open, cut=name)

    async def shake(self) -> None:
        """Ends one connection: its client comes back to any node."""
        self.shaken += 1
        await self._say(shake=self._chance.random())

    async def open_door(self, name: str | None = None) -> str:
        """Where clients connect to any node, or to this one alone: whoever comes in by the latter is never shaken."""
        await self._say(door=name)
        return f"ws://127.0.0.1:{await first_line(self._process)}"

    @property
    def _open(self) -> dict[str, tuple[str, int]]:
        return {name: address for name, address in self._nodes.items() if name not in self._out}

    async def _say(self, **order: object) -> None:
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            await self._process.stdin.send_all(json.dumps(order).encode() + b"\n")


@asynccontextmanager
async def a_balancer(chance: random.Random) -> AsyncIterator[Balancer]:
    """A balancer that listens."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "tests.support.chaos.balancing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=ROOT,
    )
    try:
        balancer = Balancer(chance, process)
        balancer.url = await balancer.open_door()
        yield balancer
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            assert process.stdout is not None
            # Its end: it owns nothing that is worth a goodbye.
            await process.stdin.aclose()
            await process.wait()
            await process.stdout.aclose()
