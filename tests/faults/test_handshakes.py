"""Handshakes that are late, wrong or hostile: each ends itself, and a canary connected before hears nothing of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.support.examples import examples
from tests.support.sockets import Peer, Served, client_frame, request_bytes, serving

CANARY = client_frame(1, b"alive?")


@pytest.fixture(autouse=True)
def logs() -> Iterator[list]:
    with capture_logs() as entries:
        yield entries


@asynccontextmanager
async def with_a_canary() -> AsyncIterator[Served]:
    """A gateway; at the end a connection opened before is still served, and so is a new one."""
    async with serving() as served:
        canary = await served.connect()
        yield served
        for peer in (canary, await served.connect()):
            await peer.send(CANARY)
            assert await peer.frame() == (1, b"alive?")


async def answer_to(served: Served, data: bytes) -> tuple[int, str]:
    """Status and body of the answer to these bytes; the connection has ended after it."""
    peer = await served.dial()
    await peer.send(data)
    return await answer(peer)


async def answer(peer: Peer) -> tuple[int, str]:
    whole = await peer.rest()
    peer.close()
    await trio.testing.wait_all_tasks_blocked()
    head, _, body = whole.partition(b"\r\n\r\n")
    fields = head.decode().split("\r\n")
    assert f"Content-Length: {len(body)}" in fields
    assert "Connection: close" in fields
    return int(fields[0].split(" ")[1]), body.decode()


@pytest.mark.parametrize(
    "header", ["Host", "Connection", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Upgrade", "Origin"]
)
@pytest.mark.parametrize("value", [b"\x80", b"upgrade, \xff\xfe", b"caf\xc3\xa9", b"xn--\xff"])
async def test_a_byte_above_0x7f_in_a_header_ends_that_connection_and_nothing_else(
    autojump_clock: MockClock, header: str, value: bytes
) -> None:
    async with with_a_canary() as served:
        status, _ = await answer_to(served, request_bytes(headers={header: value}))
        assert status in (400, 403)
        assert (served.roster.refused, served.roster.errors) == (1, 0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        pytest.param(request_bytes(drop="Host"), 400, id="no host"),
        pytest.param(request_bytes(drop="Sec-WebSocket-Key"), 400, id="no key"),
        pytest.param(request_bytes(drop="Connection"), 400, id="no connection header"),
        pytest.param(request_bytes(headers={"Upgrade": "h2c"}), 400, id="another upgrade"),
        pytest.param(request_bytes(drop="Sec-WebSocket-Version"), 400, id="no version"),
        pytest.param(request_bytes(headers={"Sec-WebSocket-Version": "8"}), 426, id="an old version"),
        pytest.param(request_bytes().replace(b"GET", b"POST"), 400, id="not GET"),
        pytest.param(request_bytes(path="/\xff"), 400, id="a path that is not ASCII"),
        pytest.param(request_bytes(path="/nowhere"), 404, id="another path"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="TLS"),
        pytest.param(b"\x00" * 100 + b"\r\n\r\n", 400, id="zeros"),
        pytest.param(b"GET /ws HTTP/1.1\r\n" + b"X: " + b"x" * 100_000, 400, id="a header without end"),
        pytest.param(request_bytes(headers={"Host": "ü" * 100}), 400, id="a host name that is no name"),
        pytest.param(request_bytes(headers={"Content-Length": "99999999999999999999999"}), 400, id="an absurd length"),
        pytest.param(client_frame(1, b"frames without a handshake") + b"\r\n\r\n", 400, id="frames first"),
    ],
)
async def test_whatever_is_wrong_with_a_handshake_is_answered_in_http(
    autojump_clock: MockClock, data: bytes, status: int
) -> None:
    async with with_a_canary() as served:
        assert (await answer_to(served, data))[0] == status
        assert served.roster.errors == 0


async def test_a_plain_http_request_is_told_what_this_port_is(autojump_clock: MockClock) -> None:
    async with with_a_canary() as served:
        plain = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n"
        assert await answer_to(served, plain) == (400, "this port speaks WebSocket: connect with ws://\n")


async def test_an_old_version_is_told_which_one_we_speak(autojump_clock: MockClock) -> None:
    async with with_a_canary() as served:
        peer = await served.dial()
        await peer.send(request_bytes(headers={"Sec-WebSocket-Version": "8"}))
        head = await peer.head()
        assert head.startswith("HTTP/1.1 426 Upgrade Required\r\n")
        assert "\r\nSec-WebSocket-Version: 13" in head


@pytest.mark.parametrize("early", [b"", b"GET /ws HT", request_bytes()[:-2]])
async def test_a_handshake_that_does_not_come_is_closed_after_five_seconds(
    autojump_clock: MockClock, early: bytes
) -> None:
    async with with_a_canary() as served:
        began = trio.current_time()
        assert await answer_to(served, early) == (408, "no handshake within 5 s\n")
        assert 5 <= trio.current_time() - began < 5.1


async def test_a_slow_loris_does_not_win_time_with_each_header(autojump_clock: MockClock) -> None:
    async with with_a_canary() as served:
        began = trio.current_time()
        peer = await served.dial()
        await peer.send(b"GET /ws HTTP/1.1\r\n")
        for number in range(4):
            await peer.send(f"X-{number}: y\r\n".encode())
            await trio.sleep(1.2)
        assert (await answer(peer))[0] == 408
        assert trio.current_time() - began < 5.1


async def test_a_peer_that_resets_after_its_refusal_is_still_counted_as_refused(autojump_clock: MockClock) -> None:
    async with with_a_canary() as served:
        peer = await served.dial()
        await peer.send(request_bytes(path="/nowhere"))
        await trio.testing.wait_all_tasks_blocked()
        peer.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        await trio.testing.wait_all_tasks_blocked()
        assert (served.roster.refused, served.roster.errors) == (1, 0)


async def test_a_refused_peer_that_goes_on_sending_is_drained_for_two_seconds_and_left(
    autojump_clock: MockClock,
) -> None:
    async with with_a_canary() as served:
        peer = await served.dial()
        began = trio.current_time()
        await peer.send(request_bytes(path="/nowhere"))
        await peer.head()
        with pytest.raises(OSError, match=r"reset|pipe"):
            while True:
                await peer.send(b"more and more ")
                await trio.sleep(0.1)
        assert 1.9 <= trio.current_time() - began <= 2.3


HEADERS = ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol"]


@examples(150, suppress_health_check=list(HealthCheck))
@given(
    headers=st.dictionaries(
        st.sampled_from([*HEADERS, "Sec-WebSocket-Extensions", "Origin", "Transfer-Encoding", "Content-Length"]),
        st.binary(max_size=60) | st.sampled_from([b"chunked", b"upgrade", b"13", b"websocket"]),
        max_size=4,
    ),
    tail=st.binary(max_size=40),
    cut=st.integers(0, 400),
)
def test_no_handshake_at_all_makes_the_gateway_count_an_error(
    headers: dict[str, str | bytes], tail: bytes, cut: int
) -> None:
    async def main() -> None:
        async with serving() as served:
            canary = await served.connect()
            peer = await served.dial()
            data = request_bytes(headers=headers) + tail
            await peer.send(data if cut > 200 else data[:cut])
            peer.sock.shutdown(trio.socket.SHUT_WR)
            await peer.rest()
            assert served.roster.errors == 0
            await canary.send(CANARY)
            assert await canary.frame() == (1, b"alive?")

    trio.run(main, clock=MockClock(autojump_threshold=0))
