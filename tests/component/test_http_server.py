"""The HTTP server: its life, slow and broken clients, and what it refuses before the application sees it."""

from __future__ import annotations

import gc
import socket
import time
from typing import Any

import httpx
import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from engine.http import server as server_module
from engine.http.app import create_app
from engine.http.door import HttpLimits
from engine.http.ports import About
from engine.http.problems import BodyTooSlow, own_limit
from engine.http.server import (
    GRACE_S,
    KEEP_ALIVE_S,
    address_of,
)
from engine.http.streams import SEND_MAX_S
from protocol.errors import BadRequest
from protocol.limits import Limit
from tests.support.cycles import ours_in_cycles
from tests.support.http_server import (
    GET,
    HUGE,
    Gated,
    asked_once,
    connect,
    hello,
    huge,
    read_all,
    read_until,
    serving,
    unhurried_clock,
)
from tests.support.http_service import BEARER, FakeService

Clock = trio.testing.MockClock

# In real time: what a kernel holds up is held up for as long as the other end stays as it is.
REAL_MAX_S = 30.0


@pytest.fixture
def autojump_clock() -> Clock:
    return unhurried_clock()


async def test_it_serves_the_application_until_it_is_cancelled() -> None:
    about = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30)
    app = create_app(FakeService(), FakeService(), FakeService(), lambda: b"", lambda: about)
    async with serving(app) as (server, _), httpx.AsyncClient(base_url=server.address, headers=BEARER) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        response = await client.post("/api/v1/triggers", json={"alert": {"framework_id": "web"}})
        assert response.json()["results"][0]["status"] == "fired"
        assert "server" not in response.headers
        assert server.statistics()["connections_open"] == 1
    with pytest.raises(OSError, match=r"refused|failed|connect"):
        await connect(server)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")])
