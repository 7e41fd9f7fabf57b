"""Caches to try: one node's, several that share a Redis, and a second level in a dictionary that fails when told."""

from __future__ import annotations

import fnmatch
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import trio

from engine.cache import Entry, Found, LevelDown, SecondLevel
from engine.cache import redis as levels
from engine.cache.cache import Cache
from engine.cache.counts import Counts
from engine.cache.memory import Memory
from engine.cache.redis import RedisLevel
from engine.cache.shared import Shared
from engine.cache.strategies import Key, Strategy
from engine.cache.wire import TOKEN_BYTES, Names
from engine.configuration.fields import SecretUrl
from engine.foreign import ForeignLoop

# For a server that lives, on a machine that has much else to do.
UNHURRIED_S = 60.0
levels.TALK_MAX_S = UNHURRIED_S
ACME = "acme"
KEY = Key(ACME, "checkout", ("a",))
MIB = 1 << 20


class Answered(msgspec.Struct, frozen=True):
    """What a store answers: the how-manieth time it was asked, and how things stood."""

    number: int
    world: str = ""
    padding: str = ""


CHEAP: Strategy[Answered] = Strategy("cheap", Answered, 600.0, ("alerts",))
OTHER: Strategy[Answered] = Strategy("other", Answered, 600.0)
STRATEGIES: tuple[Strategy[Any], ...] = (CHEAP, OTHER)


class Store:
    """What is asked: how the world is now. `gate` holds an answer back, which was looked up before."""

    def __init__(self) -> None:
        self.asked = 0
        self.world = ""
        self.padding = ""
        self.fault: Exception | None = None
        self.gate: trio.Event | None = None

    async def __call__(self) -> Answered:
        self.asked += 1
        answer = Answered(self.asked, self.world, self.padding)
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return answer


@dataclass
class Node:
    """One node's cache. Nothing of it runs; `settle` does what its task would do, now."""

    cache: Cache
    shared: Shared | None = None
    level: SecondLevel | None = None

    def waits_only(self, seconds: float) -> None:
        """So long for an answer of its second level, from now on."""
        assert isinstance(self.level, RedisLevel)
        self.level._wait_s = seconds

    async def settle(self) -> bool:
        return self.shared is None or await self.shared.settle()

    @property
    def counts(self) -> Counts:
        return self.cache.counts


def a_node(level: SecondLevel | None = None, **more: Any) -> Node:
    """A node, with a second level if there is one."""
    counts = Counts(STRATEGIES)
    node = Node(Cache(Memory(100, MIB), counts), None, level)
    memory = Memory(more.pop("entries_max", 100), more.pop("bytes_max", MIB))
    if level is not None:
        names = Names(more.pop("prefix", "app"), more.pop("epoch", "an epoch"))
        node.shared = Shared(level, names, counts)
    node.cache = Cache(memory, counts, node.shared, **more)
    return node


@asynccontextmanager
async def redis_nodes(
    url: str, count: int = 1, *, wait_s: float = UNHURRIED_S, **more: Any
) -> AsyncIterator[list[Node]]:
    """So many nodes that share a Redis, each met it already. `wait_s` is no matter of how slow the machine is."""
    async with trio.open_nursery() as nursery:
        foreign = ForeignLoop()
        await nursery.start(foreign.run)
        options = {"wait_s": wait_s, "value_max_bytes": MIB}
        nodes = [a_node(RedisLevel(SecretUrl(url), foreign, **options), **more) for _ in range(count)]
        try:
            for node in nodes:
                assert await node.settle()
            yield nodes
        finally:
            for node in nodes:
                assert node.level is not None
                with trio.CancelScope(shield=True):
                    await node.level.close()
        nursery.cancel_scope.cancel()


class DictLevel:
    """A second level in this process: `fault` is raised by whatever it is asked, `server` is who it says it is."""

    def __init__(self) -> None:
        self.fault: Exception | None = None
        self.server = "first"
        self.pings = 0
        self.kept: dict[str, bytes] = {}
        self.lifetimes: dict[str, float] = {}
        self.closed = False

    async def find(self, key: str, tags: Sequence[str]) -> Found:
        await self._answers()
        tokens = [self.kept.setdefault(tag, secrets.token_bytes(TOKEN_BYTES)) for tag in tags]
        return Found(self.kept.get(key), b"".join(tokens))

    async def keep(self, entries: Sequence[Entry]) -> None:
        await self._answers()
        for entry in entries:
            self.kept[entry.key] = entry.value
            self.lifetimes[entry.key] = entry.lifetime_s

    async def delete(self, keys: Sequence[str]) -> None:
        await self._answers()
        for key in keys:
            self.kept.pop(key, None)

    async def sweep(self, pattern: str) -> int:
        await self._answers()
        found = [key for key in self.kept if fnmatch.fnmatchcase(key, pattern)]
        for key in found:
            del self.kept[key]
        return len(found)

    async def ping(self) -> str:
        self.pings += 1
        await self._answers()
        return self.server

    async def close(self) -> None:
        await trio.lowlevel.checkpoint()
        self.closed = True

    async def _answers(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.fault is not None:
            raise self.fault


DOWN = LevelDown("it is away")
