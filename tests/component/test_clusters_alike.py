"""Several whole engines on one store: what was said at one of them holds on all, and operators see all of them."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from engine.nodes.receipts import CONFIRM_S
from engine.others import NoOthers
from engine.stores.connections import RevocationKind
from protocol.errors import PermissionDenied, Unauthorized, UnknownChannel
from protocol.hints import BroadcastTo
from protocol.times import SECOND_US, rfc3339
from tests.support.actors import clock
from tests.support.clusters import WEB, Cluster, a_cluster, kinds


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
        assert (await cluster.engines[owner].ring("web", title="disk")).reason.value == "silenced"


async def test_objects_that_changed_while_the_bus_was_away_are_known_after_it(mock_clock: MockClock) -> None:
    rule = {"id": "cpu", "framework": "web", "metric": "cpu", "kind": "threshold", "threshold": 90}
    async with a_cluster("a", "b") as cluster:
        a, b = cluster.engines["a"], cluster.engines["b"]
        rules = a.engine.shelves.rules
        await rules.create(a.principal(), rule)
        await rules.create(a.principal(), rule | {"id": "gone"})
        orders = b.engine._tree.up.orders
        assert [each.id for each in orders.of(WEB).rules] == ["cpu", "gone"]
        cluster.cables["b"].is_cut = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rules.delete, a.principal(), "gone", None)
            nursery.start_soon(rules.create, a.principal(), rule | {"id": "new"})
            await a.pass_time(CONFIRM_S)
        assert cluster.nodes_of("a").statistics()["receipts_unconfirmed"] == 2
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