def test_the_address_can_be_opened_in_a_browser(host: str, expected: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listening:
        assert address_of(listening) == f"{expected}{listening.getsockname()[1]}"


async def test_accepted_connections_give_up_unacknowledged_bytes_after_five_seconds() -> None:
    async with serving(Gated()) as (server, _), await connect(server):
        await wait_all_tasks_blocked()
        [stream] = server._streams
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SEND_MAX_S * 1_000


async def test_one_connection_may_carry_more_than_a_thousand_requests() -> None:
    async with serving(hello) as (server, _), await connect(server) as stream:
        for _ in range(1_001):
            await stream.send_all(GET)
            assert b"close" not in await read_until(stream, b"hello")


async def test_an_idle_connection_is_closed_at_once_when_the_server_ends(autojump_clock: Clock) -> None:
    async with serving(hello) as (server, nursery), await connect(server) as stream:
        await stream.send_all(GET)
        await read_until(stream, b"hello")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            assert await read_all(stream) == b""
    assert trio.current_time() == 0


async def test_a_running_request_is_answered_although_the_server_ends(autojump_clock: Clock) -> None:
    app = Gated()
    async with trio.open_nursery() as clients, serving(app) as (server, nursery):
        stream = await connect(server)
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        clients.start_soon(_open_later, app.gate, GRACE_S / 2)
        with trio.CancelScope(shield=True):
            assert (await read_all(stream)).endswith(b"hello")
            await stream.aclose()


async def _open_later(gate: trio.Event, seconds: float) -> None:
    await trio.sleep(seconds)
    gate.set()


async def test_a_request_that_does_not_end_is_cut_after_the_grace(autojump_clock: Clock) -> None:
    async with serving(Gated()) as (server, _):
        stream = await connect(server)
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
    assert trio.current_time() == pytest.approx(GRACE_S)
    await stream.aclose()


async def test_a_client_that_stopped_reading_does_not_hold_the_end_of_the_server(autojump_clock: Clock) -> None:
    begin = time.monotonic()
    async with serving(huge) as (server, _):
        stream = await connect(server)
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        assert server.statistics()["connections_open"] == 1
    assert trio.current_time() <= 2
    # What would hold it is the kernel, which knows nothing of our clock.
    assert time.monotonic() - begin < REAL_MAX_S
    await stream.aclose()


async def test_a_client_that_stops_reading_while_the_server_ends_does_not_hold_it_either(
    autojump_clock: Clock,
) -> None:
    app, begin = Gated(), time.monotonic()

    async def gated_huge(scope: Any, receive: Any, send: Any) -> None:
        await app.gate.wait()
        await huge(scope, receive, send)

    async with trio.open_nursery() as later, serving(gated_huge) as (server, _):
        stream = await connect(server)
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        later.start_soon(_open_later, app.gate, GRACE_S / 2)
    assert trio.current_time() <= 2
    assert time.monotonic() - begin < REAL_MAX_S
    await stream.aclose()


async def test_a_client_that_does_not_read_is_given_up_after_five_seconds(autojump_clock: Clock) -> None:
    async with serving(huge) as (server, _):
        stream = await connect(server)
        await stream.send_all(GET)
        await trio.sleep(SEND_MAX_S / 2)
        assert server.statistics()["connections_open"] == 1
        # The kernels of both ends go on moving bytes in real time for a while, and each piece that moves counts.
        await trio.sleep(4 * SEND_MAX_S)
        assert server.statistics()["connections_open"] == 0
    await stream.aclose()


async def test_a_slow_but_steady_reader_gets_everything() -> None:
    async with serving(huge) as (server, _), await connect(server) as stream:
        await stream.send_all(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = 0
        async for part in stream:
            received += len(part)
        assert received > len(HUGE)


async def test_slow_headers_are_cut_after_five_seconds(autojump_clock: Clock) -> None:
    async with serving(hello) as (server, nursery), await connect(server) as stream:
        nursery.start_soon(_drip, stream, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100)
        assert await read_all(stream) == b""
        assert trio.current_time() == pytest.approx(KEEP_ALIVE_S, abs=0.6)


async def _drip(stream: trio.SocketStream, data: bytes) -> None:
    try:
        for position in range(len(data)):
            await stream.send_all(data[position : position + 1])
            await trio.sleep(0.5)
    except trio.BrokenResourceError:
        pass


async def test_a_dripping_body_is_answered_with_408(autojump_clock: Clock) -> None:
    about = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30)
    app = create_app(FakeService(), FakeService(), FakeService(), lambda: b"", lambda: about)
    head = b"POST /api/v1/triggers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nContent-Length: 1000\r\n\r\n"
    async with serving(app) as (server, nursery), await connect(server) as stream:
        await stream.send_all(head)
        nursery.start_soon(_drip, stream, b" " * 900)
        received = await read_all(stream)
        assert received.startswith(b"HTTP/1.1 408")
        assert b'"temporary":true' in received
        assert trio.current_time() < 15


async def test_an_unannounced_body_above_the_limit_is_answered_with_413() -> None:
    about = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30)
    service = FakeService()
    app = create_app(service, service, service, lambda: b"", lambda: about, body_max_bytes=100)
    head = (
        b"POST /api/v1/triggers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with serving(app) as (server, _), await connect(server) as stream:
        await stream.send_all(head + b"a\r\n0123456789\r\n" * 20 + b"0\r\n\r\n")
        assert (await read_until(stream, b"}")).startswith(b"HTTP/1.1 413")
    assert service.asked == []


async def test_an_upload_without_a_token_is_answered_and_the_connection_lives_on() -> None:
    """Unread bodies once left Hypercorn's reader stuck in its queue of ten parts, and the connection with it."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"
    async with serving(hello) as (server, _), await connect(server) as stream:
        for _ in range(2):
            await stream.send_all(head)
            await stream.send_all(b"x" * 4_000_000)
            assert (await read_until(stream, b"hello")).startswith(b"HTTP/1.1 200")
        assert server.statistics()["connections_open"] == 1


async def test_an_upload_that_never_ends_is_answered_and_closed(autojump_clock: Clock) -> None:
    async with serving(hello) as (server, nursery), await connect(server) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
        nursery.start_soon(_drip, stream, b"x" * 1_000)
        assert b"hello" in await read_all(stream)
        await wait_all_tasks_blocked()
        assert server.statistics()["connections_open"] == 0


async def test_a_fault_of_one_connection_is_logged_and_ends_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(hello) as (server, _):
        healthy = await connect(server)
        await wait_all_tasks_blocked()
        monkeypatch.setattr(server_module._Http1, "handle", _broken)
        with structlog.testing.capture_logs() as logs:
            async with await connect(server) as stream:
                await stream.send_all(GET)
                assert await read_all(stream) == b""
        monkeypatch.undo()
        await healthy.send_all(GET)
        assert (await read_until(healthy, b"hello")).startswith(b"HTTP/1.1 200")
        await healthy.aclose()
        assert [entry["event"] for entry in logs] == ["http_connection_failed"]
        assert server.statistics()["connections_failed"] == 1


async def _broken(self: Any, event: Any) -> None:
    raise RuntimeError("planted")


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_http_2_is_not_spoken(request_bytes: bytes) -> None:
    async with serving(hello) as (server, _), await connect(server) as stream:
        await stream.send_all(request_bytes)
        answer = await stream.receive_some(65_536)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4"))
        assert server.statistics()["connections_failed"] == 0


@pytest.mark.parametrize("rubbish", [b"\x00\xff" * 100, b"GET / HTTP/x\r\n\r\n", b"GET\r\n\r\n", b"X" * 100_000])
async def test_rubbish_is_refused_and_harms_nobody(rubbish: bytes) -> None:
    async with serving(hello) as (server, _), await connect(server) as stream:
        await stream.send_all(rubbish)
        answer = await read_all(stream)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
        assert server.statistics()["connections_failed"] == 0


async def test_a_websocket_is_not_found_here() -> None:
    about = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30)
    app = create_app(FakeService(), FakeService(), FakeService(), lambda: b"", lambda: about)
    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with serving(app) as (server, _), await connect(server) as stream:
        await stream.send_all(upgrade)
        assert (await stream.receive_some(65_536)).startswith(b"HTTP/1.1 4")
        assert server.statistics()["connections_failed"] == 0


@pytest.mark.parametrize("header", [b"Sec-WebSocket-Protocol: \x80", b"Sec-WebSocket-Extensions: \xff"])
async def test_an_upgrade_with_hostile_bytes_is_answered_like_any_request(header: bytes) -> None:
    upgrade = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + header + b"\r\n\r\n"
    async with serving(hello) as (server, _), await connect(server) as stream:
        await stream.send_all(upgrade)
        assert (await read_until(stream, b"hello")).startswith(b"HTTP/1.1 200")
        assert server.statistics()["connections_failed"] == 0


async def test_what_a_peer_breaks_is_one_line_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_off(self: Any, event: Any) -> None:
        raise UnicodeDecodeError("ascii", b"\x80", 0, 1, "ordinal not in range")

    async with serving(hello) as (server, _):
        monkeypatch.setattr(server_module._Http1, "handle", break_off)
        with structlog.testing.capture_logs() as logs:
            async with await connect(server) as stream:
                await stream.send_all(GET)
                assert await read_all(stream) == b""
                await wait_all_tasks_blocked()
        (line,) = logs
        assert (line["log_level"], line["event"]) == ("info", "http_connection_ended")
        assert "exc_info" not in line
        assert server.statistics()["connections_failed"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/alerts", "/metrics", "/nothing"])
async def test_head_answers_as_get_does_without_the_body(path: str) -> None:
    about = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30)
    app = create_app(FakeService(), FakeService(), FakeService(), lambda: b"up 1\n", lambda: about)
    async with serving(app) as (server, _), httpx.AsyncClient(base_url=server.address, headers=BEARER) as client:
        got, headed = await client.get(path), await client.head(path)
        assert (headed.status_code, headed.content) == (got.status_code, b"")
        assert headed.headers["content-length"] == got.headers["content-length"]
        assert headed.headers["content-type"] == got.headers["content-type"]
        assert (await client.get("/healthz")).json() == {"status": "alive"}, "the connection goes on"


async def test_head_changes_nothing() -> None:
    about, service = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30), FakeService()
    app = create_app(service, service, service, lambda: b"", lambda: about)
    async with serving(app) as (server, _), httpx.AsyncClient(base_url=server.address, headers=BEARER) as client:
        assert (await client.head("/api/v1/triggers")).status_code == 405
        assert service.asked == []


async def test_too_large_a_body_is_counted_under_its_limit() -> None:
    about, counted, service = About(name="tocsin", version="1", ws="ws://x", heartbeat_s=30), [], FakeService()
    app = create_app(
        service, service, service, lambda: b"", lambda: about, body_max_bytes=10, count_refusal=counted.append
    )
    async with serving(app) as (server, _), httpx.AsyncClient(base_url=server.address, headers=BEARER) as client:
        assert (await client.post("/api/v1/triggers", content=b"x" * 11)).status_code == 413
        assert (await client.get("/nothing")).status_code == 404
    assert counted == [Limit.HTTP_BODY_BYTES]


def test_a_slow_body_has_a_limit_of_its_own() -> None:
    assert own_limit(BodyTooSlow()) is Limit.HTTP_BODY_TIME
    assert own_limit(BadRequest("x")) is None


async def test_a_connection_that_is_over_leaves_nothing_to_collect() -> None:
    async with serving(hello) as (server, _):
        await asked_once(server)  # what is made once for all is made now
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await asked_once(server)
            left = ours_in_cycles()
        finally:
            gc.enable()
    assert left == {}


async def test_how_long_a_body_may_take_is_a_setting(autojump_clock: Clock) -> None:
    async def patient(scope: Any, receive: Any, send: Any) -> None:
        try:
            await receive()
        except BodyTooSlow as fault:
            await hello(scope, receive, send)
            told.append(str(fault))

    told: list[str] = []
    async with serving(patient, limits=HttpLimits(body_s=3)) as (server, _), await connect(server) as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        assert b"hello" in await read_all(stream)
    assert told == ["the body did not arrive in 3 s"]
