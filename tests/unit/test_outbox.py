"""The single writer of a connection, and the drain that writes for all. Real sockets with small buffers."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import send as module
from actors.audience import Audience, channel_offset
from actors.drain import WRITES_PER_PASS, Drain
from actors.frames import IDLE_LANE, LANES, REPLY_LANE, AlertFrame, Frame, Frames, lane_of
from actors.outbox import Outbox, OutboxLimits
from actors.send import FLAGS, Send, choose_send, socket_send
from protocol import messages as m
from protocol.codec import WireForm, frame_message
from protocol.model import Severity
from tests.support.actors import Recorder, an_event

SENDS: dict[str, Send] = {"libc": choose_send(), "fallback": socket_send}
BIG = b"x" * 300_000
ALERT = lane_of(Severity.ERROR)


class Wire:
    """An outbox over one end of a socket pair; what it wrote is read from the other end."""

    def __init__(self, drain: Drain, nursery: trio.Nursery, soft_bytes: int, max_bytes: int, send: Send) -> None:
        self.near, self.far = trio.socket.socketpair()
        self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        self.writes: list[int] = []
        self.slow = self.broken = 0
        self._send = send
        self.outbox = Outbox(self.near, drain, nursery, OutboxLimits(soft_bytes, max_bytes), self.send)
        self.outbox.on_trouble(self.is_slow, self.is_broken)

    def send(self, fd: int, data: bytes, size: int, flags: int) -> int:
        self.writes.append(size)
        return self._send(fd, data, size, flags)

    def replace_send(self, send: Send) -> None:
        self._send = send

    def is_slow(self) -> None:
        self.slow += 1

    def is_broken(self) -> None:
        self.broken += 1

    async def heard(self, size: int) -> bytes:
        data = b""
        with trio.fail_after(100):
            while len(data) < size:
                data += await self.far.recv(size - len(data))
        return data

    def close(self) -> None:
        self.outbox.discard()
        self.near.close()
        self.far.close()


class Bench:
    """A running drain and the wires that hang on it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.observer = Recorder()
        self.drain = Drain(self.observer)
        self.nursery = nursery
        self.wires: list[Wire] = []

    def wire(self, max_bytes: int = 1_000_000, send: Send = SENDS["libc"], *, soft_bytes: int | None = None) -> Wire:
        soft_bytes = max_bytes if soft_bytes is None else soft_bytes
        self.wires.append(Wire(self.drain, self.nursery, soft_bytes, max_bytes, send))
        return self.wires[-1]


def an_alert_frame(offset: int, severity: Severity) -> AlertFrame:
    events = [an_event(offset, severity=severity)]
    return Audience("c", "e1", 0, 0, channel_offset).frames(events, WireForm.JSON, Severity.INFO, offset - 1)[0][0]


def a_gap(first: int, last: int) -> bytes:
    message = m.GapMessage(
        channel="c", epoch="e1", prev=first - 1, from_=first, to=last, count=last - first + 1, reason="slow"
    )
    return frame_message(message, WireForm.JSON)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        made = Bench(nursery)
        nursery.start_soon(made.drain.run)
        await wait_all_tasks_blocked()
        try:
            yield made
        finally:
            for wire in made.wires:
                wire.close()
            nursery.cancel_scope.cancel()


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


async def test_what_the_kernel_does_not_take_follows_when_it_has_room_and_nothing_is_lost(
    autojump_clock: MockClock,
) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(BIG))
        await wait_all_tasks_blocked()
        assert 0 < wire.outbox.waiting_bytes < len(BIG), "a short write"
        wire.outbox.push(Frame(b"after"))
        assert await wire.heard(len(BIG) + 5) == BIG + b"after"
        assert wire.outbox.waiting_bytes == 0


async def test_a_kernel_that_takes_nothing_yet_is_asked_again(autojump_clock: MockClock) -> None:
    async with bench() as made:
        answers = [-errno.EAGAIN, -errno.EINTR, -errno.ENOBUFS, 2, 3]

        def take(fd: int, data: bytes, size: int, flags: int) -> int:
            answer = answers.pop(0)
            ctypes.set_errno(max(0, -answer))
            return max(-1, answer)

        wire = made.wire(send=take)
        wire.outbox.push(Frame(b"hello"))
        await wire.outbox.wait_below(0)
        assert (wire.writes, answers, wire.broken) == ([5, 5, 5, 5, 3], [], 0)


async def test_a_peer_that_reads_slowly_gets_everything_in_order_while_more_comes(autojump_clock: MockClock) -> None:
    """Drain and flusher take turns; two tasks waiting for one socket would have ended the whole gateway."""
    async with bench() as made:
        wire = made.wire(max_bytes=50_000_000)
        pieces = [bytes((n % 251,)) * 5_000 for n in range(400)]

        async def produce() -> None:
            for piece in pieces:
                wire.outbox.push(Frame(piece))
                await trio.lowlevel.checkpoint()

        made.nursery.start_soon(produce)
        assert await wire.heard(2_000_000) == b"".join(pieces)


