"""A real HTTP server on a real socket, small applications for it, and a client that says what it likes."""

from __future__ import annotations

import functools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.access.certificate import Certificate
from engine.http.door import HttpLimits
from engine.http.server import HttpServer, serve_http
from tests.support.certificates import Files

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HUGE = b"x" * 50_000_000


def unhurried_clock() -> MockClock:
    """Jumps only when nothing has moved for a while: bytes between real sockets need real time, more under load."""
    return MockClock(autojump_threshold=0.05)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello", "more_body": False})


async def huge(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": HUGE, "more_body": False})


class Gated:
    """An application whose requests wait for a gate."""

    def __init__(self) -> None:
        self.gate = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.gate.wait()
        await hello(scope, receive, send)


def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@asynccontextmanager
async def serving(
    app: Any, certificate: Certificate | None = None, limits: HttpLimits | None = None
) -> AsyncIterator[tuple[HttpServer, trio.Nursery]]:
    async with trio.open_nursery() as nursery:
        start = functools.partial(serve_http, app, listener(), certificate=certificate, limits=limits)
        server: HttpServer = await nursery.start(start)
        yield server, nursery
        nursery.cancel_scope.cancel()


async def connect(server: HttpServer) -> trio.SocketStream:
    host, port = server.address.rpartition("//")[2].split(":")
    return await trio.open_tcp_stream(host, int(port))


async def read_all(stream: trio.abc.Stream) -> bytes:
    """Everything up to the end of the connection, however it ends."""
    received = b""
    try:
        async for part in stream:
            received += part
    except trio.BrokenResourceError:
        pass
    return received


async def read_until(stream: trio.abc.Stream, end: bytes) -> bytes:
    """One answer, which ends with `end`; parts of it may arrive apart."""
    received = b""
    while not received.endswith(end):
        part = await stream.receive_some(65_536)
        assert part, received
        received += part
    return received


async def asked_once(server: HttpServer) -> None:
    """A whole connection, from its only request to its end."""
    async with await connect(server) as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await read_all(stream)).endswith(b"hello")
    await wait_all_tasks_blocked()


@asynccontextmanager
async def encrypted(
    app: Any, files: Files, limits: HttpLimits | None = None
) -> AsyncIterator[tuple[HttpServer, trio.Nursery]]:
    async with serving(app, Certificate(files.cert, files.key), limits) as both:
        yield both


async def connect_tls(server: HttpServer, files: Files) -> trio.SSLStream[trio.SocketStream]:
    stream = trio.SSLStream(await connect(server), files.client(), server_hostname="127.0.0.1", https_compatible=True)
    await stream.do_handshake()
    return stream
