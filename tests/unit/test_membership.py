"""Which nodes there are: on real stores, one in memory and one in a file, in virtual and in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.nodes.membership import BEAT_S, BEHIND_S, LIVE_S, Membership, able
from engine.stores import open_store
from engine.stores.connections import ConnectionChange, ConnectionEvent
from engine.stores.nodes import FORGOTTEN_S, NodeRow, NodeSeen, NodeStore
from protocol.errors import StoreUnavailable
from tests.support.actors import clock, start
from tests.support.stores import StoreFactory


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    with capture_logs() as entries:
        yield entries


class Away:
    """A store that can be away."""

    def __init__(self, store: NodeStore) -> None:
        self.store, self.is_away = store, False

    async def renew_node(self, node: NodeRow) -> Sequence[NodeSeen]:
        self._check()
        return await self.store.renew_node(node)

    async def forget_node(self, node: str) -> None:
        self._check()
        await self.store.forget_node(node)

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("no route to host")


class Cluster:
    """Members on one store, who hear of each other's changes."""

    def __init__(self, store: NodeStore, nursery: trio.Nursery) -> None:
        self.store, self._nursery = store, nursery
        self.members: dict[str, Membership] = {}
        self.scopes: dict[str, trio.CancelScope] = {}
        self.is_deaf = False

    async def add(self, name: str) -> Membership:
        member = Membership(self.store, NodeRow(id=name), lambda: self._announce(name))
        self.members[name] = member

        async def run(task_status: trio.TaskStatus[None]) -> None:
            with trio.CancelScope() as scope:
                self.scopes[name] = scope
                await member.run(task_status)  # type: ignore[arg-type]

        await self._nursery.start(run)
        return member

    def _announce(self, by: str) -> None:
        for name, member in self.members.items():
            if name != by and not self.is_deaf:
                member.look()

    def owners(self) -> dict[str, list[str]]:
        return {name: list(member.owners.nodes) for name, member in self.members.items()}


@asynccontextmanager
async def a_cluster(*names: str) -> AsyncIterator[Cluster]:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        cluster = Cluster(store, nursery)
        for name in names:
            await cluster.add(name)
        await wait_all_tasks_blocked()
        yield cluster
        nursery.cancel_scope.cancel()


async def test_every_store_keeps_who_runs_on_it_and_how_long_ago_that_was(factory: StoreFactory) -> None:
    now = [1_000_000_000_000_000]
    async with factory.open(clock=lambda: now[0]) as store:
        await store.renew_node(NodeRow(id="a", address="http://a:8080", version="1", started_at=7))
        now[0] += 2_500_000
        seen = await store.renew_node(NodeRow(id="b", is_draining=True))
        a = NodeRow(id="a", address="http://a:8080", version="1", started_at=7)
        assert seen == [NodeSeen(node=a, age_s=2.5), NodeSeen(node=NodeRow(id="b", is_draining=True), age_s=0.0)]
        now[0] += 4_000_000
        assert [each.before_s for each in await store.renew_node(NodeRow(id="b"))] == [None, 4.0]
        now[0] -= 14_000_000
        assert [each.age_s for each in await store.renew_node(NodeRow(id="b"))] == [0.0, 0.0]
        now[0] += 4_000_000
        ages = [each.age_s for each in await store.renew_node(NodeRow(id="b"))]
        assert ages == [4.0, 0.0], "a clock that was set back keeps nobody alive"
        await store.forget_node("b")
        now[0] += int(FORGOTTEN_S * 1e6) + 20_000_000
        assert [each.node.id for each in await store.renew_node(NodeRow(id="c"))] == ["c"]


async def test_connections_are_lost_with_nodes_that_were_silent_for_so_long_by_the_clock_of_the_store(
    factory: StoreFactory,
) -> None:
    now = [1_000_000_000_000_000]
    async with factory.open(clock=lambda: now[0]) as store:
        await store.renew_node(NodeRow(id="a"))
        opened = ConnectionChange(
            kind=ConnectionEvent.OPENED, client_id="c", at=1, user="ann", workspace="acme", node="a"
        )
        await store.connection_changes([opened])
        now[0] += 3_000_000
        assert await store.lose_connections(LIVE_S) == 0
        now[0] += 1
        assert await store.lose_connections(LIVE_S) == 1


async def test_all_agree_on_who_is_there_as_soon_as_somebody_comes(autojump_clock: MockClock) -> None:
    async with a_cluster("a", "b", "c") as cluster:
        assert cluster.owners() == {name: ["a", "b", "c"] for name in "abc"}
        owners = {member.owners.of("acme") for member in cluster.members.values()}
        assert len(owners) == 1
        assert [member.is_ours("acme") for member in cluster.members.values()].count(True) == 1


async def test_a_node_that_is_killed_is_noticed_as_soon_as_its_row_is_too_old(
    autojump_clock: MockClock, logs: list
) -> None:
    async with a_cluster("a") as cluster:
        told: list[float] = []
        a = cluster.members["a"]
        a.on_change(lambda: told.append(trio.current_time()))
        await cluster.store.renew_node(NodeRow(id="b"))
        killed = trio.current_time()
        await trio.sleep(10)
        assert cluster.owners() == {"a": ["a"]}
        assert len(told) == 2, "it came, and it went"
        # Perhaps a look too early by a rounding, and then another one.
        assert LIVE_S < told[-1] - killed <= LIVE_S + 2 * BEHIND_S
        assert a.statistics() == {"live": 1, "joined": 1, "left": 1, "missed_beats": 0, "lapses": 0}
        assert [line["event"] for line in logs] == ["node_joined", "node_left"]


