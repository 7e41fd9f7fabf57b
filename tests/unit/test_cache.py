"""The cache of one node: each question once, nothing old, and never an error of its own."""

from __future__ import annotations

import pytest
import trio
from prometheus_client.core import Metric
from trio.testing import wait_all_tasks_blocked

from engine.cache.cache import Cache
from engine.cache.counts import Fault
from engine.cache.strategies import ALERTS, Key, of_framework
from engine.stores import CommittedEvents
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey, Event, EventKind
from protocol.times import rfc3339
from tests.support.caches import ACME, CHEAP, KEY, OTHER, Answered, DictLevel, Store, a_node
from tests.support.stores import NOW, an_alert

# What is asked


async def test_while_a_question_is_under_way_all_who_ask_the_same_wait_for_it(autojump_clock):
    store, node, answers = Store(), a_node(), []
    store.gate = trio.Event()

    async def ask() -> None:
        answers.append(await node.cache.get(CHEAP, KEY, store))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        store.gate.set()
    assert answers == [Answered(1)] * 100
    assert (node.counts.misses["cheap"], node.counts.joined["cheap"], node.counts.hits("cheap")) == (1, 99, 99)


async def test_when_whoever_asked_is_cancelled_one_of_those_who_wait_asks_anew(autojump_clock):
    store, node, answers = Store(), a_node(), []
    store.gate = trio.Event()

    async def ask(scope: trio.CancelScope) -> None:
        with scope:
            answers.append(await node.cache.get(CHEAP, KEY, store))

    async with trio.open_nursery() as nursery:
        first = trio.CancelScope()
        nursery.start_soon(ask, first)
        await wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(ask, trio.CancelScope())
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        store.gate.set()
    assert answers == [Answered(2)] * 3


async def test_a_question_that_fails_fails_for_all_who_wait_and_is_asked_again_by_the_next(autojump_clock):
    store, node, failed = Store(), a_node(), []
    store.gate, store.fault = trio.Event(), StoreUnavailable("away")

    async def ask() -> None:
        with pytest.raises(StoreUnavailable, match="away"):
            await node.cache.get(CHEAP, KEY, store)
        failed.append(True)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        store.gate.set()
    assert (len(failed), store.asked) == (3, 1)
    store.fault = None
    assert await node.cache.get(CHEAP, KEY, store) == Answered(2)


# What is forgotten


async def test_what_was_forgotten_while_it_was_asked_for_is_told_to_who_asked_before_and_not_remembered(autojump_clock):
    store, node, before = Store(), a_node(), []
    store.gate, store.world = trio.Event(), "old"

    async def ask() -> None:
        before.append(await node.cache.get(CHEAP, KEY, store))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        store.world, gate, store.gate = "new", store.gate, None
        node.cache.forget(ACME, [ALERTS])
        after = await node.cache.get(CHEAP, KEY, store)
        gate.set()
    assert (before[0].world, after.world) == ("old", "new")
    assert (await node.cache.get(CHEAP, KEY, store)).world == "new"


async def test_committed_events_end_what_is_kept_of_their_frameworks_and_of_the_workspaces_alerts():
    store, node = Store(), a_node()
    checkout, search = Key(ACME, "checkout"), Key(ACME, "search")
    foreign, whole = Key("umbrella", "checkout"), Key(ACME)
    for key in (checkout, search, foreign, whole):
        await node.cache.get(OTHER, key, store)
        await node.cache.get(CHEAP, key, store)
    event = Event(offset=1, kind=EventKind.FIRED, alert=an_alert(framework_id="checkout"), at=rfc3339(NOW))
    node.cache.told([CommittedEvents(ACME, (event,))])
    kept = [
        (name, key)
        for name in ("other", "cheap")
        for key in (checkout, search, foreign, whole)
        if (name, key) in node.cache.memory
    ]
    assert kept == [("other", search), ("other", foreign), ("other", whole), ("cheap", foreign)]


async def test_a_commit_without_events_ends_nothing():
    store, node = Store(), a_node()
    await node.cache.get(CHEAP, KEY, store)
    node.cache.told([CommittedEvents(ACME, ())])
    assert (CHEAP.name, KEY) in node.cache.memory


async def test_what_a_batch_has_moved_on_is_ended_too_also_when_its_events_are_not_told():
    store, node = Store(), a_node()
    for key in (KEY, Key(ACME, "search")):
        await node.cache.get(OTHER, key, store)
    node.cache.told([CommittedEvents(ACME, (), (ChannelKey(ACME, "checkout"),))])
    assert [("other", key) in node.cache.memory for key in (KEY, Key(ACME, "search"))] == [False, True]


async def test_after_a_gap_everything_is_asked_for_anew(autojump_clock):
    store, node, answers = Store(), a_node(), []
    other = Key(ACME, "search")
    await node.cache.get(CHEAP, other, store)
    store.gate = trio.Event()

    async def ask() -> None:
        answers.append(await node.cache.get(CHEAP, KEY, store))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        node.cache.clear()
        store.gate.set()
    assert len(node.cache.memory) == 0


