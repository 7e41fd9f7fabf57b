"""The bus over a real Redis: the suite, and a server that is gone, frozen, restarted empty, trimmed, or not ours.

Time is real here. Nothing waits for longer than a bound it is about; a server's fault is seen by what a call raises.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from engine.bus import Cause
from engine.bus.carriers import CarrierDown, Reading
from engine.bus.frames import Parcel
from engine.bus.local import Hub
from engine.bus.redis import LAST_ID, RedisCarrier
from engine.bus.redis_reader import BEGINNING, stand
from engine.bus.topics import EVENT_TOPICS, NEWS, inbox_of
from engine.foreign import ForeignLoop
from tests.support.bus_suite import BusSuite
from tests.support.buses import PATIENCE_S, UNHURRIED_S, USUAL_S, MakeCarriers, allow, run_foreign, running_nodes
from tests.support.redis_server import PASSWORD, RedisServer

# However slow the machine is, nothing is trimmed that nobody has read yet.
KEEP_S = 600.0


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, UNHURRIED_S)


@pytest.fixture
async def foreign() -> AsyncIterator[ForeignLoop]:
    async with run_foreign() as loop:
        yield loop


@pytest.fixture
def carriers(redis: RedisServer, foreign: ForeignLoop) -> MakeCarriers:
    return lambda: [RedisCarrier(foreign, redis.url, "app", KEEP_S)]


@pytest.fixture
async def carrier(redis: RedisServer, foreign: ForeignLoop) -> AsyncIterator[RedisCarrier]:
    """One that stands at the end of the news."""
    carrier = RedisCarrier(foreign, redis.url, "app", KEEP_S)
    assert await carrier.read([NEWS]) == Reading(())
    yield carrier
    await carrier.close()


@pytest.fixture
def cluster() -> Iterator[list[RedisServer]]:
    servers = RedisServer.cluster_of(3)
    yield servers
    for server in servers:
        server.remove()


class TestBusOnRedis(BusSuite):
    @pytest.fixture
    def carriers(self, redis: RedisServer, foreign: ForeignLoop) -> MakeCarriers:
        return lambda: [RedisCarrier(foreign, redis.url, "app", KEEP_S)]


def the_key(redis: RedisServer) -> bytes:
    """Of the news."""
    (key,) = redis.command("KEYS", "app:bus:*:news")
    return bytes(key)


async def test_a_redis_that_is_restarted_empty_is_one_gap_and_what_was_published_meanwhile_arrives(
    redis: RedisServer, carriers: MakeCarriers
) -> None:
    async with running_nodes(carriers) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"before"])
        await two.until_heard(b"before")
        redis.stop()
        for number in range(200):
            one.bus.publish(NEWS, [b"%d" % number])
        redis.start_again()
        await two.until_heard(b"199")

        assert two.bodies() == [b"before", *(b"%d" % number for number in range(200))]
        assert two.gaps() == [Cause.LOST]
        assert one.bus.statistics()["dropped"] == 0


async def test_a_frozen_redis_holds_nobody_up_for_longer_than_an_answer_may_take(
    redis: RedisServer, foreign: ForeignLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of a frozen one nothing ever comes; before and after that it has as long.
    allow(monkeypatch, 5 * USUAL_S)
    carrier = RedisCarrier(foreign, redis.url, "app", KEEP_S)
    assert await carrier.read([NEWS]) == Reading(())
    await carrier.send([Parcel(NEWS, b"before")])
    assert (await carrier.read([NEWS])).parcels == (Parcel(NEWS, b"before"),)
    redis.freeze()
    with trio.fail_after(170):
        async with trio.open_nursery() as nursery:
            for call in (
                lambda: carrier.send([Parcel(NEWS, b"into the ice")]),
                lambda: carrier.read([NEWS]),
                carrier.probe,
            ):
                nursery.start_soon(is_down, call)
    redis.thaw()
    await carrier.probe()
    await carrier.send([Parcel(NEWS, b"after")])
    heard: list[Parcel] = []
    with trio.fail_after(170):
        while Parcel(NEWS, b"after") not in heard:
            reading = await carrier.read([NEWS])
            heard += reading.parcels
            assert not reading.lost
    await carrier.close()


async def is_down(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CarrierDown, match="redis at 127"):
        await call()


async def test_a_cut_connection_is_no_loss(redis: RedisServer, carrier: RedisCarrier) -> None:
    await carrier.send([Parcel(NEWS, b"before")])
    assert (await carrier.read([NEWS])).parcels == (Parcel(NEWS, b"before"),)
    redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await is_down(lambda: carrier.read([NEWS]))
    await carrier.send([Parcel(NEWS, b"after")])

    assert await carrier.read([NEWS]) == Reading(())
    assert (await carrier.read([NEWS])).parcels == (Parcel(NEWS, b"after"),)


async def test_what_was_trimmed_before_it_was_read_is_a_loss(redis: RedisServer, carrier: RedisCarrier) -> None:
    await carrier.send([Parcel(NEWS, b"before")])
    await carrier.read([NEWS])
    redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    await is_down(lambda: carrier.read([NEWS]))
    redis.command("XADD", the_key(redis), "*", "b", "never read")
    redis.command("XADD", the_key(redis), "MAXLEN", 1, "*", "b", "the only one left")

    assert await carrier.read([NEWS]) == Reading((), (NEWS,))
    assert (await carrier.read([NEWS])).parcels == (Parcel(NEWS, b"the only one left"),)


async def test_a_stream_that_begins_anew_before_our_place_is_a_loss_and_is_read_on(
    redis: RedisServer, carrier: RedisCarrier
) -> None:
    await carrier.send([Parcel(NEWS, b"before")])
    await carrier.read([NEWS])
    redis.command("XADD", the_key(redis), "99999999999999-0", "b", "of a clock that is wrong")
    assert (await carrier.read([NEWS])).parcels == (Parcel(NEWS, b"of a clock that is wrong"),)
    redis.command("DEL", the_key(redis))
    await carrier.send([Parcel(NEWS, b"after")])

    readings = [await carrier.read([NEWS])]
    with trio.fail_after(170):
        while not readings[-1].parcels:
            readings.append(await carrier.read([NEWS]))
    assert readings[-1].parcels == (Parcel(NEWS, b"after"),)
    assert [reading.lost for reading in readings if reading.lost] == [(NEWS,)]


async def test_streams_are_trimmed_by_time_and_vanish_when_nobody_writes_to_them(
    redis: RedisServer, foreign: ForeignLoop
) -> None:
    carrier = RedisCarrier(foreign, redis.url, "app", keep_s=0.001)
    for _ in range(20):
        await carrier.send([Parcel(NEWS, b"entry")] * 100)
    await carrier.send([Parcel(inbox_of("one"), b"entry")])
    length = redis.command("XLEN", key) if (key := b"".join(redis.command("KEYS", "app:bus:*:news"))) else 0

    assert length < 500
    longer = RedisCarrier(foreign, redis.url, "app", keep_s=KEEP_S)
    await longer.send([Parcel(NEWS, b"entry")])
    assert KEEP_S < redis.command("PTTL", the_key(redis)) / 1_000 <= 2 * KEEP_S
    await carrier.close()
    await longer.close()


async def test_a_key_that_is_something_else_and_a_full_redis_are_told_with_their_cause(
    redis: RedisServer, carrier: RedisCarrier
) -> None:
    await carrier.send([Parcel(NEWS, b"before")])
    key = the_key(redis)
    redis.command("DEL", key)
    redis.command("SET", key, "somebody's")
    with pytest.raises(CarrierDown, match="WRONGTYPE") as told:
        await carrier.send([Parcel(NEWS, b"what an alert says")])
    assert "what an alert says" not in str(told.value), "it is logged"
    redis.command("DEL", key)
    redis.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(CarrierDown, match="maxmemory"):
        await carrier.send([Parcel(NEWS, b"news")])
    with pytest.raises(CarrierDown, match="maxmemory"):
        await carrier.probe()


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("XADD", LAST_ID.decode(), "b", "the last one"), "somebody wrote the last possible id"),
        (("SET", "somebody's"), "WRONGTYPE"),
    ],
)
async def test_a_stream_that_refuses_keeps_the_carrier_down_until_it_is_gone(
    redis: RedisServer, carrier: RedisCarrier, command: tuple[str, ...], cause: str
) -> None:
    await carrier.send([Parcel(NEWS, b"before")])
    key = the_key(redis)
    redis.command("DEL", key)
    verb, *arguments = command
    redis.command(verb, key, *arguments)
    for _ in range(2):
        for call in (lambda: carrier.send([Parcel(NEWS, b"what an alert says")]), carrier.probe):
            with pytest.raises(CarrierDown, match=f"{re.escape(key.decode())}: {cause}.*; delete this key"):
                await call()
    redis.command("DEL", key)
    await carrier.probe()
    await carrier.send([Parcel(NEWS, b"after")])


async def test_one_stream_that_is_used_up_is_told_once_and_the_other_carrier_is_stayed_with(
    redis: RedisServer, foreign: ForeignLoop
) -> None:
    hub, probed = Hub(), trio.Event()

    class Probed(RedisCarrier):
        async def probe(self) -> None:
            try:
                await super().probe()
            finally:
                probed.set()

    with capture_logs() as logs:
        async with running_nodes(lambda: [Probed(foreign, redis.url, "app", KEEP_S), hub.carrier()]) as nodes:
            one, two = await nodes.start("one"), await nodes.start("two", NEWS)
            one.bus.publish(NEWS, [b"before"])
            await two.until_heard(b"before")
            redis.command("XADD", the_key(redis), LAST_ID, "b", "the last one")
            for word in (b"first", b"second", b"third"):
                probed = trio.Event()
                one.bus.publish(NEWS, [word])
                await two.until_heard(word)
                with trio.fail_after(PATIENCE_S):
                    await probed.wait()

            assert (one.bus.statistics()["switched"], one.bus.statistics()["up_redis"]) == (1, 0)
    assert [line["event"] for line in logs if line["event"] in ("bus_down", "bus_back")] == ["bus_down"]
    assert "somebody wrote the last possible id" in next(line["cause"] for line in logs if "cause" in line)


async def test_foreign_entries_are_a_gap_and_nothing_more(redis: RedisServer, carriers: MakeCarriers) -> None:
    async with running_nodes(carriers) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"before"])
        await two.until_heard(b"before")
        redis.command("XADD", the_key(redis), "*", "somebody", "else")
        await two.until(lambda: bool(two.gaps()))
        one.bus.publish(NEWS, [b"after"])
        await two.until_heard(b"after")

        assert two.gaps() == [Cause.UNREADABLE]
        assert two.bus.statistics()["unreadable"] == 1


async def test_it_goes_on_after_the_foreign_loop_was_started_again(redis: RedisServer) -> None:
    foreign = ForeignLoop()
    carrier = RedisCarrier(foreign, redis.url, "app", KEEP_S)
    for place in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(foreign.run)
            await carrier.read([NEWS])
            await carrier.send([Parcel(NEWS, b"%d" % place)])
            with trio.fail_after(170):
                while Parcel(NEWS, b"%d" % place) not in (await carrier.read([NEWS])).parcels:
                    pass
            nursery.start_soon(is_down, lambda: carrier.read([NEWS]))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await is_down(lambda: carrier.read([NEWS]))


async def test_a_password_is_in_no_message(foreign: ForeignLoop) -> None:
    server = RedisServer.start(password=PASSWORD)
    try:
        good = RedisCarrier(foreign, server.url, "app", KEEP_S)
        await good.probe()
        await good.close()
        wrong = RedisCarrier(foreign, server.url.replace(PASSWORD, f"{PASSWORD}-wrong"), "app", KEEP_S)
        with pytest.raises(CarrierDown) as told:
            await wrong.probe()
    finally:
        server.remove()

    assert PASSWORD not in str(told.value)
    assert f"127.0.0.1:{server.port}" in str(told.value)


async def test_a_cluster_carries_all_topics_and_says_itself_that_it_is_one(
    cluster: list[RedisServer], foreign: ForeignLoop
) -> None:
    topics = (*EVENT_TOPICS, NEWS, inbox_of("two"))
    async with running_nodes(lambda: [RedisCarrier(foreign, cluster[0].url, "app", KEEP_S)]) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", *topics)
        for topic in topics:
            one.bus.publish(topic, [b"%d" % number for number in range(20)])
        await two.until(lambda: len(two.bodies()) == 20 * len(topics))

        assert two.gaps() == []
        assert all(two.bodies(topic) == [b"%d" % number for number in range(20)] for topic in topics)
        assert sum(bool(server.command("KEYS", "app:bus:*")) for server in cluster) > 1


@pytest.mark.parametrize(
    ("cursor", "ends", "then"),
    [
        (None, (None, None), ("0-0", False)),
        (None, ("1-0", "10000-3"), ("7500-0", False)),
        ("5-0", ("5-0", "9-0"), ("5-0", False)),
        ("5-0", ("6-0", "9-0"), ("5-0", True)),
        ("5-0", ("1-0", "4-9"), (BEGINNING, True)),
        ("5-0", (None, None), (BEGINNING, True)),
        (BEGINNING, (None, None), (BEGINNING, False)),
        (BEGINNING, ("5-0", "9-0"), (BEGINNING, False)),
    ],
)
def test_where_to_read_on(cursor: str | None, ends: tuple[str | None, str | None], then: tuple[str, bool]) -> None:
    assert stand(cursor, *ends) == then
