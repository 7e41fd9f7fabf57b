"""What waits for an event stream: in order, bounded, and what gives way is told."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from actors.audience import Audience, channel_offset
from actors.drain import Drain
from actors.event_queue import EventQueue
from actors.event_stream import EventStream
from actors.frames import Frame
from actors.outbox import OutboxLimits
from protocol import messages as m
from protocol.codec import WireForm, decode_server, unframe
from protocol.errors import CloseCode
from protocol.model import Severity
from tests.support.actors import KEY, Recorder, some_events
from tests.support.sessions import a_rig

LIMITS = OutboxLimits(soft_bytes=4_000, max_bytes=8_000)


class Reader:
    """A queue whose reader takes what it is told to take."""

    def __init__(self) -> None:
        self.slow = 0
        self.drain = Drain(Recorder())
        self.queue = EventQueue(self.drain, LIMITS, self.too_slow)
        self.audience = Audience(KEY.name, "e1", 0, 0, channel_offset)
        self.audience.attach(self.queue, WireForm.JSON, Severity.INFO)

    def too_slow(self) -> None:
        self.slow += 1

    async def take(self) -> list[Any]:
        frames = await self.queue.take()
        self.queue.sent(frames)
        return [decode_server(unframe(frame.data)[1], WireForm.JSON) for frame in frames]


async def test_frames_come_in_order_and_are_counted() -> None:
    reader = Reader()
    reader.audience.tell(some_events(1, 3))
    assert reader.queue.waiting_bytes > 0
    assert [message.offset for message in await reader.take()] == [1, 2, 3]
    assert (reader.queue.waiting_bytes, reader.drain.frames, reader.queue.lag_s) == (0, 3, 0.0)


async def test_who_keeps_up_gets_a_batch_beyond_the_bounds() -> None:
    reader = Reader()
    reader.audience.tell(some_events(1, 100))
    assert reader.queue.waiting_bytes > LIMITS.max_bytes
    assert [message.offset for message in await reader.take()] == list(range(1, 101))
    assert reader.slow == 0


async def test_for_a_slow_reader_mild_alerts_give_way_to_a_gap(autojump_clock: trio.testing.MockClock) -> None:
    reader = Reader()
    for offset in range(1, 21):
        reader.audience.tell(some_events(offset, offset))
    reader.audience.tell(some_events(21, 21, severity=Severity.CRITICAL))
    await trio.sleep(2)
    assert reader.queue.lag_s == 2.0
    assert reader.queue.gap_after(KEY.name) == 0
    assert sum(reader.queue.statistics().dropped.values()) == 20
    [gap, alert] = await reader.take()
    assert (type(gap), gap.count, alert.offset) == (m.GapMessage, 20, 21)
    reader.queue.forget_gap(KEY.name)
    assert reader.queue.gap_after(KEY.name) is None


async def test_past_the_hard_bound_the_reader_is_too_slow_once() -> None:
    reader = Reader()
    for offset in range(1, 40):
        reader.audience.tell(some_events(offset, offset, severity=Severity.CRITICAL))
    assert reader.slow == 1
    assert reader.queue.waiting_bytes <= LIMITS.max_bytes


async def test_whoever_waits_for_room_is_woken_when_the_reader_has_taken(
    autojump_clock: trio.testing.MockClock,
) -> None:
    queue = Reader().queue
    queue.push(Frame(b"\x81\x02{}"))
    woken = []

    async def wait() -> None:
        await queue.wait_below(0)
        woken.append(True)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not woken
        queue.sent(queue.take_now())


class Wire:
    """A reader that hangs once it has read so many pieces."""

    def __init__(self, pieces: int = 10**6) -> None:
        self.pieces = pieces
        self.text = ""
        self.left = trio.Event()

    async def begin(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if not self.pieces:
            await trio.sleep_forever()
        self.pieces -= 1
        self.text += data.decode()

    async def gone(self) -> None:
        await self.left.wait()


def kinds(wire: Wire) -> list[str]:
    return [line[7:] for line in wire.text.split("\n") if line.startswith("event: ")]


async def test_a_stream_ends_at_the_second_at_which_its_token_does(autojump_clock: trio.testing.MockClock) -> None:
    async with a_rig() as rig:
        wire, stream = Wire(), EventStream("c1", rig.kit, LIMITS)
        who = rig.desk.authenticate("brief 5")
        await stream.run(who, m.Subscribe(channel="alerts:checkout"), wire)
        assert trio.current_time() <= 6
    assert stream.ending is not None
    assert stream.ending.code is CloseCode.EXPIRED
    assert kinds(wire) == ["subscribed", "bye"]
    assert [note[0] for note in rig.presence.notes] == ["opened", "subscribed", "closed"]


async def test_a_reader_that_stops_reading_is_ended_and_told_if_it_reads_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_rig() as rig:
        wire, stream = Wire(pieces=1), EventStream("c1", rig.kit, OutboxLimits(soft_bytes=200, max_bytes=400))
        who = rig.desk.authenticate("ada")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.run, who, m.Subscribe(channel="alerts:checkout"), wire)
            await wait_all_tasks_blocked()
            for _ in range(4):
                stream.say(m.ErrorMessage(code=107, message="x" * 300, temporary=False))
                await wait_all_tasks_blocked()
    assert stream.ending is not None
    assert stream.ending.code is CloseCode.SLOW
    assert rig.roster.slow == 1


async def test_who_has_left_is_not_written_to(autojump_clock: trio.testing.MockClock) -> None:
    async with a_rig() as rig:
        wire, stream = Wire(), EventStream("c1", rig.kit, LIMITS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.run, rig.desk.authenticate("ada"), m.Subscribe(channel="alerts:checkout"), wire)
            await wait_all_tasks_blocked()
            wire.left.set()
    assert kinds(wire) == ["subscribed"]
    assert rig.counters.subscriptions == 0


async def test_a_store_that_is_away_ends_the_stream_with_a_word(autojump_clock: trio.testing.MockClock) -> None:
    async with a_rig() as rig:
        rig.store.away = "gone"
        wire, stream = Wire(), EventStream("c1", rig.kit, LIMITS)
        await stream.run(rig.desk.authenticate("ada"), m.Subscribe(channel="workspace"), wire)
    assert kinds(wire) == ["error", "bye"]
    assert stream.ending is not None
    assert stream.ending.code is CloseCode.INSUFFICIENT_STATE
