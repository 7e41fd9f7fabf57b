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
from engine.others import NoOthers
from engine.stores import RevocationKind
from engine.stores.nodes import NodeRow
from protocol.errors import PermissionDenied, StoreUnavailable, Unauthorized, UnknownChannel
from protocol.hints import BroadcastTo
from protocol.items import ItemResult, TriggerInput
from protocol.messages import AlertMessage
from protocol.model import ChannelKey
from protocol.times import SECOND_US, rfc3339
from tests.support.actors import clock, start
from tests.support.balancer import a_balancer
from tests.support.clusters import Cluster, a_cluster
from tests.support.stores import a_commit
from tocsin.client import Client
from tocsin.testing.engines import Followed

WEB = ChannelKey("main", "web")


async def heard(followed: Followed, count: int) -> list[tuple[int, int, str]]:
    """(prev, offset, title) of the next messages."""
    told: list[AlertMessage] = [await followed.next() for _ in range(count)]
    return [(each.prev, each.offset, each.data.title) for each in told if each.data is not None]


def kinds(cluster: Cluster) -> dict[str, int]:
    """How many channels each node has that are decided elsewhere."""
    return {name: engine.engine._tree.up.registry.elsewhere for name, engine in cluster.engines.items()}


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


async def test_a_silence_that_is_made_on_one_node_holds_on_all(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        engine = cluster.engines[other]
        now = clock()
        given = {
            "matchers": [{"name": "alertname", "value": "disk"}],
            "starts_at": rfc3339(now),
            "ends_at": rfc3339(now + 3_600 * SECOND_US),
            "comment": "on it",
        }
        await engine.engine.shelves.silences.create(engine.principal(), given)
        await engine.pass_time(0.01)
        assert (await cluster.engines[owner].ring("web", title="disk")).reason.value == "silenced"


async def test_objects_that_changed_while_the_bus_was_away_are_known_after_it(mock_clock: MockClock) -> None:
    rule = {"id": "cpu", "framework": "web", "metric": "cpu", "kind": "threshold", "threshold": 90}
    async with a_cluster("a", "b") as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        rules = a.engine.shelves.rules
        await rules.create(a.principal(), rule)
        await rules.create(a.principal(), rule | {"id": "gone"})
        await a.pass_time(0.01)
        orders = b.engine._tree.up.orders
        assert [each.id for each in orders.of(WEB).rules] == ["cpu", "gone"]
        cluster.cables["b"].is_cut = True
        await rules.delete(a.principal(), "gone", None)
        await rules.create(a.principal(), rule | {"id": "new"})
        await a.pass_time(0.1)
        cluster.cables["b"].is_cut = False
        await a.pass_time(3)
        assert [each.id for each in orders.of(WEB).rules] == ["cpu", "new"]


async def test_a_token_that_is_revoked_on_one_node_is_refused_and_cut_on_all(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        token = await b.token("ann")
        async with b.follow("web"):
            assert b.engine.service.authenticate(token).user == "ann"
            await a.engine.administration.revoke(a.principal(), RevocationKind.USER, "ann", None)
            await a.pass_time(0.01)
            with pytest.raises(Unauthorized):
                b.engine.service.authenticate(token)
            await a.engine.administration.unrevoke(a.principal(), RevocationKind.USER, "ann")
            await a.pass_time(0.01)
            assert b.engine.service.authenticate(token).user == "ann"


async def test_what_is_revoked_anew_is_not_undone_by_what_the_store_said_before(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, b, view = cluster.engines["a"], cluster.engines["b"], cluster.views["b"]
        here, ask = b.engine.administration, view.revocations
        first = await here.revoke(b.principal(), RevocationKind.USER, "ann", None)
        await b.pass_time(2)

        async def slowly() -> object:
            del view.revocations
            rows = await ask()
            await here.revoke(b.principal(), RevocationKind.USER, "ann", None)
            return rows

        view.revocations = slowly  # type: ignore[attr-defined]
        await a.engine.administration.revoke(a.principal(), RevocationKind.USER, "bob", None)
        await b.pass_time(0.01)
        rows = {row.target: row.at for row in here.revocations(b.principal(), None, 10).items}
        assert rows.keys() == {"ann", "bob"}
        assert rows["ann"] > first.revocation.at


async def test_a_ticket_of_another_node_is_worth_nothing_where_its_token_is_revoked(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, b = (cluster.engines[name].engine for name in "ab")
        ticket = a.service.issue_ticket(a.service.authenticate(await cluster.engines["a"].token("ann"))).ticket
        # The other one has not heard of it yet.
        b.administration._others = NoOthers()
        await b.administration.revoke(cluster.engines["b"].principal(), RevocationKind.USER, "ann", None)
        with pytest.raises(Unauthorized):
            await b.service.redeem(ticket)


async def test_a_rule_with_a_memory_goes_on_where_the_owner_is_now(mock_clock: MockClock) -> None:
    rule = {"id": "cpu", "framework": "web", "metric": "cpu", "kind": "threshold", "threshold": 90}
    async with a_cluster("a", "b") as cluster:
        (other,), owner = cluster.others(), cluster.owner()
        engine = cluster.engines[other]
        await engine.engine.shelves.rules.create(engine.principal(), rule)
        await engine.pass_time(0.01)
        assert (await engine.reading("web", "cpu", 95.0)).status.value == "fired"
        await cluster.nodes_of(owner).drain()
        await engine.pass_time(0.1)
        assert cluster.owner() == other
        assert (await engine.reading("web", "cpu", 96.0)).status.value == "suppressed"
        assert kinds(cluster)[other] == 0


async def test_upkeep_is_one_node_s(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        parts = [engine.engine._tree.up for engine in cluster.engines.values()]
        assert sorted(each.upkeep.is_ours() for each in parts) == [False, True]
        assert [each.rollups.is_ours() for each in parts] == [each.upkeep.is_ours() for each in parts]


async def test_figures_of_nodes_are_in_the_metrics(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        await cluster.engines[cluster.others()[0]].ring("web", title="one")
        text = cluster.engines[cluster.others()[0]].engine.metrics.render().decode()
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tocsin_nodes"))
        assert float(lines["tocsin_nodes_live"]) == 2.0
        assert float(lines["tocsin_nodes_forwarded_total"]) == 1.0


async def test_a_ticket_is_good_once_on_whichever_node(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        a, b = (cluster.engines[name].engine.service for name in "ab")
        ann = a.authenticate(await cluster.engines["a"].token("ann"))
        ticket = a.issue_ticket(ann).ticket
        assert (await b.redeem(ticket)).user == "ann"
        for service in (a, b):
            with pytest.raises(Unauthorized):
                await service.redeem(ticket)
        with pytest.raises(Unauthorized):
            await b.redeem(f"{ticket[:9]}\ud800")


async def test_operators_see_and_end_the_connections_of_all_nodes(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", "c") as cluster, AsyncExitStack() as stack:
        for name in "abc":
            await stack.enter_async_context(cluster.engines[name].follow("web"))
        boss, desk = cluster.engines["a"].principal(), cluster.engines["a"].engine.operators
        first = await desk.connections(boss, limit=2)
        rest = await desk.connections(boss, cursor=first.next_cursor, limit=2)
        ids = [each.client_id for each in (*first.items, *rest.items)]
        assert len(set(ids)) == 3
        assert ids == sorted(ids)
        for client_id in ids:
            await desk.disconnect(boss, client_id)
        assert (await desk.connections(boss)).items == []
        with pytest.raises(UnknownChannel):
            await desk.disconnect(boss, ids[0])


async def record(cluster: Cluster) -> dict[str, str]:
    """What the store's record says of the connection at each node."""
    sql = "SELECT node, status FROM websocket_connections"
    rows = await cluster.store._readers.read(lambda connection: connection.execute(sql).fetchall())
    return {node.partition(".")[0]: status for node, status in rows}


async def test_the_record_says_that_connections_of_a_dead_node_are_over_and_has_them_back_if_it_was_only_stopped(
    mock_clock: MockClock,
) -> None:
    async with a_cluster("a", "b") as cluster, AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(engine.follow("web")) for name, engine in cluster.engines.items()
        }
        await cluster.engines["a"].pass_time(2)
        assert await record(cluster) == {"a": "active", "b": "active"}
        # Whoever tidies for the installation is the one that goes.
        gone = cluster.owner("")
        (left,) = cluster.others("")
        with capture_logs() as logs:
            cluster.cut(gone)
            await cluster.engines[left].pass_time(5)
            assert await record(cluster) == {left: "active", gone: "disconnected"}
            cluster.mend(gone)
            # Its client was there all the time, and shows it.
            await clients[gone].client.subscribe("shop")
            await cluster.engines[gone].pass_time(2)
        assert await record(cluster) == {"a": "active", "b": "active"}
        assert [line["lost"] for line in logs if line["event"] == "connections_of_gone_nodes"] == [1]


async def test_all_connections_of_a_user_end_wherever_they_are(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster, AsyncExitStack() as stack:
        for name in "ab":
            await stack.enter_async_context(cluster.engines[name].follow("web"))
        boss, desk = cluster.engines["a"].principal(), cluster.engines["a"].engine.operators
        assert await desk.disconnect_user(boss, "test") == 2


async def test_a_broadcast_is_heard_on_all_nodes(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster, AsyncExitStack() as stack:
        for name in "ab":
            await stack.enter_async_context(cluster.engines[name].follow("web"))
        engine = cluster.engines["a"].engine
        assert await engine.broadcast(BroadcastTo.WORKSPACE, "main", "lunch") == 2
        assert await engine.broadcast(BroadcastTo.FRAMEWORK, "web", "lunch") == 2
        everybody = (await engine.operators.connections(cluster.engines["a"].principal())).items
        (there,) = [each for each in everybody if not engine.operators.is_here(None, each.client_id)]
        assert await engine.broadcast(BroadcastTo.CLIENT, there.client_id, "lunch") == 1
        with pytest.raises(UnknownChannel):
            await engine.broadcast(BroadcastTo.CLIENT, "nobody", "lunch")


async def test_a_node_that_does_not_answer_is_left_out_of_lists(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster, cluster.engines["a"].follow("web"), cluster.engines["b"].follow("web"):
        cluster.cables["b"].is_cut = True
        boss, desk = cluster.engines["a"].principal(), cluster.engines["a"].engine.operators
        pages: list[int] = []

        async def ask() -> None:
            pages.append(len((await desk.connections(boss)).items))

        with capture_logs():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await cluster.engines["a"].pass_time(1.1)
        assert pages == [1]
        cluster.cables["b"].is_cut = False


async def test_a_node_whose_answer_is_of_another_version_is_left_out_of_lists(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster, cluster.engines["a"].follow("web"), cluster.engines["b"].follow("web"):
        cluster.nodes_of("b").questions.answer("connections", lambda body: {"pages": "of tomorrow"})
        boss, desk = cluster.engines["a"].principal(), cluster.engines["a"].engine.operators
        with capture_logs() as logs:
            assert len((await desk.connections(boss)).items) == 1
        assert [line["about"] for line in logs if line["event"] == "answer_of_another_version"] == ["connections"]


async def test_the_operator_sees_all_nodes_and_how_they_are(mock_clock: MockClock) -> None:
    async with a_cluster("a", "b", "c") as cluster:
        with capture_logs():
            cluster.cut("c")
            await cluster.nodes_of("b").drain()
            await cluster.engines["a"].pass_time(5)
            verbs = cluster.engines["a"].engine._tree.up.node_verbs
            boss = cluster.engines["a"].engine.principal("boss", workspace="system")
            found = {each.id.partition(".")[0]: (each.state, each.is_this) for each in verbs.nodes(boss).items}
            assert found == {"a": ("live", True), "b": ("draining", False), "c": ("silent", False)}
            with pytest.raises(PermissionDenied):
                verbs.nodes(cluster.engines["a"].principal())
            cluster.mend("c")
