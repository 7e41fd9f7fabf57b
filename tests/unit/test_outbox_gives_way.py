"""What an outbox does for a peer that is slow. Real sockets with small buffers."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.audience import Audience, channel_offset
from actors.frames import AlertFrame, Frame, Frames, lane_of
from protocol import messages as m
from protocol.codec import WireForm, frame_message
from protocol.model import Severity
from tests.support.actors import an_event
from tests.support.outboxes import BIG, bench


def an_alert_frame(offset: int, severity: Severity) -> AlertFrame:
    events = [an_event(offset, severity=severity)]
    return Audience("c", "e1", 0, 0, channel_offset).frames(events, WireForm.JSON, Severity.INFO, offset - 1)[0][0]


def a_gap(first: int, last: int) -> bytes:
    message = m.GapMessage(
        channel="c", epoch="e1", prev=first - 1, from_=first, to=last, count=last - first + 1, reason="slow"
    )
    return frame_message(message, WireForm.JSON)


async def test_past_its_bound_the_peer_is_slow_once_and_nothing_may_hide_the_gap(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(max_bytes=100)
        wire.outbox.push(Frame(b"x" * 101))
        wire.outbox.push_all(Frames([Frame(b"y" * 20), Frame(b"y")]))
        wire.outbox.push(Frame(b"z"))
        assert wire.slow == 1
        assert await wire.heard(101) == b"x" * 101
        wire.outbox.seal(b"close")
        assert await wire.heard(5) == b"close"


async def test_past_the_soft_bound_mild_alerts_give_way_and_the_peer_is_told(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(soft_bytes=1_000)
        wire.outbox.push(Frame(BIG))
        await wait_all_tasks_blocked()
        frames = [an_alert_frame(n, Severity.CRITICAL if n == 3 else Severity.INFO) for n in range(1, 6)]
        wire.outbox.push_all(Frames(frames))
        await trio.sleep(2.5)
        statistics = wire.outbox.statistics()
        assert (statistics.lag_s, statistics.dropped) == (2.5, {Severity.INFO: 4, Severity.WARNING: 0})
        assert made.drain.dropped[lane_of(Severity.INFO)] == 4
        assert wire.slow == 0
        await wire.heard(len(BIG))
        gap = await wire.heard(len(a_gap(1, 2)))
        assert gap == a_gap(1, 2)
        rest = frames[2].data + a_gap(4, 5)
        assert await wire.heard(len(rest)) == rest
        assert (wire.outbox.waiting_bytes, wire.outbox.lag_s) == (0, 0.0)


async def test_a_short_write_leaves_whole_frames_where_they_may_still_give_way(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(soft_bytes=100_000)
        info = AlertFrame(b"x" * 1_000, lane_of(Severity.INFO), "c", epoch="e1", prev=0, offset=1, form=WireForm.JSON)
        wire.outbox.push_all(Frames([Frame(BIG), *[info] * 300]))
        await wait_all_tasks_blocked()
        assert wire.outbox.waiting_bytes > 300_000
        wire.outbox.push(Frame(b"after"))
        assert wire.outbox.statistics().dropped[Severity.INFO] == 300
        assert wire.outbox.waiting_bytes < len(BIG)


async def test_a_reader_that_is_slow_once_more_is_treated_like_the_first_time(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(soft_bytes=1_000)
        for offset in (1, 2):
            wire.outbox.push(Frame(BIG))
            await wait_all_tasks_blocked()
            wire.outbox.push(an_alert_frame(offset, Severity.WARNING))
            heard = await wire.heard(len(BIG) + len(a_gap(offset, offset)))
            assert heard[len(BIG) :] == a_gap(offset, offset)
            assert wire.outbox.waiting_bytes == 0


async def test_who_was_not_given_the_time_to_read_is_not_slow(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(soft_bytes=500)
        frames = [an_alert_frame(offset, Severity.INFO) for offset in range(1, 9)]
        for frame in frames:
            wire.outbox.push(frame)
        data = b"".join(frame.data for frame in frames)
        assert await wire.heard(len(data)) == data


async def test_a_close_frame_follows_what_waits_in_the_lanes_or_takes_its_place(autojump_clock: MockClock) -> None:
    async with bench() as made:
        for drop_waiting in (False, True):
            wire = made.wire(soft_bytes=1_000)
            wire.outbox.push(Frame(BIG))
            await wait_all_tasks_blocked()
            wire.outbox.push(an_alert_frame(1, Severity.INFO))
            wire.outbox.seal(b"close", drop_waiting=drop_waiting)
            last = b"close" if drop_waiting else a_gap(1, 1) + b"close"
            assert (await wire.heard(len(BIG) + len(last)))[len(BIG) :] == last


async def test_one_batch_larger_than_the_bound_makes_nobody_slow_who_keeps_up(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire(max_bytes=100)
        for _ in range(3):
            wire.outbox.push(Frame(b"x" * 90))
            wire.outbox.push_all(Frames([Frame(b"y" * 200)] * 5))
            assert await wire.heard(1_090) == b"x" * 90 + b"y" * 1_000
        assert wire.slow == 0


async def test_a_slow_peer_gets_the_close_frame_instead_of_what_it_never_read(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(BIG))
        await wait_all_tasks_blocked()
        for _ in range(3):
            wire.outbox.push(Frame(b"never read"))
        wire.outbox.seal(b"close", drop_waiting=True)
        assert await wire.heard(len(BIG) + 5) == BIG + b"close", "what was begun is finished: frames stay whole"
        assert wire.outbox.waiting_bytes == 0
