"""A node's side of the second level: what it owes, when it is left alone, what the other nodes hear."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.cache import LevelRefused
from engine.cache.counts import Fault
from engine.cache.shared import OWED_MAX, WRITES_MAX, WRITES_MAX_BYTES
from engine.cache.strategies import ALERTS, Key
from tests.support.caches import ACME, CHEAP, DOWN, KEY, DictLevel, Node, Store, a_node


async def met(level: DictLevel | None = None) -> tuple[Node, DictLevel, Store]:
    """A node that has met its second level, which has the answer to KEY; nothing is in the node's own memory."""
    level = level or DictLevel()
    node, store = a_node(level), Store()
    await node.settle()
    await node.cache.get(CHEAP, KEY, store)
    await node.settle()
    node.cache.clear()
    return node, level, store


async def asked(node: Node, store: Store) -> bool:
    """Whether an answer to KEY comes from the store, if nothing is in the node's own memory."""
    before = store.asked
    node.cache.clear()
    await node.cache.get(CHEAP, KEY, store)
    return store.asked > before


async def test_what_one_node_has_asked_another_one_finds(autojump_clock):
    _, level, store = await met()
    other = a_node(level)
    other_shared = other.shared
    assert other_shared is not None
    # It sweeps when it starts, so the answer is given once more.
    await other.settle()
    assert await asked(other, store)
    await other.settle()
    assert not await asked(other, store)
    assert other.counts.far["cheap"] == 1


async def test_a_node_that_starts_sweeps_what_it_may_not_have_forgotten_before_it_was_killed(autojump_clock):
    _, level, _ = await met()
    level.kept["somebody:else"] = b"x"
    await a_node(level).settle()
    assert list(level.kept) == ["somebody:else"]


async def test_before_the_second_level_has_heard_what_was_forgotten_it_is_not_asked(autojump_clock):
    node, _, store = await met()
    node.cache.forget(ACME, [ALERTS])
    assert await asked(node, store)
    await node.settle()
    # What was answered meanwhile was written without tokens: that is, not at all.
    assert await asked(node, store)
    await node.settle()
    assert not await asked(node, store)


async def test_what_another_node_is_about_to_write_counts_for_nobody_once_it_is_forgotten(autojump_clock):
    node, level, store = await met()
    slow, fresh = a_node(level), Store()
    await slow.settle()
    store.gate, store.world = trio.Event(), "old"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow.cache.get, CHEAP, KEY, store)
        await wait_all_tasks_blocked()
        node.cache.forget(ACME, [ALERTS])
        await node.settle()
        store.gate.set()
    await slow.settle()
    fresh.world = "new"
    assert (await node.cache.get(CHEAP, KEY, fresh)).world == "new"


async def test_after_a_failure_nobody_asks_until_the_server_has_answered(autojump_clock):
    node, level, store = await met()
    level.fault = DOWN
    assert await asked(node, store)
    assert node.counts.faults[Fault.UNREACHABLE] == 1
    assert await asked(node, store)
    assert node.counts.faults[Fault.UNREACHABLE] == 1, "the second one did not try"
    level.fault = None
    await trio.sleep(1.0)
    assert await node.settle()
    assert not await asked(node, store)


async def test_a_server_that_stays_away_is_asked_less_and_less_often(autojump_clock):
    node, level, _ = await met()
    level.fault = DOWN
    pings = level.pings
    async with trio.open_nursery() as nursery:
        assert node.shared is not None
        await nursery.start(node.shared.run)
        node.cache.forget(ACME, [ALERTS])
        await trio.sleep(1.0)
        first = level.pings - pings
        await trio.sleep(59.0)
        later = level.pings - pings - first
        level.fault = None
        await trio.sleep(6.0)
        assert node.shared.is_up
        assert node.shared.statistics()["owed"] == 0
        nursery.cancel_scope.cancel()
    assert 3 <= first <= 7
    assert 10 <= later <= 25
    assert level.closed


