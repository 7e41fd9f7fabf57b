"""TLS of one connection: what counts as sent, and what is bounded. The sessions' tests run over it in over_tls/."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import random
import ssl
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.frames import Frame
from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from actors.tls import ANSWERS_MAX_BYTES, ENCRYPT_MAX_BYTES, Tls
from engine.access.certificate import Certificate
from tests.support.certificates import Files
from tests.support.sockets import HELLO, Encryption, Served, assert_alive, client_frame, request_bytes, serving
from tests.support.tls import Below, autojump_clock, encryption, files

__all__ = ["autojump_clock", "encryption", "files"]

pytestmark = pytest.mark.usefixtures("logs")
FD = 99


# Ciphertext of 64 KiB: four records, each with a head and a tag.
PIECE_MAX_BYTES = ENCRYPT_MAX_BYTES + 4 * 32


class Kernel:
    """A Send that takes what it is told to take, and the client behind it."""

    def __init__(self, files: Files) -> None:
        self.room: Callable[[int], int] = lambda size: size
        self.sent = b""
        self.offered: list[int] = []
        self.tls = Tls(Certificate(files.cert, files.key).context, self)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = files.client().wrap_bio(self._in, self._out, server_hostname="localhost")
        self._shake_hands()

    def __call__(self, fd: int, data: bytes, size: int, flags: int) -> int:
        self.offered.append(size)
        taken = self.room(size)
        self.sent += data[: max(0, taken)]
        if taken < 0:
            ctypes.set_errno(errno.EAGAIN)
        return taken

    def _shake_hands(self) -> None:
        server = self.tls
        for _ in range(4):
            for end in (self.client, server._ssl):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
                server._incoming.write(self._out.read())
                self._in.write(server._outgoing.read())

    def heard(self) -> bytes:
        """What the client makes of what the kernel took."""
        self._in.write(self.sent)
        self.sent, heard = b"", b""
        try:
            while part := self.client.read(1_000_000):
                heard += part
        except ssl.SSLWantReadError:
            pass
        return heard


def send(kernel: Kernel, data: bytes) -> int:
    return kernel.tls.send(FD, data, len(data), 0)


def test_what_the_kernel_takes_is_sent(files: Files) -> None:
    kernel = Kernel(files)
    assert send(kernel, b"hello") == 5
    assert send(kernel, b" you") == 4
    assert kernel.heard() == b"hello you"


def test_bytes_are_sent_only_when_all_of_their_ciphertext_is(files: Files) -> None:
    kernel = Kernel(files)
    kernel.room = lambda size: size - 1
    assert send(kernel, b"hello") == -1
    assert ctypes.get_errno() == errno.EAGAIN
    kernel.room = lambda size: size
    assert send(kernel, b"hello, and more") == 15, "the same bytes again, with what came after them"
    assert kernel.heard() == b"hello, and more"


def test_what_is_encrypted_is_not_encrypted_again(files: Files) -> None:
    kernel = Kernel(files)
    kernel.room = lambda size: -1
    assert [send(kernel, b"hello") for _ in range(3)] == [-1, -1, -1]
    assert len(set(kernel.offered)) == 1
    kernel.room = lambda size: size
    assert send(kernel, b"hello") == 5
    assert kernel.heard() == b"hello"


def test_no_more_than_one_piece_is_held_twice(files: Files) -> None:
    kernel, data = Kernel(files), random.Random(1).randbytes(10 * ENCRYPT_MAX_BYTES)
    kernel.room = lambda size: -1
    assert send(kernel, data) == -1
    assert len(kernel.tls._unsent) <= PIECE_MAX_BYTES
    kernel.room = lambda size: size
    assert send(kernel, data) == len(data)
    assert kernel.heard() == data
    assert max(kernel.offered) <= PIECE_MAX_BYTES


def test_what_left_before_the_kernel_was_full_counts(files: Files) -> None:
    kernel, data = Kernel(files), random.Random(2).randbytes(3 * ENCRYPT_MAX_BYTES)
    rooms = iter([10**9, 100])
    kernel.room = lambda size: min(size, next(rooms, -1))
    sent = send(kernel, data)
    assert sent == ENCRYPT_MAX_BYTES
    kernel.room = lambda size: size
    assert send(kernel, data[sent:]) == len(data) - sent
    assert kernel.heard() == data


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_kernel_takes_the_stream_is_whole_and_in_order(files: Files, seed: int) -> None:
    kernel, chance = Kernel(files), random.Random(seed)
    kernel.room = lambda size: chance.choice([-1, 0, 1, size // 2, size - 1, size, size, size])
    written, waiting, heard = b"", b"", b""
    for _ in range(40):
        data = chance.randbytes(chance.choice([1, 200, 8_000, 70_000, 150_000]))
        written += data
        waiting += data
        while waiting and (sent := send(kernel, waiting)) > 0:
            waiting = waiting[sent:]
        heard += kernel.heard()
    kernel.room = lambda size: size
    assert send(kernel, waiting) == len(waiting)
    assert heard + kernel.heard() == written


def test_after_the_end_of_tls_nothing_can_be_sent_and_the_outbox_is_told(files: Files) -> None:
    kernel = Kernel(files)
    kernel.tls.close(FD)
    assert send(kernel, b"late") == -1
    assert ctypes.get_errno() == errno.EPIPE


def test_a_fault_of_the_socket_is_passed_on(files: Files) -> None:
    kernel = Kernel(files)
    kernel.tls._send = lambda fd, data, size, flags: (ctypes.set_errno(errno.ECONNRESET), -1)[1]
    assert send(kernel, b"hello") == -1
    assert ctypes.get_errno() == errno.ECONNRESET


async def test_messages_go_both_ways_and_the_goodbye_is_said_in_tls(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        peer = await served.connect()
        await assert_alive(peer)
        served.roster.connections()[0].abort()
        with pytest.raises(trio.BrokenResourceError):
            await peer.rest()
        peer = await served.connect()
        await peer.send(client_frame(8, b"\x03\xe8"))
        # A stream cut short would be an error: `rest` ends because of close_notify.
        assert await peer.rest() == b"\x88\x02\x03\xe8"


async def test_a_large_message_arrives_whole_through_a_small_socket(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    size = 400_000
    async with serving(tls=encryption) as served:
        peer = await served.connect()
        outbox = served.roster.connections()[0].outbox
        outbox.push(Frame(b"\x82\x7f" + size.to_bytes(8, "big") + bytes(size)))
        outbox.push(Frame(b"\x81\x02ok"))
        await wait_all_tasks_blocked()
        assert await peer.frame() == (2, bytes(size))
        assert await peer.frame() == (1, b"ok")
        assert outbox.waiting_bytes == 0


async def test_a_peer_that_does_not_read_is_cut_at_the_same_bound(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption, limits=GatewayLimits(outbox=OutboxLimits(max_bytes=1_048_576))) as served:
        await served.connect()
        canary = await served.connect()
        [slow] = [c for c in served.roster.connections() if c.client_id == "c1"]
        most = 0
        for _ in range(300):
            slow.outbox.push(Frame(b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000)))
            await trio.lowlevel.checkpoint()
            most = max(most, slow.outbox.waiting_bytes)
        assert served.roster.slow == 1
        assert most <= 1_048_576 + 100_010
        await assert_alive(canary)


async def below(served: Served, encryption: Encryption) -> Below:
    """A connection that has become a WebSocket."""
    client = Below(await served.dial_tcp(), encryption.client)
    await client.do(client.ssl.do_handshake)
    client.ssl.write(request_bytes())
    answer = await client.do(lambda: client.ssl.read(65_536))
    assert isinstance(answer, bytes)
    assert answer.startswith(b"HTTP/1.1 101")
    return client


async def test_records_that_come_byte_by_byte_are_one_message(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        client = await below(served, encryption)
        for byte in client.records(HELLO):
            await client.peer.send(bytes([byte]))
            await wait_all_tasks_blocked()
        assert await client.do(lambda: client.ssl.read(100)) == b"\x81\x05hello"


async def test_a_request_in_the_packet_that_ends_the_handshake_is_heard(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        client = Below(await served.dial_tcp(), encryption.client)
        with pytest.raises(ssl.SSLWantReadError):
            client.ssl.do_handshake()
        await client.flush()
        client.incoming.write(await client.peer.sock.recv(65_536))
        client.ssl.do_handshake()
        client.ssl.write(request_bytes())
        answer = await client.do(lambda: client.ssl.read(65_536))
        assert isinstance(answer, bytes)
        assert answer.startswith(b"HTTP/1.1 101")


async def test_many_records_in_one_packet_are_many_messages(autojump_clock: MockClock, encryption: Encryption) -> None:
    async with serving(tls=encryption) as served:
        client = await below(served, encryption)
        await client.peer.send(b"".join(client.records(HELLO) for _ in range(100)))
        heard = b""
        while len(heard) < 700:
            heard += await client.do(lambda: client.ssl.read(65_536))  # type: ignore[operator]
        assert heard == b"\x81\x05hello" * 100


async def test_a_record_that_was_tampered_with_ends_that_connection_with_an_alert(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        client, canary = await below(served, encryption), await served.connect()
        record = bytearray(client.records(HELLO))
        record[-1] ^= 1
        await client.peer.send(bytes(record))
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            await client.do(lambda: client.ssl.read(100))
        await assert_alive(canary)
        assert served.roster.statistics()["connected_clients"] == 1


async def test_a_peer_that_hangs_up_without_a_goodbye_is_gone(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        client = await below(served, encryption)
        client.peer.close()
        await wait_all_tasks_blocked()
        assert served.roster.connections() == []


async def test_a_peer_that_only_provokes_answers_of_tls_itself_is_cut(
    autojump_clock: MockClock, encryption: Encryption, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python's client cannot ask for key updates; the answers to them wait in the same buffer as these bytes.
    async with serving(tls=encryption) as served:
        client, canary = await below(served, encryption), await served.connect()
        [victim] = [c for c in served.roster.connections() if c.client_id == "c1"]
        tls = victim.websocket._tls
        assert tls is not None
        tls._outgoing.write(bytes(ANSWERS_MAX_BYTES + 1))
        await client.peer.send(client.records(HELLO)[:10])
        await wait_all_tasks_blocked()
        assert [c.client_id for c in served.roster.connections()] == ["c2"]
        await assert_alive(canary)
