"""The caches of several nodes: what one of them commits, no other one tells differently."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from engine.cache.strategies import STATISTICS, Key, Statistics
from engine.shelf.kinds import ShelfQuery
from engine.stores import AlertQuery
from engine.verbs.people import Deed
from protocol.changes import Action
from protocol.model import AlertState, Principal
from tests.support.clusters import Cluster, a_cluster, settled
from tocsin.testing.engines import EngineUnderTest

RULE = {"kind": "threshold", "id": "hot", "framework": "web", "metric": "cpu", "threshold": 90, "severity": "error"}
MINE = AlertQuery(workspace="main", states=(AlertState.ACTIVE, AlertState.ACKNOWLEDGED), assigned_to="ann")


def ann(node: EngineUnderTest) -> Principal:
    return node.engine.principal("ann")


async def rules(node: EngineUnderTest) -> list[str]:
    page = await node.engine.shelves.rules.page(ann(node), ShelfQuery())
    return [held.id for held in page.items]


async def mine(node: EngineUnderTest) -> list[str]:
    return [alert.title for alert in (await node.engine.service.alerts(ann(node), MINE)).items]


def misses(cluster: Cluster, name: str, kind: str) -> int:
    return cluster.engines[name].engine._up.cache.counts.misses[kind]


async def test_a_rule_that_was_made_on_one_node_is_in_the_lists_of_all(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", rules=()) as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        assert await rules(b) == await rules(a) == await rules(b) == []
        await a.engine.shelves.rules.create(ann(a), RULE)
        assert await rules(a) == ["hot"]
        await settled(cluster)
        assert await rules(b) == ["hot"]
        asked = misses(cluster, "b", "rules")
        assert await rules(b) == ["hot"]
        assert misses(cluster, "b", "rules") == asked


async def test_who_has_seen_an_alert_on_his_stream_finds_it_in_the_next_answer_of_that_node(
    mock_clock: MockClock,
) -> None:
    async with a_cluster("a", "b", rules=()) as cluster:
        (other,) = cluster.others()
        a, b = cluster.engines[cluster.owner()], cluster.engines[other]
        assert await mine(b) == []
        async with b.follow("web") as followed:
            fired = await a.ring("web", title="down")
            assert fired.alert_id is not None
            await followed.next()
            assert await mine(b) == []
            deed = Deed(action=Action.ASSIGN, assignee="ann")
            await a.engine.service.act(ann(a), [fired.alert_id], deed)
            await followed.next()
            assert await mine(b) == await mine(b) == ["down"]
            assert misses(cluster, other, "open_alerts") == 3


async def test_a_fired_alert_ends_what_every_node_keeps_of_its_framework(mock_clock: MockClock) -> None:
    async def load() -> Statistics:
        return Statistics(at=0, numbers={})

    async with a_cluster("a", "b", "c") as cluster:
        caches = {name: node.engine._up.cache for name, node in cluster.engines.items()}
        for cache in caches.values():
            for framework in ("web", "search"):
                await cache.get(STATISTICS, Key("main", framework), load)
        await cluster.engines["a"].ring("web", title="down")
        await settled(cluster)
        kept = {name: {key.framework for _, key in cache.memory._entries} for name, cache in caches.items()}
        assert kept == {name: {"search"} for name in "abc"}


async def test_what_a_node_did_not_hear_of_it_tells_no_longer_than_the_bound_says(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", rules=()) as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        assert await rules(b) == []
        cluster.cables["b"].is_cut = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.engine.shelves.rules.create, ann(a), RULE)
            await settled(cluster)
        assert await rules(b) == []
        mock_clock.jump(b.engine.config.cache.near_s)
        assert await rules(b) == ["hot"]
