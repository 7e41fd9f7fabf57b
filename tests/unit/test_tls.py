"""TLS of one connection: what counts as sent, what is bounded, and hostile peers. The sessions' tests run over it in
over_tls/."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import random
import ssl
from collections.abc import Callable, Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.door import DoorLimits
from actors.frames import Frame
from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from actors.send import Send
from actors.tls import ANSWERS_MAX_BYTES, ENCRYPT_MAX_BYTES, PLAIN_HINT, Tls
from engine.access.certificate import Certificate
from tests.support.certificates import Authority, Files
from tests.support.sockets import Encryption, Peer, Served, TlsSocket, client_frame, request_bytes, serving

HELLO = client_frame(1, b"hello")
FD = 99
# Ciphertext of 64 KiB: four records, each with a head and a tag.
PIECE_MAX_BYTES = ENCRYPT_MAX_BYTES + 4 * 32


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Authority(tmp_path_factory.mktemp("tls")).issue()


@pytest.fixture
def encryption(files: Files) -> Encryption:
    return Encryption(Certificate(files.cert, files.key).new_tls, files.client())


@pytest.fixture
def autojump_clock() -> MockClock:
    """Jumps only when nothing has moved for a moment: a handshake is several packets between real sockets."""
    return MockClock(autojump_threshold=0.02)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    with capture_logs() as entries:
        yield entries


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


async def assert_alive(peer: Peer) -> None:
    await peer.send(HELLO)
    assert await peer.frame() == (1, b"hello")


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


class Below:
    """A client whose TLS records are sent by hand, so that they can be cut, mangled and counted."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def do(self, step: Callable[[], object]) -> object:
        """Does a step of the client's TLS, as often as it wants to read for it."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self.flush()
                self.incoming.write(await self.peer.sock.recv(65_536))
            else:
                await self.flush()
                return result

    async def flush(self) -> None:
        await self.peer.send(self.outgoing.read())

    def records(self, data: bytes) -> bytes:
        """The records that say this."""
        self.ssl.write(data)
        return self.outgoing.read()


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


@pytest.mark.parametrize(
    ("first", "counted"),
    [
        pytest.param(b"\x00" * 100, "wrong version", id="zeros"),
        pytest.param(b"\x16\x03\x01\xff\xff" + b"\x01" * 2_000, "packet", id="a record that is too long"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "wrong version", id="ssh"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x28", "alert", id="an alert"),
        pytest.param(random.Random(3).randbytes(5_000), "", id="noise"),
    ],
)
async def test_garbage_instead_of_a_hello_ends_that_connection_and_nothing_else(
    autojump_clock: MockClock, encryption: Encryption, logs: list, first: bytes, counted: str
) -> None:
    async with serving(tls=encryption) as served:
        canary, peer = await served.connect(), await served.dial_tcp()
        await peer.send(first)
        await wait_all_tasks_blocked()
        statistics = served.roster.statistics()
        assert (statistics["tls_handshakes_failed"], statistics["connections_refused"]) == (1, 1)
        assert statistics["errors"] == 0
        await assert_alive(canary)
        await assert_alive(await served.connect())
    assert logs == []


async def test_plain_websocket_on_a_tls_port_is_told_to_use_wss(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        canary, peer = await served.connect(), await served.dial_tcp()
        head = await peer.upgrade()
        assert head.startswith("HTTP/1.1 400")
        assert (await peer.rest()).decode().strip() == PLAIN_HINT
        assert served.roster.tls_failed == 1
        await assert_alive(canary)


@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01\x02\x00"])
async def test_who_does_not_finish_the_tls_handshake_is_gone_after_five_seconds(
    autojump_clock: MockClock, encryption: Encryption, first: bytes
) -> None:
    async with serving(tls=encryption) as served:
        canary, peer, began = await served.connect(), await served.dial_tcp(), trio.current_time()
        await peer.send(first)
        assert await peer.rest() == b""
        assert 4.9 < trio.current_time() - began < 5.1
        assert served.roster.tls_failed == 1
        await assert_alive(canary)


async def test_tls_and_the_upgrade_have_one_deadline_together(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption) as served:
        peer, began = await served.dial_tcp(), trio.current_time()
        await trio.sleep(3)
        peer.sock = await TlsSocket.over(peer.sock, encryption.client)
        assert (await peer.head()).startswith("HTTP/1.1 408")
        assert 4.9 < trio.current_time() - began < 5.1
        assert served.roster.tls_failed == 0


@pytest.mark.parametrize("cut", [0, 1, 5, 100])
async def test_a_peer_that_hangs_up_in_the_tls_handshake_is_nobody(
    autojump_clock: MockClock, encryption: Encryption, cut: int
) -> None:
    async with serving(tls=encryption) as served:
        client = Below(await served.dial_tcp(), encryption.client)
        with pytest.raises(ssl.SSLWantReadError):
            client.ssl.do_handshake()
        await client.peer.send(client.outgoing.read()[:cut])
        client.peer.close()
        await wait_all_tasks_blocked()
        assert served.roster.statistics()["errors"] == 0
        await assert_alive(await served.connect())


async def test_a_reset_in_the_tls_handshake_is_nobody(autojump_clock: MockClock, encryption: Encryption) -> None:
    async with serving(tls=encryption) as served:
        peer = await served.dial_tcp()
        await peer.send(b"\x16")
        await wait_all_tasks_blocked()
        peer.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        await wait_all_tasks_blocked()
        assert served.roster.statistics()["errors"] == 0
        await assert_alive(await served.connect())


async def test_one_connection_too_many_is_closed_before_it_costs_a_handshake(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    async with serving(tls=encryption, limits=GatewayLimits(door=DoorLimits(connections_max=1))) as served:
        canary, peer = await served.connect(), await served.dial_tcp()
        assert await peer.rest() == b""
        statistics = served.roster.statistics()
        assert (statistics["connections_refused"], statistics["tls_handshakes_failed"]) == (1, 0)
        await assert_alive(canary)
        canary.close()
        await wait_all_tasks_blocked()
        await assert_alive(await served.connect())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_of_today_are_spoken(
    autojump_clock: MockClock, files: Files, version: ssl.TLSVersion
) -> None:
    client = files.client()
    client.minimum_version = client.maximum_version = version
    async with serving(tls=Encryption(Certificate(files.cert, files.key).new_tls, client)) as served:
        peer = await served.connect()
        assert peer.sock.stream.version() == version.name.replace("_", ".")
        assert peer.sock.stream.compression() is None
        await assert_alive(peer)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
async def test_older_versions_are_refused(autojump_clock: MockClock, files: Files) -> None:
    client = files.client()
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(tls=Encryption(Certificate(files.cert, files.key).new_tls, client)) as served:
        with pytest.raises(trio.BrokenResourceError):
            await served.dial()
        await wait_all_tasks_blocked()
        assert served.roster.tls_failed == 1


async def test_tls_that_cannot_begin_ends_that_connection_only(
    autojump_clock: MockClock, encryption: Encryption
) -> None:
    faults = [ArithmeticError("no context")]

    def new_tls(send: Send) -> Tls:
        if faults:
            raise faults.pop()
        return encryption.new_tls(send)

    async with serving(tls=Encryption(new_tls, encryption.client)) as served:
        with capture_logs() as logs:
            assert await (await served.dial_tcp()).rest() == b""
        assert (served.roster.errors, [entry["event"] for entry in logs]) == (1, ["connection_failed"])
        peer = await served.connect()
        await peer.send(client_frame(1, b"hello"))
        assert await peer.frame() == (1, b"hello")
