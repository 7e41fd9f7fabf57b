"""Servers, nodes and what stands before them; what they say of themselves, also of those that are gone."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import trio

from tests.support.chaos.balancer import Balancer, a_balancer
from tests.support.chaos.sizes import NODES
from tests.support.engines import EngineProcess, an_engine_process
from tests.support.postgres_fixtures import migrated_template
from tests.support.postgres_server import APP, KEEPER, PostgresServer
from tests.support.redis_server import RedisServer

SETTINGS = {
    "TOCSIN_SUPPRESSION_WINDOW_S": "7200",
    "TOCSIN_NOTIFY_ALLOW_PRIVATE": "127.0.0.1/32",
    "TOCSIN_NOTIFY_SEALING_SECRET": "what seals endpoints here, 32 bytes or more",
    # A node that is killed leaves its jobs to others after so long.
    "TOCSIN_JOBS_LEASE_S": "15",
    "TOCSIN_JOBS_SWEEP_S": "1",
    # Whoever is refused for being late is so for good: a hundred clients at once take their time on a full machine.
    "TOCSIN_GATEWAY_HANDSHAKE_S": "60",
    "TOCSIN_GATEWAY_AUTH_S": "60",
}
# A node that is ready has heard of the others by then, and they of it.
NEWS_S = 1.5
BAD_LEVELS = ("error", "critical")


class Installation:
    """All of it but the clients."""

    def __init__(self, postgres: PostgresServer, redis: RedisServer | None, balancer: Balancer, folder: Path) -> None:
        self.postgres, self.redis, self.balancer = postgres, redis, balancer
        self.nodes: dict[str, EngineProcess] = {}
        # What runs that are over have counted, by the figure's name with its labels.
        self.counted: Counter[str] = Counter()
        self._database = ""
        self._folder = folder
        self._stacks: dict[str, AsyncExitStack] = {}

    async def start_all(self) -> None:
        """The database, and all nodes on it."""
        self._database = await trio.to_thread.run_sync(migrated_template, self.postgres)
        async with trio.open_nursery() as starting:
            for name in NODES:
                starting.start_soon(self.start, name)
        await trio.sleep(NEWS_S)

    async def start(self, name: str) -> None:
        """Another node, ready."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        settings = SETTINGS | {"TOCSIN_STORE": self.postgres.url(self._database, APP), "TOCSIN_NODE": name}
        if self.redis is not None:
            settings["TOCSIN_REDIS_URL"] = self.redis.url
        stack = self._stacks[name] = AsyncExitStack()
        node = await stack.enter_async_context(an_engine_process(folder, **settings))
        self.nodes[name] = node
        host, _, port = node.ws_address.rpartition(":")
        await self.balancer.put_in(name, (host, int(port)))

    async def kill(self, name: str) -> None:
        """As a power cut would."""
        await self.nodes.pop(name).kill()
        await self._stacks.pop(name).aclose()

    async def stop_politely(self, name: str, within_s: float) -> int:
        """As a rolling upgrade does; its exit code. Raises TooSlowError."""
        node = self.nodes.pop(name)
        self.signal(node, signal.SIGTERM)
        try:
            return await node.wait(within_s)
        finally:
            with trio.CancelScope(shield=True):
                await self._stacks.pop(name).aclose()

    async def stop(self) -> None:
        """All nodes, politely."""
        async with trio.open_nursery() as nursery:
            for stack in self._stacks.values():
                nursery.start_soon(stack.aclose)

    def signal(self, node: EngineProcess, number: signal.Signals) -> None:
        """To one node's process."""
        os.kill(node.pid, number)

    async def sql(self, text: str) -> list[list[str]]:
        """What the database itself says. In a thread: clients are to be heard meanwhile."""
        return await trio.to_thread.run_sync(self.postgres.sql, text, self._database, KEEPER)

    async def note_figures(self, name: str) -> None:
        """Adds up what this run of a node has counted, before it ends."""
        async with httpx.AsyncClient(timeout=170.0) as http:
            text = (await http.get(f"{self.nodes[name].http}/metrics")).text
        for line in text.splitlines():
            if line.startswith("tocsin_") and "_total" in line:
                figure, _, value = line.rpartition(" ")
                self.counted[figure] += int(float(value))

    def figure(self, name: str) -> int:
        """So much of it was counted by all runs that were noted, whatever its labels."""
        return sum(value for figure, value in self.counted.items() if figure.partition("{")[0] == name)

    def complaints(self) -> Counter[str]:
        """What nodes have logged as errors, by its words."""
        found = Counter[str]()
        for name in NODES:
            for line in (self._folder / name / "stderr").read_text(errors="replace").splitlines():
                # What is cut off by a kill is no line.
                if line.startswith("{") and line.endswith("}"):
                    said = json.loads(line)
                    if said.get("level") in BAD_LEVELS:
                        found[str(said.get("event"))[:60]] += 1
                elif line.startswith("Traceback"):
                    found["a traceback"] += 1
        return found


@asynccontextmanager
async def an_installation(folder: Path, chance: random.Random, with_redis: bool) -> AsyncIterator[Installation]:
    """Nodes that run."""
    postgres = await trio.to_thread.run_sync(PostgresServer.start)
    redis = RedisServer.start() if with_redis else None
    try:
        async with a_balancer(chance) as balancer:
            installation = Installation(postgres, redis, balancer, folder)
            try:
                await installation.start_all()
                yield installation
            finally:
                with trio.CancelScope(shield=True):
                    await installation.stop()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(postgres.remove)
            if redis is not None:
                redis.remove()
