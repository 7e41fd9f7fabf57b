"""The cache on a real Redis that is frozen, stopped, restarted, filled and written to by others; and several nodes."""

from __future__ import annotations

import time

import pytest
import trio

from engine.cache import LevelDown
from engine.cache.counts import Fault
from engine.cache.redis import RedisLevel
from engine.cache.strategies import ALERTS, Key
from engine.cache.wire import TOKEN_LIFETIME_S
from engine.configuration.fields import SecretUrl
from engine.foreign import ForeignLoop
from tests.support.caches import ACME, CHEAP, KEY, MIB, OTHER, Node, Store, redis_nodes
from tests.support.redis_server import PASSWORD, RedisServer

# However slow the machine is: where a test is not about time.
PATIENT_S = 60.0
# How long who asks a frozen Redis waits, where it is.
BRIEF_S = 0.05


async def asked(node: Node, store: Store) -> bool:
    """Whether an answer to KEY comes from the store, if nothing is in the node's own memory."""
    before = store.asked
    node.cache.clear()
    await node.cache.get(CHEAP, KEY, store)
    return store.asked > before


async def back(node: Node) -> None:
    """Until the node has met its Redis again."""
    assert node.shared is not None
    with trio.fail_after(170):
        while not await node.settle() or not node.shared.is_up:
            await trio.sleep(max(0.0, node.shared._try_at - trio.current_time()))


async def test_nodes_share_what_one_of_them_has_asked(redis: RedisServer):
    async with redis_nodes(redis.url, 2, wait_s=PATIENT_S) as (one, other):
        store = Store()
        await one.cache.get(CHEAP, KEY, store)
        await one.settle()
        assert not await asked(other, store)
        assert other.counts.far["cheap"] == 1


async def test_what_one_forgets_counts_for_nobody_also_if_another_one_writes_it_afterwards(redis: RedisServer):
    async with redis_nodes(redis.url, 2, wait_s=PATIENT_S) as (one, other):
        old, new = Store(), Store()
        old.gate, old.world, new.world = trio.Event(), "old", "new"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.cache.get, CHEAP, KEY, old)
            while not old.asked:
                await trio.sleep(0)
            one.cache.forget(ACME, [ALERTS])
            await one.settle()
            old.gate.set()
        await other.settle()
        assert (await one.cache.get(CHEAP, KEY, new)).world == "new"


