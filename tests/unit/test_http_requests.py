from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from engine.http.problems import BodyTooSlow
from engine.http.requests import BodyGuard
from protocol.errors import BadRequest

PART = {"type": "http.request", "body": b"x", "more_body": True}
LAST = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}
START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"", "more_body": False}

App = Callable[[Any, Any, Any], Awaitable[None]]


class Peer:
    """What a server would be: gives the parts that it was handed, then nothing more; keeps what is sent."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)
        self.sent: list[Any] = []
        self.on_send: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def receive(self) -> Any:
        if not self.parts:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        return self.parts.pop(0)

    async def send(self, message: Any) -> None:
        await self.on_send()
        self.sent.append(message)


async def serve(app: App, peer: Peer, kind: str = "http") -> None:
    await BodyGuard(app, body_max_s=10, discard_max_s=2)({"type": kind}, peer.receive, peer.send)


async def answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send(START)
    await send(END)


async def test_a_body_that_nobody_read_is_read_before_the_answer() -> None:
    peer = Peer(PART, PART, LAST)
    await serve(answer, peer)
    assert (peer.parts, peer.sent) == ([], [START, END])


async def test_a_body_that_was_read_is_left_alone(autojump_clock: trio.testing.MockClock) -> None:
    peer = Peer(PART, LAST)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert [await receive(), await receive()] == [PART, LAST]
        await answer(scope, receive, send)

    await serve(app, peer)
    assert (peer.sent, trio.current_time()) == ([START, END], 0)


async def test_an_unread_body_that_does_not_end_delays_the_answer_for_two_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    peer = Peer(PART)
    await serve(answer, peer)
    assert (peer.sent, trio.current_time()) == ([START, END], 2)


async def test_a_server_that_is_stuck_with_the_rest_of_a_body_can_get_rid_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The deadlock of a bounded queue between reader and application: `send` returns only when the queue is emptied."""
    peer = Peer(PART)
    emptied = trio.Event()

    async def stuck() -> None:
        if not emptied.is_set():
            peer.parts += [PART, GONE]
            while peer.parts:
                await trio.sleep(0.1)
            emptied.set()

    peer.on_send = stuck

    async def waiting() -> Any:
        while not peer.parts:
            await trio.sleep(0.1)
        return peer.parts.pop(0)

    await BodyGuard(answer, 10, 2)({"type": "http"}, waiting, peer.send)  # type: ignore[typeddict-item]
    assert peer.sent == [START, END]


async def test_a_body_that_drips_is_given_up_at_its_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async def drip() -> Any:
        await trio.sleep(0.9)
        return PART

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while True:
            await receive()

    with pytest.raises(BodyTooSlow, match="in 10 s"):
        await BodyGuard(app, 10, 2)({"type": "http"}, drip, Peer().send)  # type: ignore[typeddict-item]
    assert trio.current_time() == 10


async def test_a_client_that_leaves_during_its_body_is_its_own_fault() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while True:
            await receive()

    with pytest.raises(BadRequest, match="went away"):
        await serve(app, Peer(PART, GONE))


async def test_after_the_body_the_application_may_wait_for_the_disconnect() -> None:
    heard: list[Any] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        heard.extend([await receive(), await receive()])

    await serve(app, Peer(LAST, GONE))
    assert heard == [LAST, GONE]


async def test_what_is_no_http_request_passes_through() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == {"type": "websocket.connect"}
        await send({"type": "websocket.close"})

    peer = Peer({"type": "websocket.connect"})
    await serve(app, peer, "websocket")
    assert peer.sent == [{"type": "websocket.close"}]
