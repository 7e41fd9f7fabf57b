"""What every cache must do: one that is in this process alone, and one that shares a real Redis (or a cluster of them).

In the second one nothing is found in this process: `forgetful` empties it before each question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from engine.cache.strategies import ALERTS, Key, of_framework
from tests.support.caches import ACME, CHEAP, KEY, OTHER, Answered, Node, Store, a_node, redis_nodes
from tests.support.redis_server import RedisServer

WHERE = ("memory", "redis", "cluster")


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[RedisServer]]:
    servers = RedisServer.cluster_of(3)
    yield servers
    for server in servers:
        server.remove()


@pytest.fixture(params=WHERE)
def place(request: pytest.FixtureRequest) -> Any:
    """How to have a node there."""
    if request.param == "memory":
        return in_memory
    if request.param == "redis":
        server = request.getfixturevalue("redis")
        return lambda: redis_nodes(server.url)
    servers = request.getfixturevalue("cluster")
    return lambda: redis_nodes(servers[0].url)


@asynccontextmanager
async def in_memory() -> AsyncIterator[list[Node]]:
    yield [a_node()]


async def ask(node: Node, key: Key, store: Store, strategy: Any = CHEAP) -> Answered:
    await node.settle()
    if node.shared is not None:
        node.cache.clear()
    answer: Answered = await node.cache.get(strategy, key, store)
    return answer


async def test_an_answer_is_remembered(place):
    async with place() as (node,):
        store = Store()
        store.world = "ä\0\U0001f600"
        assert await ask(node, KEY, store) == await ask(node, KEY, store) == Answered(1, store.world)
        assert node.counts.hits("cheap") == node.counts.misses["cheap"] == 1
        assert node.counts.faults == {}


async def test_another_workspace_framework_part_or_strategy_is_another_answer(place):
    keys = [Key("a", "b", ("c",)), Key("a", "b"), Key("a", None, ("b", "c")), Key("b", "b", ("c",)), Key("a:b", "c")]
    keys += [Key("a", "b:c"), Key("a", "b", ("c", "")), Key("A", "b", ("c",))]
    async with place() as (node,):
        store = Store()
        asked = [(await ask(node, key, store, strategy)).number for key in keys for strategy in (CHEAP, OTHER)]
        again = [(await ask(node, key, store, strategy)).number for key in keys for strategy in (CHEAP, OTHER)]
        assert asked == again == list(range(1, 2 * len(keys) + 1))


async def test_a_tag_ends_what_it_is_of_and_nothing_else(place):
    async with place() as (node,):
        store = Store()
        of_it, beside, foreign = Key(ACME, "checkout"), Key(ACME, "search"), Key("umbrella", "checkout")
        for key in (of_it, beside, foreign):
            await ask(node, key, store)
        node.cache.forget(ACME, [of_framework("checkout")])
        assert [(await ask(node, key, store)).number for key in (of_it, beside, foreign)] == [4, 2, 3]
        node.cache.forget(ACME, [ALERTS])
        assert [(await ask(node, key, store)).number for key in (of_it, beside, foreign)] == [5, 6, 3]


async def test_what_is_forgotten_while_it_is_asked_for_is_not_remembered(place):
    async with place() as (node,):
        store = Store()
        store.gate, store.world = trio.Event(), "old"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(node.cache.get, CHEAP, KEY, store)
            while not store.asked:
                await trio.lowlevel.checkpoint()
            node.cache.forget(ACME, [ALERTS])
            await node.settle()
            store.gate.set()
        store.world = "new"
        assert (await ask(node, KEY, store)).world == "new"
        assert (await ask(node, KEY, store)).number == 2


async def test_a_pattern_of_a_thousand_keys_is_forgotten_and_its_neighbours_are_not(place):
    async with place() as (node,):
        store = Store()
        node.cache.memory._entries_max = 10_000
        keys = [Key(ACME, "checkout", (str(number),)) for number in range(500)]
        for key in keys:
            await node.cache.get(CHEAP, key, store)
        await node.settle()
        for key in (KEY, Key("umbrella")):
            await node.cache.get(OTHER, key, store)
            await node.cache.get(CHEAP, Key("umbrella"), store)
        await node.settle()
        asked = store.asked
        node.cache.forget_kind(CHEAP, ACME)
        for key in (KEY, Key("umbrella")):
            await ask(node, key, store, OTHER)
        await ask(node, Key("umbrella"), store)
        assert store.asked == asked
        for key in keys[::50]:
            await ask(node, key, store)
        assert store.asked == asked + 10


async def test_flush_forgets_everything(place):
    async with place() as (node,):
        store = Store()
        for key in (KEY, Key("umbrella")):
            await ask(node, key, store)
        node.cache.flush()
        for key in (KEY, Key("umbrella")):
            await ask(node, key, store)
        assert store.asked == 4
