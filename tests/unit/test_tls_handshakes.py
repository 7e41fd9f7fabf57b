"""Handshakes of TLS: garbage, plain HTTP, those that do not end, and the versions that are spoken."""

from __future__ import annotations

import random
import ssl

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.door import DoorLimits
from actors.gateway import GatewayLimits
from actors.send import Send
from actors.tls import PLAIN_HINT, Tls
from engine.access.certificate import Certificate
from tests.support.certificates import Files
from tests.support.sockets import Encryption, TlsSocket, assert_alive, client_frame, serving
from tests.support.tls import Below, autojump_clock, encryption, files

__all__ = ["autojump_clock", "encryption", "files"]

pytestmark = pytest.mark.usefixtures("logs")


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
