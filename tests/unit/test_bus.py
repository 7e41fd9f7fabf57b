"""The bus between engines of one process, in virtual time: the suite of all carriers, and what needs a clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
import trio
import trio.testing

from engine.bus import Cause, Entries, Gap, Told
from engine.bus.carried import CarriedBus
from engine.bus.carriers import CarrierDown, Reading
from engine.bus.frames import Parcel
from engine.bus.local import Hub
from engine.bus.topics import NEWS
from tests.support.bus_suite import BusSuite
from tests.support.buses import QUEUE_BYTES, MakeCarriers, Node, run_bus, running_nodes


class TestLocalBus(BusSuite):
    @pytest.fixture
    def carriers(self) -> MakeCarriers:
        hub = Hub()
        return lambda: [hub.carrier()]

    @pytest.fixture
    def time(self, autojump_clock: trio.testing.MockClock) -> object:
        return autojump_clock


class Broken:
    """A carrier that can be cut off, in each direction."""

    def __init__(self, hub: Hub, name: str = "broken") -> None:
        self.name = name
        self._inner = hub.carrier()
        self.is_cut = False

    async def send(self, parcels: Sequence[Parcel]) -> None:
        self._check()
        await self._inner.send(parcels)

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check()

    async def read(self, topics: Collection[str]) -> Reading:
        self._check()
        return await self._inner.read(topics)

    async def close(self) -> None:
        await self._inner.close()

    def _check(self) -> None:
        if self.is_cut:
            raise CarrierDown(f"{self.name}: cut")


async def test_while_the_carrier_is_away_entries_wait_and_are_then_heard_without_a_gap(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes, trio.open_nursery() as nursery:
        two = await nodes.start("two", NEWS)
        carrier = Broken(hub)
        bus = CarriedBus("one", [carrier], QUEUE_BYTES)
        await nursery.start(run_bus, bus)
        carrier.is_cut = True
        began = trio.current_time()
        for number in range(10):
            bus.publish(NEWS, [b"%d" % number])
        assert trio.current_time() == began
        await trio.sleep(2)
        assert two.bodies() == []
        carrier.is_cut = False
        await two.until_heard(b"9")

        assert two.gaps() == []
        nursery.cancel_scope.cancel()


async def test_a_second_carrier_takes_over_at_once_and_the_first_one_is_used_again_when_it_is_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    better, other = Hub(), Hub()
    made: list[Broken] = []

    def carriers() -> Sequence[Broken]:
        made.append(Broken(better, "better"))
        return [made[-1], Broken(other, "other")]

    async with running_nodes(carriers) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"by the better one"])
        await two.until_heard(b"by the better one")
        made[0].is_cut = True
        cut = trio.current_time()
        one.bus.publish(NEWS, [b"by the other"])
        await two.until_heard(b"by the other")
        assert trio.current_time() - cut < 0.1
        made[0].is_cut = False
        await trio.sleep(2)
        one.bus.publish(NEWS, [b"by the better one again"])
        await two.until_heard(b"by the better one again")

        assert one.bus.statistics()["switched"] == 2
        assert two.gaps() == []


async def test_a_node_that_says_goodbye_is_no_gap(autojump_clock: trio.testing.MockClock) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        two = await nodes.start("two", NEWS)
        async with running_nodes(lambda: [hub.carrier()]) as others:
            one = await others.start("one")
            one.bus.publish(NEWS, [b"news"])
            await two.until_heard(b"news")
        await trio.sleep(10)

        assert two.gaps() == []


async def test_a_bus_that_a_listener_crashed_tells_of_a_gap_when_it_runs_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub, told = Hub(), list[Told]()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        one = await nodes.start("one")
        bus = CarriedBus("two", [hub.carrier()], QUEUE_BYTES)

        def hear(one: Told) -> None:
            if isinstance(one, Entries) and one.bodies == [b"makes it crash"]:
                raise ValueError("a bug of a listener")
            told.append(one)

        bus.follow(NEWS, hear)
        with pytest.raises(ExceptionGroup):
            async with trio.open_nursery() as nursery:
                await nursery.start(run_bus, bus)
                await trio.sleep(1)
                one.bus.publish(NEWS, [b"makes it crash"])
                await trio.sleep(1)
        assert told == [Gap(NEWS, Cause.STARTED)]
        async with trio.open_nursery() as nursery:
            await nursery.start(run_bus, bus)
            assert told[1:] == [Gap(NEWS, Cause.LOST)]
            await trio.sleep(1)
            one.bus.publish(NEWS, [b"harmless"])
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert told[2:] == [Entries(NEWS, "one", [b"harmless"])]


async def test_a_node_that_dies_is_noticed_by_its_silence_once(autojump_clock: trio.testing.MockClock) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        two = await nodes.start("two", NEWS)
        carrier = Broken(hub)
        async with running_nodes(lambda: [carrier]) as dying:
            one = await dying.start("one")
            one.bus.publish(NEWS, [b"last words"])
            await two.until_heard(b"last words")
            # Dead: it does not even say goodbye.
            carrier.is_cut = True
            died = trio.current_time()
            await two.until(lambda: two.gaps() == [Cause.SILENT])
            assert trio.current_time() - died < 4
        await trio.sleep(30)

        assert two.gaps() == [Cause.SILENT]


async def test_a_node_that_cannot_hear_looks_into_the_store_every_two_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub = Hub()
    ear = Broken(hub)
    async with running_nodes(lambda: [hub.carrier()]) as nodes, trio.open_nursery() as nursery:
        one = await nodes.start("one")
        deaf = Node(CarriedBus("deaf", [ear], QUEUE_BYTES))
        await nursery.start(run_bus, deaf.bus)
        await deaf.follow(NEWS)
        one.bus.publish(NEWS, [b"heard"])
        await deaf.until_heard(b"heard")
        ear.is_cut = True
        await trio.sleep(13)
        assert 4 <= len(deaf.gaps()) <= 6
        assert set(deaf.gaps()) == {Cause.SILENT}
        ear.is_cut = False
        one.bus.publish(NEWS, [b"heard again"])
        await deaf.until_heard(b"heard again")
        nursery.cancel_scope.cancel()


async def test_a_node_that_alone_cannot_reach_a_carrier_hears_and_is_heard_over_the_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    better, other = Hub(), Hub()
    made: list[Broken] = []

    def carriers() -> Sequence[Broken]:
        made.append(Broken(better, "better"))
        return [made[-1], Broken(other, "other")]

    async with running_nodes(carriers) as nodes:
        one, two, alone = [await nodes.start(name, NEWS) for name in ("one", "two", "alone")]
        for node in (one, two, alone):
            node.bus.publish(NEWS, [b"here I am"])
        await alone.until(lambda: len(alone.bodies()) == 2)
        made[2].is_cut = True
        cut = trio.current_time()
        alone.bus.publish(NEWS, [b"from afar"])
        await one.until_heard(b"from afar")
        while trio.current_time() - cut < 3:
            one.bus.publish(NEWS, [b"to afar"])
            await trio.sleep(0.5)
        await alone.until_heard(b"to afar")
        assert trio.current_time() - cut < 4
        one.bus.publish(NEWS, [b"at once"])
        asked = trio.current_time()
        await alone.until_heard(b"at once")
        assert trio.current_time() - asked < 0.1
        made[2].is_cut = False
        await trio.sleep(5)
        switched = one.bus.statistics()["switched"]
        one.bus.publish(NEWS, [b"by the better one again"])
        await alone.until_heard(b"by the better one again")

        assert (switched, two.gaps()) == (2, [])
        assert set(alone.gaps()) <= {Cause.HOLE, Cause.SILENT}


async def test_foreign_bytes_are_counted_and_one_gap_however_many_they_are(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        two = await nodes.start("two", NEWS)
        hub.bring([Parcel(NEWS, body) for body in (b"", b"\xc1", b"GET / HTTP/1.1", b"\x80", b"\x93" * 50_000)])
        await two.until(lambda: bool(two.gaps()))

        assert two.gaps() == [Cause.UNREADABLE]
        assert two.bus.statistics()["unreadable"] == 5


async def test_a_reader_that_is_too_slow_for_its_hub_is_told(autojump_clock: trio.testing.MockClock) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        one, two = await nodes.start("one"), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"before"])
        await two.until_heard(b"before")
        hub.bring([Parcel(NEWS, b"")] * 10_001)
        await two.until(lambda: two.gaps() == [Cause.LOST])


async def test_the_lag_is_measured_by_what_a_node_hears_of_itself(autojump_clock: trio.testing.MockClock) -> None:
    hub = Hub()
    async with running_nodes(lambda: [hub.carrier()]) as nodes:
        one, two = await nodes.start("one", NEWS), await nodes.start("two", NEWS)
        one.bus.publish(NEWS, [b"news"])
        await two.until_heard(b"news")
        await trio.sleep(0.5)
        figures = two.bus.statistics()

        assert one.bus.statistics()["lag_s"] < 0.01
        assert 0 < figures["heartbeat_age_s"] <= 1
        assert (figures["received"], figures["up_local"]) == (1, 1)
