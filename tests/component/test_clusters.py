"""Several whole engines on one store: who decides, what all of them tell, and what happens when one goes."""

from __future__ import annotations

import contextlib
import random
import re
from collections import defaultdict
from contextlib import AsyncExitStack

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.configuration.fields import ConfigError
from engine.stores.nodes import NodeRow
from protocol.errors import StoreUnavailable
from protocol.items import ItemResult, TriggerInput
from protocol.messages import AlertMessage
from tests.support.actors import start
from tests.support.balancer import a_balancer
from tests.support.clusters import WEB, a_cluster, kinds
from tests.support.stores import a_commit
from tocsin.client import Client
from tocsin.testing.engines import Followed


async def heard(followed: Followed, count: int) -> list[tuple[int, int, str]]:
    """(prev, offset, title) of the next messages."""
    told: list[AlertMessage] = [await followed.next() for _ in range(count)]
    return [(each.prev, each.offset, each.data.title) for each in told if each.data is not None]


async def test_a_trigger_at_any_node_is_decided_by_one_and_told_on_all(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        async with a.follow("web") as at_a, b.follow("web") as at_b:
            first = await a.ring("web", title="one")
            second = await b.ring("web", title="one")
            third = await b.ring("web", title="two")
            assert (first.status.value, second.reason.value, third.status.value) == ("fired", "duplicate", "fired")
            assert first.alert_id == second.alert_id
            for followed in (at_a, at_b):
                assert await heard(followed, 2) == [(0, 1, "one"), (1, 2, "two")]
        assert kinds(cluster) == {cluster.owner(): 0, cluster.others()[0]: 1}


async def test_a_process_whose_port_somebody_else_has_is_never_a_node(mock_clock: MockClock) -> None:
    async with a_cluster("a") as cluster:
        a = cluster.nodes_of("a").membership
        taken = cluster.engines["a"].http_url.partition("//")[2]
        for door in ("ws", "http"):
            with pytest.raises(ConfigError, match=re.escape(f"'{taken}' cannot be listened on")):
                async with cluster.node("b", **{door: taken}):
                    raise AssertionError("it runs")
        await cluster.engines["a"].pass_time(1.5)
        assert a.statistics() | {"live": 1, "joined": 0, "left": 0} == a.statistics()


async def test_nodes_say_where_they_really_are(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        await cluster.engines["a"].pass_time(1.5)
        seen = {each.node.address for each in cluster.nodes_of("a").membership.seen}
        assert seen == {engine.http_url.partition("//")[2] for engine in cluster.engines.values()}


async def test_who_follows_a_whole_workspace_hears_of_all_its_channels_on_every_node(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", "c") as cluster, AsyncExitStack() as stack:
        followed = [await stack.enter_async_context(cluster.engines[name].follow()) for name in "abc"]
        for number, name in enumerate("abcabc"):
            await cluster.engines[name].ring(f"framework-{name}", title=str(number))
        told = [await heard(each, 6) for each in followed]
        assert told[0] == told[1] == told[2] == [(n, n + 1, str(n)) for n in range(6)]


async def test_a_thousand_equal_triggers_at_two_nodes_are_one_alert_whose_id_all_learn(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        results: list[ItemResult] = []

        async def ring(name: str) -> None:
            engine = cluster.engines[name]
            bells = [TriggerInput(framework_id="web", title="the same")] * 250
            results.extend(await engine.engine.service.trigger(engine.principal(), bells))

        async with trio.open_nursery() as nursery:
            for name in "abab":
                nursery.start_soon(ring, name)
        assert len(results) == 1_000
        assert [result.status.value for result in results].count("fired") == 1
        assert len({result.alert_id for result in results}) == 1
        assert await cluster.store.duplicates() == 0


async def test_when_the_owner_is_gone_another_node_decides_within_five_seconds(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        engine = cluster.engines[other]
        async with engine.follow("web") as followed:
            await engine.ring("web", title="before")
            with capture_logs():
                cluster.cut(owner)
                results: list[ItemResult] = []
                async with trio.open_nursery() as nursery:

                    async def ring() -> None:
                        results.append(await engine.ring("web", title="after"))

                    nursery.start_soon(ring)
                    await engine.pass_time(5)
                assert [result.status.value for result in results] == ["fired"]
                assert await heard(followed, 2) == [(0, 1, "before"), (1, 2, "after")]
                assert cluster.owner() == other
                cluster.mend(owner)


async def test_an_owner_that_wakes_up_has_missed_nothing_and_does_no_harm(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        asleep, awake = cluster.engines[owner], cluster.engines[other]
        async with asleep.follow("web") as followed:
            await asleep.ring("web", title="before")
            with capture_logs():
                cluster.cut(owner)
                await awake.pass_time(5)
                assert (await awake.ring("web", title="meanwhile")).status.value == "fired"
                cluster.mend(owner)
                # It does not know yet that it was taken for dead.
                results: list[ItemResult] = []
                async with trio.open_nursery() as nursery:

                    async def ring() -> None:
                        # Its channel has looked into the store meanwhile, and says for a moment that it is away.
                        while not results:
                            with contextlib.suppress(StoreUnavailable):
                                results.append(await asleep.ring("web", title="again"))
                            await trio.sleep(0.1)

                    nursery.start_soon(ring)
                    await awake.pass_time(5)
            assert [result.status.value for result in results] == ["fired"]
            assert await heard(followed, 3) == [(0, 1, "before"), (1, 2, "meanwhile"), (2, 3, "again")]
            assert await cluster.store.duplicates() == 0


async def test_what_the_bus_has_lost_is_told_from_the_store(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        async with cluster.engines[other].follow("web") as channel, cluster.engines[other].follow() as workspace:
            await cluster.engines[owner].ring("web", title="before")
            cluster.cables[other].is_cut = True
            for title in ("lost", "too"):
                await cluster.engines[owner].ring("web", title=title)
            await cluster.engines[owner].pass_time(0.5)
            cluster.cables[other].is_cut = False
            await cluster.engines[owner].ring("web", title="after")
            expected = [(0, 1, "before"), (1, 2, "lost"), (2, 3, "too"), (3, 4, "after")]
            assert await heard(channel, 4) == expected
            assert await heard(workspace, 4) == expected


async def test_a_lost_tail_is_noticed_by_the_heartbeats(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        async with cluster.engines[other].follow("web") as channel:
            cluster.cables[other].is_cut = True
            await cluster.engines[owner].ring("web", title="lost")
            await cluster.engines[owner].pass_time(0.2)
            cluster.cables[other].is_cut = False
            await cluster.engines[owner].pass_time(3)
            assert await heard(channel, 1) == [(0, 1, "lost")]


async def test_the_first_word_of_a_node_that_dies_over_it_is_told_everywhere(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", "c") as cluster, AsyncExitStack() as stack:
        owner, others = cluster.owner(), cluster.others()
        followed = [await stack.enter_async_context(cluster.engines[name].follow("web")) for name in others]
        with capture_logs():
            cluster.cables[owner].is_cut = True
            await cluster.engines[owner].ring("web", title="stored, and told nobody")
            cluster.cut(owner)
            await cluster.engines[others[0]].pass_time(5)
            told = [await heard(each, 1) for each in followed]
            assert told == [[(0, 1, "stored, and told nobody")]] * 2
            cluster.mend(owner)


async def test_a_client_that_is_cut_off_at_one_node_goes_on_at_another_where_it_was(mock_clock: MockClock) -> None:
    lost: list[object] = []
    async with a_cluster("a", "b") as cluster, a_balancer(random.Random(1)) as front:
        a, b = cluster.engines["a"], cluster.engines["b"]
        front.lead_to("a", a.ws_url)
        async with Client(front.url, await a.token(), on_lost=lost.append) as client:
            for channel in ("web", "workspace"):
                await client.subscribe(channel)
            await a.ring("web", title="before")
            told = [await anext(client.alerts()) for _ in range(2)]
            front.lead_to("b", b.ws_url)
            front.cut("a")
            # Nobody tells the client of this one: it says where it was, and the other node knows what came after.
            await a.ring("web", title="meanwhile")
            await b.pass_time(5)
            await a.ring("web", title="after")
            told += [await anext(client.alerts()) for _ in range(4)]
        by_channel = defaultdict(list)
        for message in told:
            assert message.data is not None
            by_channel[message.channel].append((message.prev, message.offset, message.data.title))
        assert [*by_channel.values()] == [[(0, 1, "before"), (1, 2, "meanwhile"), (2, 3, "after")]] * 2
        assert (lost, front.carried) == ([], 2)


async def test_a_client_that_knows_more_than_the_node_it_comes_to_misses_nothing_and_hears_nothing_twice(
    mock_clock: MockClock,
) -> None:
    lost: list[object] = []
    async with a_cluster("a", "b") as cluster, a_balancer(random.Random(1)) as front, AsyncExitStack() as stack:
        (other,), owner = cluster.others(), cluster.owner()
        late = [await stack.enter_async_context(cluster.engines[other].follow(name)) for name in ("web", "workspace")]
        # What the owner tells its own followers the other node will hear of a moment later, if not never.
        cluster.cables[other].is_cut = True
        front.lead_to(owner, cluster.engines[owner].ws_url)
        token = await cluster.engines[owner].token()
        async with Client(front.url, token, on_lost=lost.append) as client:
            for channel in ("web", "workspace"):
                await client.subscribe(channel)
            for title in ("one", "two"):
                await cluster.engines[owner].ring("web", title=title)
            told = [await anext(client.alerts()) for _ in range(4)]
            front.lead_to(other, cluster.engines[other].ws_url)
            front.cut(owner)
            await cluster.engines[other].pass_time(5)
            cluster.cables[other].is_cut = False
            await cluster.engines[owner].ring("web", title="three")
            told += [await anext(client.alerts()) for _ in range(2)]
            offsets = {
                name: [each.offset for each in told if each.channel == name] for name in {each.channel for each in told}
            }
            assert offsets == {"alerts:main:web": [1, 2, 3], "alerts:main:*": [1, 2, 3]}
            assert (lost, client.statistics()["gaps"]) == ([], 0)
        for each in late:
            assert await heard(each, 3) == [(0, 1, "one"), (1, 2, "two"), (2, 3, "three")]


async def test_a_node_that_stops_hands_its_workspaces_over_first(mock_clock: MockClock) -> None:
    async with a_cluster("a") as cluster, cluster.node("b"):
        a = cluster.engines["a"]
        await a.pass_time(1)
        await cluster.nodes_of("b").drain()
        await a.pass_time(0.01)
        assert cluster.owner() == "a", "without waiting for a beat"
        assert (await cluster.engines["b"].ring("web", title="still served")).status.value == "fired"
        assert [each.node.is_draining for each in cluster.nodes_of("a").membership.seen].count(True) == 1
        mock_clock.rate = 1.0


async def test_what_a_node_that_has_left_commits_after_its_last_word_is_told_on_the_others(
    mock_clock: MockClock,
) -> None:
    async with a_cluster("a", "b") as cluster:
        a = cluster.engines["a"]
        await cluster.store.renew_node(NodeRow(id="c"))
        await a.pass_time(1.5)
        await cluster.store.forget_node("c")
        await a.pass_time(1.5)
        async with a.follow("web") as followed:
            # Its store's writer was at it when it ended: nobody hears of it.
            await cluster.store.commit(a_commit(WEB))
            await a.pass_time(6)
            assert [offset for _, offset, _ in await heard(followed, 1)] == [1]


async def test_a_node_whose_doors_were_restarted_takes_part_again(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, duty = cluster.engines["a"], cluster.engines["b"].engine._tree._run_duty
        async with trio.open_nursery() as nursery:
            await start(nursery, duty)
            nursery.cancel_scope.cancel()
        await a.pass_time(1.5)
        assert len(cluster.nodes_of("a").membership.owners.nodes) == 1
        # Whatever crashed before it in the tree, its supervisor starts it again.
        async with trio.open_nursery() as nursery:
            await start(nursery, duty)
            await a.pass_time(2.5)
            owners = [cluster.nodes_of(name).membership.owners.nodes for name in "ab"]
            nursery.cancel_scope.cancel()
        assert [len(nodes) for nodes in owners] == [2, 2]
