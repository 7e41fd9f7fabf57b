"""A server that notifications are sent to, on loopback: it keeps what it got, and behaves as it is told to.

A behaviour is handed the stream after a request was read, and answers, drips, hangs or breaks off. The next one is
taken from `behave`; when that is empty, `usual` says it of the request: as long as nobody sets it, the answer is 200.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import h11
import msgspec
import trio

Behaviour = Callable[[trio.abc.Stream], Awaitable[None]]


@dataclass(frozen=True)
class Got:
    """A request; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return msgspec.json.decode(self.body)


@dataclass
class Sink:
    """Where it listens, what it got, and what it will do."""

    port: int
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    behave: deque[Behaviour] = field(default_factory=deque)
    usual: Callable[[Got], Behaviour] = lambda got: answer(200)
    connections: int = 0
    arrived: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    async def wait_for(self, count: int) -> list[Got]:
        """All requests, once there are so many."""
        while len(self.got) < count:
            await self.arrived.park()
        return self.got

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Where to post."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def a_sink(tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Sink]:
    """A sink that listens; `port` 0: anywhere."""
    [listener] = await trio.open_tcp_listeners(port, host="127.0.0.1")
    sink = Sink(listener.socket.getsockname()[1], "https" if tls else "http")

    async def serve(stream: trio.SocketStream) -> None:
        sink.connections += 1
        whole = trio.SSLStream(stream, tls, server_side=True, https_compatible=True) if tls else stream
        try:
            while await _one(sink, whole):
                pass
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            pass
        finally:
            await trio.aclose_forcefully(whole)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield sink
        nursery.cancel_scope.cancel()


async def _one(sink: Sink, stream: trio.abc.Stream) -> bool:
    """One request; whether another may follow."""
    parser, body, request = h11.Connection(h11.SERVER), b"", None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return False
    assert request is not None
    headers = {name.decode(): value.decode() for name, value in request.headers}
    got = Got(request.target.decode(), headers, body)
    sink.got.append(got)
    sink.arrived.unpark_all()
    await (sink.behave.popleft() if sink.behave else sink.usual(got))(stream)
    return True


def answer(status: int, body: bytes = b"{}", **headers: str) -> Behaviour:
    """Answers; `Retry_After` is the header `Retry-After`."""

    async def behave(stream: trio.abc.Stream) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)

    return behave


async def hang(stream: trio.abc.Stream) -> None:
    """Says nothing."""
    await trio.sleep_forever()


async def drip(stream: trio.abc.Stream) -> None:
    """Says a byte a second, for ever."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await stream.send_all(b"1\r\nx\r\n")
        await trio.sleep(1)


def cut_short(beginning: bytes) -> Behaviour:
    """Breaks off in the middle of what it says."""

    async def behave(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + beginning)
        raise trio.BrokenResourceError

    return behave


async def drip_headers(stream: trio.abc.Stream) -> None:
    """Says a byte of a header a second, for ever."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await stream.send_all(b"x")
        await trio.sleep(1)


async def flood(stream: trio.abc.Stream) -> None:
    """Says a gigabyte, or as much as it is let."""
    size = 1 << 30
    await stream.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    for _ in range(size >> 16):
        await stream.send_all(b"x" * (1 << 16))


async def break_off(stream: trio.abc.Stream) -> None:
    """Ends the connection without an answer."""
    raise trio.BrokenResourceError


async def babble(stream: trio.abc.Stream) -> None:
    """Does not speak HTTP."""
    await stream.send_all(b"220 mail.example.com ESMTP\r\n\r\n")