async def test_a_frozen_redis_costs_one_question_its_budget_and_the_others_nothing(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        redis.freeze()
        node.waits_only(BRIEF_S)
        begun = time.perf_counter()
        assert await asked(node, store)
        first_s = time.perf_counter() - begun
        for _ in range(100):
            assert await asked(node, store)
        assert node.counts.faults[Fault.UNREACHABLE] == 1, "only the first one has waited"
        assert 0.9 * BRIEF_S < first_s < PATIENT_S
        node.waits_only(PATIENT_S)
        redis.thaw()
        await back(node)
        await asked(node, store)
        await node.settle()
        assert not await asked(node, store)


async def test_an_answer_that_came_too_late_is_nobodys(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store, other = Store(), Key(ACME, "search")
        for key in (KEY, other):
            await node.cache.get(CHEAP, key, store)
        await node.settle()
        redis.freeze()
        node.waits_only(BRIEF_S)
        await asked(node, store)
        node.waits_only(PATIENT_S)
        redis.thaw()
        await back(node)
        node.cache.clear()
        assert (await node.cache.get(CHEAP, other, store)).number == 2
        assert node.counts.faults[Fault.UNREADABLE] == 0


async def test_while_redis_is_gone_the_store_is_asked_and_afterwards_it_is_used_again(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        redis.stop()
        assert await asked(node, store)
        node.cache.forget(ACME, [ALERTS])
        assert not await node.settle()
        redis.start_again()
        await back(node)
        assert await asked(node, store)
        await node.settle()
        assert not await asked(node, store)


async def test_a_redis_that_was_restarted_empty_is_filled_again(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        redis.restart_empty()
        assert await asked(node, store)
        await back(node)
        await asked(node, store)
        await node.settle()
        assert not await asked(node, store)


async def test_a_redis_that_comes_back_with_an_old_copy_is_not_believed(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        copy = {key: redis.command("DUMP", key) for key in redis.command("KEYS", "*")}
        node.cache.forget(ACME, [ALERTS])
        await node.settle()
        redis.restart_empty()
        for key, dumped in copy.items():
            redis.command("RESTORE", key, 0, dumped)
        assert await asked(node, store)
        await back(node)
        assert await asked(node, store)


async def test_bytes_and_types_of_somebody_else_are_misses(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        (key,) = redis.command("KEYS", "*:cheap.*")
        tag = redis.command("KEYS", "*:tag.*")[0]
        redis.command("SET", key, b"\xc1" * 100)
        assert await asked(node, store)
        assert node.counts.faults == {Fault.UNREADABLE: 1}
        redis.command("DEL", key)
        redis.command("LPUSH", key, "x")
        assert await asked(node, store)
        assert node.counts.faults == {Fault.UNREADABLE: 2}
        await node.settle()
        redis.command("SET", tag, "no token of ours")
        assert await asked(node, store)
        await node.settle()
        assert not await asked(node, store)
        redis.command("DEL", tag)
        redis.command("LPUSH", tag, "x")
        assert await asked(node, store)


async def test_a_value_that_is_greater_than_any_of_ours_is_not_brought_here_whole(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        (key,) = redis.command("KEYS", "*:cheap.*")
        redis.command("SETRANGE", key, 8 * MIB, "x")
        before = redis.command("INFO", "stats")
        assert await asked(node, store)
        sent = _stat(redis.command("INFO", "stats"), "total_net_output_bytes") - _stat(before, "total_net_output_bytes")
        assert sent < 1.1 * MIB


def _stat(info: bytes, name: str) -> int:
    return next(int(line.partition(b":")[2]) for line in info.splitlines() if line.startswith(name.encode()))


async def test_a_redis_without_memory_is_a_miss_and_can_still_forget(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        await node.cache.get(CHEAP, KEY, store)
        await node.settle()
        redis.command("CONFIG", "SET", "maxmemory", "1")
        await node.cache.get(CHEAP, Key("umbrella"), store)
        assert not await asked(node, store), "what is there can be read"
        await node.cache.get(CHEAP, Key(ACME, "checkout", ("another",)), store)
        assert await node.settle()
        assert node.counts.faults[Fault.REFUSED] >= 1
        node.cache.forget(ACME, [ALERTS])
        assert await node.settle()
        assert await asked(node, store)


async def test_what_redis_evicts_is_a_miss(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        for pattern in ("*:cheap.*", "*:tag.*"):
            await asked(node, store)
            await node.settle()
            assert not await asked(node, store)
            for key in redis.command("KEYS", pattern):
                redis.command("DEL", key)
            assert await asked(node, store)


async def test_entries_end_in_redis_by_themselves_and_so_do_tokens(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        await node.cache.get(CHEAP, KEY, Store())
        await node.settle()
        ends = {key.split(b":")[3][:3]: redis.command("PTTL", key) for key in redis.command("KEYS", "*")}
        assert CHEAP.lifetime_s - 30 < ends[b"che"] / 1_000 <= CHEAP.lifetime_s
        assert TOKEN_LIFETIME_S - 30 < ends[b"tag"] / 1_000 <= TOKEN_LIFETIME_S


async def test_keys_are_looked_for_with_scan_and_never_with_keys(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        store = Store()
        for number in range(600):
            await node.cache.get(OTHER, Key(ACME, None, (str(number),)), store)
        await node.settle()
        assert redis.command("DBSIZE") == 600
        redis.command("CONFIG", "RESETSTAT")
        node.cache.forget_kind(OTHER)
        await node.settle()
        calls = redis.command("INFO", "commandstats")
        assert b"cmdstat_keys" not in calls
        assert b"cmdstat_scan" in calls
        assert redis.command("DBSIZE") == 0


async def test_two_installations_on_one_redis_do_not_read_each_other(redis: RedisServer):
    async with (
        redis_nodes(redis.url, wait_s=PATIENT_S) as (one,),
        redis_nodes(redis.url, wait_s=PATIENT_S, epoch="another store") as (other,),
    ):
        store = Store()
        await one.cache.get(CHEAP, KEY, store)
        await one.settle()
        assert await asked(other, store)


async def test_with_another_prefix_nothing_of_the_first_is_swept(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (one,):
        store = Store()
        await one.cache.get(CHEAP, KEY, store)
        await one.settle()
        async with redis_nodes(redis.url, wait_s=PATIENT_S, prefix="second") as (other,):
            other.cache.flush()
            await other.settle()
        assert not await asked(one, store)


async def test_a_thousand_who_ask_at_once_get_their_answers(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        stores = [Store() for _ in range(300)]
        async with trio.open_nursery() as nursery:
            for number, store in enumerate(stores):
                nursery.start_soon(node.cache.get, CHEAP, Key(ACME, None, (str(number),)), store)
        assert [store.asked for store in stores] == [1] * 300
        await node.settle()
        assert node.counts.faults == {}
        assert redis.command("DBSIZE") == 301


async def test_cancelled_questions_leave_no_answer_to_the_next(redis: RedisServer):
    async with redis_nodes(redis.url, wait_s=PATIENT_S) as (node,):
        stores = {number: Store() for number in range(50)}
        for number, store in stores.items():
            store.world = str(number)
            await node.cache.get(CHEAP, Key(ACME, None, (str(number),)), store)
        await node.settle()
        node.cache.clear()
        for number, store in stores.items():
            with trio.move_on_after(0.000_1 * (number % 5)):
                await node.cache.get(CHEAP, Key(ACME, None, (str(number),)), store)
        node.cache.clear()
        await back(node)
        for number, store in stores.items():
            assert (await node.cache.get(CHEAP, Key(ACME, None, (str(number),)), store)).world == str(number)
        assert node.counts.faults[Fault.UNREADABLE] == 0


@pytest.mark.parametrize("url", ["redis://:{wrong}@127.0.0.1:{port}", "redis://127.0.0.1:{port}"])
async def test_a_wrong_password_is_told_without_it(url: str):
    server = RedisServer.start(password=PASSWORD)
    try:
        with pytest.raises(LevelDown) as refusal:
            await _ping(url.format(wrong="wrong-s3cret", port=server.port))
        assert "s3cret" not in str(refusal.value)
        assert f"127.0.0.1:{server.port}" in str(refusal.value)
    finally:
        server.remove()


async def test_a_server_that_is_no_redis_is_away(redis: RedisServer):
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]

    async def talk(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, talk, listeners)
        with pytest.raises(LevelDown, match="127"):
            await _ping(f"redis://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()


async def _ping(url: str) -> None:
    async with trio.open_nursery() as nursery:
        foreign = ForeignLoop()
        await nursery.start(foreign.run)
        level = RedisLevel(SecretUrl(url), foreign, wait_s=PATIENT_S, value_max_bytes=MIB)
        fault: Exception | None = None
        try:
            await level.ping()
        except Exception as caught:  # out of the nursery as it is, not in a group
            fault = caught
        await level.close()
        nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault


async def test_without_its_loop_it_is_away():
    level = RedisLevel(SecretUrl("redis://127.0.0.1:1"), ForeignLoop(), wait_s=1.0, value_max_bytes=MIB)
    with pytest.raises(LevelDown, match="does not run"):
        await level.ping()
    await level.close()
