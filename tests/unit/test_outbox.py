"""The single writer of a connection: what it takes, keeps and closes. Real sockets with small buffers."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import send as module
from actors.frames import Frame, Frames
from actors.outbox import Outbox, OutboxLimits
from actors.send import FLAGS, Send, choose_send, socket_send
from tests.support.outboxes import BIG, SENDS, bench


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