async def test_who_has_left_is_looked_behind_at_once_and_when_nothing_of_it_can_be_under_way(
    autojump_clock: MockClock,
) -> None:
    async with a_cluster("a", "b") as cluster:
        looked: list[float] = []
        cluster.members["a"].on_left = lambda: looked.append(trio.current_time())
        left = trio.current_time()
        cluster.scopes["b"].cancel()
        await trio.sleep(20)
        assert [at - left for at in looked] == [0, 6]


async def test_a_node_that_drains_owns_nothing_at_once_and_still_counts_as_there(autojump_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        await cluster.members["b"].drain()
        await wait_all_tasks_blocked()
        assert cluster.owners() == {"a": ["a"], "b": ["a"]}
        assert cluster.members["a"].statistics()["live"] == 2


async def test_a_node_that_ends_takes_its_row_with_it(autojump_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        cluster.scopes["b"].cancel()
        await wait_all_tasks_blocked()
        assert cluster.owners()["a"] == ["a"]
        assert len(cluster.members["a"].seen) == 1


async def test_what_nobody_said_is_noticed_with_the_next_beat(autojump_clock: MockClock) -> None:
    async with a_cluster("a", "b") as cluster:
        cluster.is_deaf = True
        await cluster.members["b"].drain()
        await trio.sleep(BEAT_S * 1.01)
        assert cluster.owners() == {"a": ["a"], "b": ["a"]}


async def test_while_the_store_is_away_what_was_seen_last_counts_on(autojump_clock: MockClock) -> None:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        away = Away(store)
        await store.renew_node(NodeRow(id="b"))
        member = Membership(away, NodeRow(id="a"), lambda: None)
        await start(nursery, member.run)
        away.is_away = True
        await trio.sleep(30.5)
        assert list(member.owners.nodes) == ["a", "b"]
        assert member.missed_beats == 30
        away.is_away = False
        await trio.sleep(LIVE_S)
        assert list(member.owners.nodes) == ["a", "b"], "nobody could renew his row before now"
        await trio.sleep(BEAT_S)
        assert list(member.owners.nodes) == ["a"]
        away.is_away = True
        nursery.cancel_scope.cancel()


async def test_a_store_that_goes_while_a_row_is_about_to_be_too_old_is_asked_once_a_beat(
    autojump_clock: MockClock,
) -> None:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        away = Away(store)
        await store.renew_node(NodeRow(id="b"))
        # Seen at almost a beat, then two: and it is not refused before the third look.
        await trio.sleep(0.98 * BEAT_S)
        member = Membership(away, NodeRow(id="a"), lambda: None)
        await start(nursery, member.run)
        await trio.sleep(2.01 * BEAT_S)
        away.is_away = True
        await trio.sleep(10 * BEAT_S)
        assert member.missed_beats in (10, 11)
        nursery.cancel_scope.cancel()


async def test_a_store_that_was_away_for_all_leaves_every_workspace_where_it_was(autojump_clock: MockClock) -> None:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        stores = [Away(store) for _ in range(3)]
        members = [Membership(each, NodeRow(id=name), lambda: None) for each, name in zip(stores, "abc", strict=True)]
        for member in members:
            await start(nursery, member.run)
        # Between two beats: nothing here is decided by who comes first at one moment.
        await trio.sleep(2.5 * BEAT_S)
        changes = list[str]()
        for member in members:
            member.on_change(lambda: changes.append("changed"))
        for each in stores:
            each.is_away = True
        await trio.sleep(3 * LIVE_S)
        # The first one finds that all others are silent, and then one after the other is back.
        for each in stores:
            each.is_away = False
            await trio.sleep(BEAT_S)
        await trio.sleep(3 * LIVE_S)
        assert [list(member.owners.nodes) for member in members] == [["a", "b", "c"]] * 3
        assert [member.left for member in members] == [0, 0, 0]
        assert changes == ["changed"] * 3, "each reads anew what it has in memory, once"
        nursery.cancel_scope.cancel()


async def test_a_node_that_was_taken_for_dead_learns_it_although_it_owns_what_it_owned(
    autojump_clock: MockClock, logs: list
) -> None:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        away = Away(store)
        member, told = Membership(away, NodeRow(id="a"), lambda: None), list[str]()
        await start(nursery, member.run)
        member.on_lapse = lambda: told.append("lapsed")
        member.on_change(lambda: told.append("changed"))
        for silent_s in (LIVE_S - BEAT_S, LIVE_S + BEAT_S):
            away.is_away = True
            await trio.sleep(silent_s)
            away.is_away = False
            await trio.sleep(2 * BEAT_S)
        assert (told, member.lapses) == (["lapsed", "changed"], 1)
        await store.forget_node("a")
        await trio.sleep(2 * BEAT_S)
        assert member.lapses == 2
        nursery.cancel_scope.cancel()


async def test_it_has_started_when_its_row_is_there_however_long_the_store_was_away(autojump_clock: MockClock) -> None:
    async with open_store("memory:", clock=clock) as store, trio.open_nursery() as nursery:
        away = Away(store)
        away.is_away = True
        member = Membership(away, NodeRow(id="a"), lambda: None)

        async def back() -> None:
            await trio.sleep(5.5)
            away.is_away = False

        nursery.start_soon(back)
        await start(nursery, member.run)
        assert trio.current_time() == pytest.approx(6.0)
        nursery.cancel_scope.cancel()


def test_if_all_are_draining_all_of_them_may_still_own_something() -> None:
    seen = [NodeSeen(node=NodeRow(id=name, is_draining=True), age_s=0.0) for name in "ab"]
    assert able(seen) == ["a", "b"]