async def test_a_kind_is_forgotten_also_where_it_is_being_asked_for(autojump_clock):
    store, node = Store(), a_node()
    foreign = Key("umbrella")
    await node.cache.get(CHEAP, foreign, store)
    await node.cache.get(OTHER, KEY, store)
    store.gate = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.cache.get, CHEAP, KEY, store)
        nursery.start_soon(node.cache.get, OTHER, foreign, store)
        await wait_all_tasks_blocked()
        node.cache.forget_kind(CHEAP, ACME)
        store.gate.set()
    assert sorted(("other", "cheap").index(name) for name, _ in node.cache.memory._entries) == [0, 0, 1]
    assert (CHEAP.name, KEY) not in node.cache.memory


# How long, how much


async def test_an_entry_ends_after_its_lifetime(autojump_clock):
    store, node = Store(), a_node()
    await node.cache.get(CHEAP, KEY, store)
    await trio.sleep(CHEAP.lifetime_s - 0.001)
    assert (await node.cache.get(CHEAP, KEY, store)).number == 1
    await trio.sleep(0.001)
    assert (await node.cache.get(CHEAP, KEY, store)).number == 2


async def test_where_others_may_change_what_it_is_made_of_it_ends_sooner_in_this_process(autojump_clock):
    store, node = Store(), a_node(near_s=5.0)
    await node.cache.get(CHEAP, KEY, store)
    await trio.sleep(5.0)
    assert (await node.cache.get(CHEAP, KEY, store)).number == 2


async def test_what_is_too_large_is_answered_and_not_kept():
    store, node = Store(), a_node(value_max_bytes=1_000)
    store.padding = "x" * 1_000
    assert (await node.cache.get(CHEAP, KEY, store)).padding == store.padding
    assert len(node.cache.memory) == 0
    assert node.counts.faults[Fault.TOO_LARGE] == 1


async def test_what_is_computed_anyway_takes_the_place_of_what_was_kept():
    store, node = Store(), a_node(DictLevel())
    await node.settle()
    await node.cache.get(CHEAP, KEY, store)
    await node.settle()
    assert (await node.cache.refresh(CHEAP, KEY, store)).number == 2
    assert (await node.cache.get(CHEAP, KEY, store)).number == 2
    await node.settle()
    node.cache.clear()
    assert (await node.cache.get(CHEAP, KEY, store)).number == 2


async def test_a_question_that_was_put_anew_meanwhile_is_not_remembered_when_it_is_answered_at_last(autojump_clock):
    store, node = Store(), a_node()
    store.gate, store.world = trio.Event(), "old"
    gate = store.gate
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.cache.get, CHEAP, KEY, store)
        await wait_all_tasks_blocked()
        store.gate, store.world = None, "new"
        await node.cache.refresh(CHEAP, KEY, store)
        node.cache.forget(ACME, [ALERTS])
        gate.set()
    assert (CHEAP.name, KEY) not in node.cache.memory


# What is told


def shown(families: list[Metric]) -> dict[tuple[str, ...], float]:
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


async def test_hits_misses_and_sizes_are_shown_by_strategy_under_the_references_names():
    store, node = Store(), a_node()
    before = shown(list(node.cache.families()))
    assert before["cache_hits_total", "cheap"] == before["cache_hit_rate_percent", "cheap"] == 0
    for _ in range(4):
        await node.cache.get(CHEAP, KEY, store)
    now = shown(list(node.cache.families()))
    assert now["cache_hits_total", "cheap"] == 3
    assert now["cache_misses_total", "cheap"] == 1
    assert now["cache_hit_rate_percent", "cheap"] == 75
    assert now["tocsin_cache_hits_total", "cheap", "near"] == 3
    assert now["tocsin_cache_entries", "cheap"] == 1
    assert now["tocsin_cache_bytes", "cheap"] > 400
    assert now["tocsin_cache_errors_total", "cheap", "unreachable"] == 0
    node.counts.fail(Fault.UNREADABLE, CHEAP.name)
    node.counts.fail(Fault.REFUSED)
    errors = {what[1:]: times for what, times in shown(list(node.cache.families())).items() if "errors" in what[0]}
    assert {what: times for what, times in errors.items() if times} == {
        ("cheap", "unreadable"): 1,
        ("any", "refused"): 1,
    }
    assert now["cache_hits_total", "other"] == 0


async def test_a_cache_of_one_node_has_nothing_to_run_and_ends_when_it_is_told(autojump_clock):
    cache: Cache = a_node().cache
    async with trio.open_nursery() as nursery:
        await nursery.start(cache.run)
        nursery.cancel_scope.cancel()
    cache.flush()
    cache.forget(ACME, [of_framework("checkout")])
    assert cache.statistics() == {"evicted": 0, "loading": 0}