@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS.keys())
async def test_both_ways_of_sending_tell_how_much_or_the_errno(send: Send) -> None:
    def sends(fd: int, data: bytes) -> int:
        sent = send(fd, data, len(data), FLAGS)
        return sent if sent >= 0 else -ctypes.get_errno()

    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        assert sends(near.fileno(), b"with a \0 in it") == 14
        assert far.recv(100) == b"with a \0 in it"
        while (sent := sends(near.fileno(), BIG)) > 0:
            pass
        assert sent == -errno.EAGAIN
        far.close()
        assert sends(near.fileno(), b"x") == -errno.EPIPE
    assert sends(near.fileno() if near.fileno() >= 0 else 999_999, b"x") == -errno.EBADF


def test_the_fallback_tells_that_descriptors_have_run_out() -> None:
    near, far = socket.socketpair()
    with near, far:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(near.fileno())
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            assert socket_send(near.fileno(), b"x", 1, FLAGS) == -1
            assert ctypes.get_errno() == errno.EMFILE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_a_libc_the_fallback_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OSError("no such library")

    monkeypatch.setattr(module, "libc_send", missing)
    assert choose_send() is socket_send


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


async def test_nothing_is_taken_after_the_close_frame(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(b"before "))
        wire.outbox.seal(b"close")
        wire.outbox.push(Frame(b"after"))
        wire.outbox.push_all(Frames([Frame(b"after")]))
        wire.outbox.seal(b"another close")
        await wire.outbox.wait_below(0)
        wire.near.close()
        assert await wire.far.recv(100) == b"before close"
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


async def test_waiting_ends_when_little_enough_waits(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        await wire.outbox.wait_below(0)
        wire.outbox.push(Frame(BIG))
        reached: list[int] = []

        async def wait(limit: int) -> None:
            await wire.outbox.wait_below(limit)
            reached.append(wire.outbox.waiting_bytes)

        made.nursery.start_soon(wait, 100_000)
        made.nursery.start_soon(wait, 0)
        await wait_all_tasks_blocked()
        assert reached == []
        await wire.heard(250_000)
        await wait_all_tasks_blocked()
        assert 0 < reached[0] <= 100_000
        await wire.heard(50_000)
        await wait_all_tasks_blocked()
        assert reached[1:] == [0]


async def test_a_broken_socket_is_told_once_and_wakes_who_waits(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.far.close()
        wire.outbox.push(Frame(b"hello"))
        await wire.outbox.wait_below(0)
        wire.outbox.push(Frame(b"more"))
        await wait_all_tasks_blocked()
        assert (wire.broken, wire.outbox.broken, wire.outbox.waiting_bytes) == (1, True, 0)


async def test_a_socket_that_breaks_under_the_flusher_is_told(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(BIG))
        await wait_all_tasks_blocked()
        wire.far.close()
        await wait_all_tasks_blocked()
        assert (wire.broken, wire.outbox.waiting_bytes) == (1, 0)


async def test_closing_the_socket_ends_the_flusher(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(BIG))
        await wait_all_tasks_blocked()
        tasks = len(made.nursery.child_tasks)
        wire.near.close()
        await wait_all_tasks_blocked()
        assert len(made.nursery.child_tasks) == tasks - 1
        assert (wire.outbox.broken, wire.broken) == (True, 0)


async def test_a_socket_that_was_closed_under_us_is_never_anothers(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.near.close()
        wire.outbox.push(Frame(b"hello"))
        await wait_all_tasks_blocked()
        assert wire.broken == 1


async def test_what_was_discarded_is_not_written(autojump_clock: MockClock) -> None:
    async with bench() as made:
        wire = made.wire()
        wire.outbox.push(Frame(b"hello"))
        wire.outbox.discard()
        await wait_all_tasks_blocked()
        assert (wire.writes, wire.outbox.waiting_bytes) == ([], 0)


async def test_an_outbox_that_nobody_watches_still_bounds_itself(autojump_clock: MockClock) -> None:
    async with bench() as made:
        near, far = trio.socket.socketpair()
        with near, far:
            outbox = Outbox(near, made.drain, made.nursery, OutboxLimits(10, 10), SENDS["libc"])
            outbox.push(Frame(b"x" * 11))
            outbox.push(Frame(b"x"))
            assert outbox.waiting_bytes == 11
            outbox.discard()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_write_that_raises_ends_its_own_connection_and_no_other(autojump_clock: MockClock, begun: bool) -> None:
    async with bench() as made:
        wire, other = made.wire(), made.wire()
        if begun:  # then it is not the drain that writes, but the wire's own flusher
            wire.outbox.push(Frame(BIG))
            await wait_all_tasks_blocked()

        def fail(fd: int, data: bytes, size: int, flags: int) -> int:
            raise ArithmeticError("a bug below us")

        wire.replace_send(fail)
        wire.outbox.push(Frame(b"lost"))
        other.outbox.push(Frame(b"hello"))
        with capture_logs() as logs:
            assert await other.heard(5) == b"hello"
            if begun:
                while wire.broken == 0:
                    await wire.far.recv(100_000)
                    await wait_all_tasks_blocked()
        assert (wire.broken, wire.outbox.broken, made.drain.failures) == (1, True, 1)
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [("write_failed", "error")]
        other.outbox.push(Frame(b"again"))
        assert await other.heard(5) == b"again"


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
