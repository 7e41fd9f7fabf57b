"""The HTTP server over TLS."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import structlog
import trio
from trio.testing import wait_all_tasks_blocked

from actors.tls import PLAIN_HINT
from engine.http.server import (
    GRACE_S,
)
from engine.http.streams import TLS_HANDSHAKE_S
from tests.support.certificates import Authority, Files
from tests.support.http_server import (
    GET,
    connect,
    connect_tls,
    encrypted,
    hello,
    huge,
    read_all,
    read_until,
    unhurried_clock,
)

Clock = trio.testing.MockClock


@pytest.fixture
def autojump_clock() -> Clock:
    return unhurried_clock()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Authority(tmp_path_factory.mktemp("tls")).issue()


async def test_over_tls_requests_are_https(files: Files) -> None:
    schemes = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        schemes.append(scope["scheme"])
        await hello(scope, receive, send)

    async with encrypted(app, files) as (server, _), httpx.AsyncClient(verify=files.client()) as client:
        assert server.address.startswith("https://127.0.0.1:")
        for _ in range(2):
            assert (await client.get(server.address)).text == "hello"
        assert server.statistics()["connections_open"] == 1
    assert schemes == ["https", "https"]


async def test_over_tls_http_2_is_not_offered(files: Files) -> None:
    context = files.client()
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with (
        encrypted(hello, files) as (server, _),
        trio.SSLStream(await connect(server), context, server_hostname="127.0.0.1") as stream,
    ):
        await stream.do_handshake()
        assert stream.selected_alpn_protocol() == "http/1.1"


async def test_plain_http_on_a_tls_port_is_told_to_use_https(files: Files) -> None:
    async with encrypted(hello, files) as (server, _):
        async with await connect(server) as stream:
            await stream.send_all(GET)
            answer = (await read_all(stream)).decode()
        assert answer.startswith("HTTP/1.1 400")
        assert answer.strip().endswith(PLAIN_HINT)
        await wait_all_tasks_blocked()
        assert server.statistics()["connections_failed"] == 1


@pytest.mark.parametrize("first", [bytes(100), b"\x16\x03\x01\xff\xff" + bytes(1_000), b"SSH-2.0-x\r\n"])
async def test_garbage_instead_of_tls_ends_that_connection_alone(files: Files, first: bytes) -> None:
    async with encrypted(hello, files) as (server, _), await connect_tls(server, files) as canary:
        with structlog.testing.capture_logs() as logs:
            async with await connect(server) as stream:
                await stream.send_all(first)
                await read_all(stream)
            await wait_all_tasks_blocked()
        assert [(line["event"], line["log_level"]) for line in logs] == [("http_connection_ended", "info")]
        assert server.statistics()["connections_failed"] == 1
        await canary.send_all(GET)
        assert (await read_until(canary, b"hello")).startswith(b"HTTP/1.1 200")


async def test_who_does_not_finish_the_tls_handshake_is_gone(files: Files, autojump_clock: Clock) -> None:
    async with encrypted(hello, files) as (server, _), await connect(server) as stream:
        await stream.send_all(b"\x16\x03")
        assert await read_all(stream) == b""
        assert TLS_HANDSHAKE_S <= trio.current_time() < TLS_HANDSHAKE_S + 1
        assert server.statistics()["connections_failed"] == 1


async def test_over_tls_a_client_that_does_not_read_holds_no_shutdown(files: Files, autojump_clock: Clock) -> None:
    async with encrypted(huge, files) as (server, nursery):
        stream = await connect_tls(server, files)
        await stream.send_all(GET)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert trio.current_time() <= GRACE_S + 0.1
    await trio.aclose_forcefully(stream)


async def test_over_tls_an_idle_connection_hears_a_goodbye_when_the_server_ends(
    files: Files, autojump_clock: Clock
) -> None:
    async with encrypted(hello, files) as (server, nursery):
        # Not https_compatible: an end without a goodbye would be an error.
        stream = trio.SSLStream(await connect(server), files.client(), server_hostname="127.0.0.1")
        await stream.send_all(GET)
        await read_until(stream, b"hello")
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            assert await stream.receive_some() == b""
    assert trio.current_time() < 0.1
    await trio.aclose_forcefully(stream)
