"""The drain, which writes for all connections: what it joins, in which order, and when it lets others run."""

from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.drain import WRITES_PER_PASS
from actors.frames import IDLE_LANE, LANES, REPLY_LANE, Frame, Frames, lane_of
from protocol.model import Severity
from tests.support.outboxes import bench

ALERT = lane_of(Severity.ERROR)


async def test_what_is_pushed_in_one_pass_leaves_in_one_send(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(b"one "))
        wire.outbox.push_all(Frames([Frame(b"two "), Frame(b"three")]))
        assert wire.writes == []
        assert await wire.heard(13) == b"one two three"
        assert wire.writes == [13]
        assert (made.drain.frames, wire.outbox.waiting_bytes) == (3, 0)


async def test_equal_lists_of_frames_are_joined_once_for_all(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wires = [made.wire() for _ in range(3)]
        told: list[bytes] = []
        for wire in wires:
            wire._send = lambda fd, data, size, flags: told.append(data) or len(data)
        wires[2].outbox.push_all(Frames([Frame(b"a"), Frame(b"b")]))
        shared = Frames([Frame(b"one"), Frame(b"two")])
        for wire in wires[:2]:
            wire.outbox.push_all(shared)
        await wait_all_tasks_blocked()
        assert sorted(told) == [b"ab", b"onetwo", b"onetwo"]
        same = [data for data in told if data == b"onetwo"]
        assert same[0] is same[1]


async def test_replies_leave_first_then_the_most_severe_alerts(autojump_clock: MockClock) -> None:
    order: list[bytes] = []
    async with bench() as made:
        lanes = [lane_of(severity) for severity in (Severity.INFO, Severity.WARNING, Severity.CRITICAL)] + [REPLY_LANE]
        for lane in lanes:
            wire = made.wire(send=lambda fd, data, size, flags: order.append(data) or len(data))
            wire.outbox.push(Frame(str(lane).encode(), lane))
        await wait_all_tasks_blocked()
    assert order == sorted(order)
    assert len(set(order)) == 4
    assert [lane_of(severity) for severity in Severity] == [LANES - 2, 3, 2, 1]


async def test_something_urgent_takes_what_waits_in_the_same_outbox_along(autojump_clock: MockClock) -> None:
    order: list[bytes] = []
    async with bench() as made:
        first, second = (
            made.wire(send=lambda fd, data, size, flags: order.append(data) or len(data)) for _ in range(2)
        )
        first.outbox.push(Frame(b"warning", 3))
        second.outbox.push_all(Frames([Frame(b"info ", 4), Frame(b"critical", 1)]))
        second.outbox.push(Frame(b" and more", 4))
        await wait_all_tasks_blocked()
    assert order == [b"info critical and more", b"warning"]


async def test_a_long_drain_lets_others_run_between_and_reports_itself_once(autojump_clock: MockClock) -> None:
    async with bench() as made:
        seen: list[int] = []

        async def other() -> None:
            seen.append(made.drain.writes)

        for _ in range(2 * WRITES_PER_PASS + 1):
            made.wire(send=lambda fd, data, size, flags: size).outbox.push(Frame(b"x", ALERT))
        await trio.lowlevel.checkpoint()
        made.nursery.start_soon(other)
        await wait_all_tasks_blocked()
        assert 0 <= seen[0] < made.drain.writes == 2 * WRITES_PER_PASS + 1
        assert [writes for _, writes in made.observer.fan_outs] == [2 * WRITES_PER_PASS + 1]


async def test_a_drain_is_timed_from_the_first_frame_noted(mock_clock: MockClock) -> None:
    def slow(fd: int, data: bytes, size: int, flags: int) -> int:
        mock_clock.jump(0.25)
        return len(data)

    async with bench() as made:
        made.wire(send=slow).outbox.push(Frame(b"x", ALERT))
        mock_clock.jump(0.5)  # whoever pushes goes on before the drain has its turn
        await wait_all_tasks_blocked()
        assert made.observer.fan_outs == [(0.75, 1)]


async def test_replies_and_proofs_of_silence_alone_are_no_fan_out(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(b"pong"))
        await wait_all_tasks_blocked()
        wire.outbox.push(Frame(b"position", IDLE_LANE))
        await wait_all_tasks_blocked()
        assert made.observer.fan_outs == []
        wire.outbox.push(Frame(b"alert", ALERT))
        await wait_all_tasks_blocked()
        assert len(made.observer.fan_outs) == 1
