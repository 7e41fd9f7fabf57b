"""Peers of the HTTP port that are silent or slow, on a real engine: each costs itself, and nobody else (ISO)."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import trio

from engine.http.server import KEEP_ALIVE_S
from tests.faults.conftest import HTTP_CONNECTIONS_MAX
from tests.support.engines import EngineProcess
from tests.support.iso import Isolation

pytestmark = pytest.mark.alone

# So many silent ones come between two questions of somebody who has one.
CROWD = 50
# A byte each half second: ten times as long as the engine waits for a request.
DRIPS = int(20 * KEEP_ALIVE_S)
QUESTIONS = 20
PATHS = ("/healthz", "/readyz")
COUNTED = 'tocsin_refused_total{limit="http_connections"}'


async def connect(engine: EngineProcess) -> trio.SocketStream:
    url = urlsplit(engine.http)
    assert url.hostname is not None
    assert url.port is not None
    return await trio.open_tcp_stream(url.hostname, url.port)


async def rest(stream: trio.SocketStream) -> bytes:
    """What else is said, to the end."""
    said = b""
    try:
        async for part in stream:
            said += part
    except trio.BrokenResourceError:
        pass
    return said


async def ask(engine: EngineProcess, path: str) -> bytes:
    """The status line that somebody gets who connects, asks, and goes."""
    async with await connect(engine) as stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return (await rest(stream)).partition(b"\r\n")[0].strip()


async def more_silent_ones_than_there_are_places(engine: EngineProcess) -> None:
    """One address connects without end and says nothing; others are answered all the while."""
    held: list[trio.SocketStream] = []
    try:
        for _ in range(QUESTIONS):
            held += [await connect(engine) for _ in range(CROWD)]
            for path in PATHS:
                assert await ask(engine, path) == b"HTTP/1.1 200"
        assert len(held) > 2 * HTTP_CONNECTIONS_MAX
    finally:
        for stream in held:
            await trio.aclose_forcefully(stream)


async def slow_headers_on_every_place(engine: EngineProcess) -> None:
    """A byte now and then never completes a request: each is gone when its time is over, or its place is needed."""
    held = [await connect(engine) for _ in range(HTTP_CONNECTIONS_MAX + CROWD)]
    async with trio.open_nursery() as nursery:
        for stream in held:
            nursery.start_soon(drip, stream)
        for path in PATHS:
            assert await ask(engine, path) == b"HTTP/1.1 200"


async def drip(stream: trio.SocketStream) -> None:
    """Speaks slowly until it is ended, long before its request is complete."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, stream)
        await rest(stream)
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)


async def speak(stream: trio.SocketStream) -> None:
    try:
        for byte in b"GET / HTTP/1.1\r\nX: " + b"y" * DRIPS:
            await stream.send_all(bytes((byte,)))
            await trio.sleep(0.5)
    except trio.BrokenResourceError:
        return
    raise AssertionError("nobody has ended it")


@pytest.mark.parametrize(
    "attack", [more_silent_ones_than_there_are_places, slow_headers_on_every_place], ids=lambda attack: attack.__name__
)
async def test_it_costs_itself_and_nobody_else(isolation: Isolation, attack: object) -> None:
    assert callable(attack)
    await isolation.check(lambda: attack(isolation.engine), counted=COUNTED)
