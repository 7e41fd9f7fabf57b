"""What every carrier of the bus must do: subclasses say which one by the fixture `carriers`."""

from __future__ import annotations

import pytest
import trio

from engine.bus import Cause, Entries
from engine.bus.topics import NEWS, events_of, inbox_of
from tests.support.buses import MakeCarriers, running_nodes


class BusSuite:
    """The promises of `engine.bus`, between nodes on carriers that share one server."""

    @pytest.fixture
    def carriers(self) -> MakeCarriers:
        raise NotImplementedError

    @pytest.fixture
    def time(self) -> object:
        """Whose time: a virtual clock's where nothing outside takes part."""
        return None

    async def test_what_a_node_publishes_is_heard_by_the_others_in_order_and_not_by_itself(
        self, carriers: MakeCarriers, time: object
    ) -> None:
        async with running_nodes(carriers) as nodes:
            one = await nodes.start("one", NEWS)
            two, three = await nodes.start("two", NEWS), await nodes.start("three", NEWS)
            wanted = [b"%d" % number for number in range(500)]
            for body in wanted:
                one.bus.publish(NEWS, [body])
            two.bus.publish(NEWS, [b"from two"])
            await two.until_heard(*wanted)
            await three.until_heard(*wanted, b"from two")
            await one.until_heard(b"from two")

            assert (two.bodies(), three.bodies(node="one")) == (wanted, wanted)
            assert one.bodies() == [b"from two"]
            assert (one.gaps(), two.gaps(), three.gaps()) == ([], [], [])

    async def test_a_topic_that_a_node_does_not_follow_is_not_heard(self, carriers: MakeCarriers, time: object) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one"), await nodes.start("two", inbox_of("two"))
            one.bus.publish(inbox_of("three"), [b"for three"])
            one.bus.publish(inbox_of("two"), [b"for two"])
            await two.until_heard(b"for two")

            assert two.bodies() == [b"for two"]

    async def test_topics_that_are_followed_later_are_heard_from_then_on(
        self, carriers: MakeCarriers, time: object
    ) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one"), await nodes.start("two", NEWS)
            topics = [events_of(f"workspace-{number}") for number in range(5)]
            await two.follow(*topics)
            for topic in (*topics, NEWS):
                one.bus.publish(topic, [topic.encode()])
            await two.until_heard(NEWS.encode(), *(topic.encode() for topic in topics))

            assert two.gaps() == []

    async def test_a_topic_that_is_followed_no_more_is_silent(self, carriers: MakeCarriers, time: object) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one"), await nodes.start("two", inbox_of("two"))
            end = two.bus.follow(NEWS, two.hear)
            end()
            one.bus.publish(NEWS, [b"news"])
            one.bus.publish(inbox_of("two"), [b"for two"])
            await two.until_heard(b"for two")

            assert two.bodies() == [b"for two"]

    async def test_high_water_marks_come_with_the_next_heartbeat(self, carriers: MakeCarriers, time: object) -> None:
        async with running_nodes(carriers) as nodes:
            topic = events_of("acme")
            one, two = await nodes.start("one"), await nodes.start("two", topic)
            began = trio.current_time()
            one.bus.publish(topic, [b"event"], {"acme": 41})
            one.bus.publish(topic, [b"event"], {"acme": 42, "other": 7})
            await two.until(lambda: two.marks() == {"acme": 42, "other": 7})

            # A heartbeat is a second; a real server on a loaded machine gets its time.
            assert trio.current_time() - began < 30
            assert [one.topic for one in two.told if isinstance(one, Entries)][:1] == [topic]

    async def test_what_does_not_fit_into_the_queue_is_dropped_counted_and_a_hole_for_the_others(
        self, carriers: MakeCarriers, time: object
    ) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one", queue_bytes=1_000), await nodes.start("two", NEWS)
            one.bus.publish(NEWS, [b"first"])
            one.bus.publish(NEWS, [b"large" * 1_000, b"last"])
            await two.until_heard(b"first", b"last")

            assert one.bus.statistics()["dropped"] == 1
            assert two.gaps() == [Cause.HOLE]
            before_last = two.told[: [getattr(one, "bodies", []) for one in two.told].index([b"last"])]
            assert Cause.HOLE in [getattr(one, "cause", None) for one in before_last]

    async def test_a_lost_tail_is_noticed_by_the_next_heartbeat(self, carriers: MakeCarriers, time: object) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one", queue_bytes=1_000), await nodes.start("two", NEWS)
            one.bus.publish(NEWS, [b"first"])
            await two.until_heard(b"first")
            one.bus.publish(NEWS, [b"large" * 1_000])
            await two.until(lambda: two.gaps() == [Cause.HOLE])

    async def test_a_node_that_starts_among_others_has_no_gap_from_what_they_said_before(
        self, carriers: MakeCarriers, time: object
    ) -> None:
        async with running_nodes(carriers) as nodes:
            one, listener = await nodes.start("one"), await nodes.start("listener", NEWS)
            one.bus.publish(NEWS, [b"before"])
            await listener.until_heard(b"before")
            two = await nodes.start("two", NEWS)
            one.bus.publish(NEWS, [b"after"])
            await two.until_heard(b"after")

            assert two.gaps() == []

    async def test_large_entries_arrive_whole(self, carriers: MakeCarriers, time: object) -> None:
        async with running_nodes(carriers) as nodes:
            one, two = await nodes.start("one", queue_bytes=8_000_000), await nodes.start("two", NEWS)
            bodies = [bytes([number]) * 700_000 for number in range(5)]
            one.bus.publish(NEWS, bodies)
            await two.until_heard(*bodies)

            assert two.bodies() == bodies