async def test_what_was_forgotten_while_the_server_was_away_does_not_count_when_it_is_back(autojump_clock):
    node, level, store = await met()
    level.fault = DOWN
    node.cache.forget(ACME, [ALERTS])
    assert not await node.settle()
    level.fault = None
    await trio.sleep(1.0)
    assert await node.settle()
    assert await asked(node, store)


async def test_a_server_that_came_back_with_an_old_copy_of_its_data_is_swept_first(autojump_clock):
    node, level, store = await met()
    old = dict(level.kept)
    node.cache.forget(ACME, [ALERTS])
    await node.settle()
    level.fault = DOWN
    assert await asked(node, store)
    level.fault, level.server, level.kept = None, "second", old
    await trio.sleep(1.0)
    assert await node.settle()
    assert await asked(node, store)


async def test_more_than_it_can_be_told_is_told_as_everything(autojump_clock):
    node, level, _ = await met()
    level.fault = DOWN
    node.cache.forget(ACME, [f"framework/{number}" for number in range(OWED_MAX + 1)])
    await node.settle()
    assert node.shared is not None
    assert node.shared.statistics()["owed"] == 0
    level.fault = None
    await trio.sleep(1.0)
    assert await node.settle()
    assert level.kept == {}


async def test_what_is_owed_survives_a_crash_of_its_task(autojump_clock):
    node, level, store = await met()
    level.fault = RuntimeError("a bug")
    node.cache.forget(ACME, [ALERTS])
    with pytest.raises(RuntimeError, match="a bug"):
        await node.settle()
    level.fault = None
    await node.settle()
    assert await asked(node, store)


async def test_a_server_without_memory_is_still_read_and_told(autojump_clock):
    node, level, store = await met()
    full = LevelRefused("OOM command not allowed when used memory > 'maxmemory'")
    keep, level.keep = level.keep, lambda entries: refuse(full)  # type: ignore[method-assign]
    await node.cache.get(CHEAP, Key(ACME, "search"), store)
    assert await node.settle()
    assert node.counts.faults[Fault.REFUSED] == 1
    assert not await asked(node, store)
    level.keep = keep  # type: ignore[method-assign]


async def refuse(fault: Exception) -> None:
    await trio.lowlevel.checkpoint()
    raise fault


async def test_a_server_that_refuses_to_forget_is_not_asked(autojump_clock):
    node, level, store = await met()
    level.fault = LevelRefused("NOPERM")
    assert await asked(node, store)
    node.cache.forget(ACME, [ALERTS])
    assert not await node.settle()
    assert node.shared is not None
    assert not node.shared.is_up


async def test_bytes_of_somebody_else_under_our_key_are_a_miss(autojump_clock):
    node, level, store = await met()
    (key,) = [key for key in level.kept if ":tag." not in key]
    for foreign in (b"\x00\xff", b"", level.kept[key][:-3], level.kept[key] + b"\x01"):
        level.kept[key] = foreign
        assert await asked(node, store)
    assert node.counts.faults[Fault.UNREADABLE] == 4


async def test_entries_that_wait_to_be_written_are_bounded_in_number_and_bytes(autojump_clock):
    node, _, store = await met()
    for number in range(WRITES_MAX + 5):
        await node.cache.get(CHEAP, Key(ACME, None, (str(number),)), store)
    assert node.counts.faults[Fault.DROPPED] == 5
    await node.settle()
    assert node.shared is not None
    node.shared.keep(CHEAP, KEY, b"", b"x" * (WRITES_MAX_BYTES + 1))
    assert node.counts.faults[Fault.DROPPED] == 6


async def test_an_entry_is_kept_as_long_as_its_strategy_says(autojump_clock):
    _, level, _ = await met()
    assert list(level.lifetimes.values()) == [CHEAP.lifetime_s]


async def test_flush_leaves_nothing_anywhere(autojump_clock):
    node, level, store = await met()
    await node.cache.get(CHEAP, KEY, store)
    node.cache.flush()
    await node.settle()
    assert (len(node.cache.memory), level.kept) == (0, {})
    assert node.shared is not None
    assert node.shared.is_up
