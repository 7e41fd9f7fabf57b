"""The client's end of a WebSocket, against wsproto's own server in memory: what a server may say, how it may end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from wsproto import ConnectionType, WSConnection, events

from protocol.errors import CloseCode
from tocsin import websocket as ours
from tocsin.errors import ConnectionLost
from tocsin.websocket import HandshakeRefused, PeerClosed, WebSocket

Both = tuple[WebSocket, "Far"]


class Far:
    """The server's end: its parser, and what the client has said."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.parser = WSConnection(ConnectionType.SERVER)

    async def say(self, *said: events.Event) -> None:
        """All of it in one piece."""
        await self.stream.send_all(b"".join(map(self.parser.send, said)))

    async def heard(self) -> list[events.Event]:
        """What came with one read."""
        self.parser.receive_data(bytes(await self.stream.receive_some()))
        return list(self.parser.events())


async def upgraded() -> Both:
    """Both ends of an open connection."""
    near, far_stream = trio.testing.memory_stream_pair()
    websocket, far = WebSocket(near), Far(far_stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(websocket.upgrade, "engine:3008", "/ws", "tocsin.v1.json")
        (request,) = await far.heard()
        assert isinstance(request, events.Request)
        await far.say(events.AcceptConnection(subprotocol=request.subprotocols[0]))
    assert websocket.subprotocol == "tocsin.v1.json"
    return websocket, far


async def test_what_came_in_one_piece_is_taken_without_another_turn() -> None:
    websocket, far = await upgraded()
    await far.say(*(events.TextMessage(data=str(number)) for number in range(100)))
    await websocket.hear()
    with trio.testing.assert_no_checkpoints():
        assert [websocket.arrived() for _ in range(100)] == [str(number) for number in range(100)]
        assert websocket.arrived() is None


async def test_what_comes_with_the_answer_to_the_upgrade_is_not_lost() -> None:
    near, far_stream = trio.testing.memory_stream_pair()
    websocket, far = WebSocket(near), Far(far_stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(websocket.upgrade, "engine", "/ws", "x")
        await far.heard()
        answer = far.parser.send(events.AcceptConnection())
        await far.stream.send_all(answer + far.parser.send(events.BytesMessage(data=b"early")))
    assert websocket.arrived() == b"early"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([events.TextMessage("gr", message_finished=False), events.TextMessage("üß")], "grüß"),
        ([events.BytesMessage(b"a", message_finished=False), events.BytesMessage(b"b")], b"ab"),
    ],
)
async def test_a_message_in_parts_is_one(parts: list[events.Event], whole: str | bytes) -> None:
    websocket, far = await upgraded()
    await far.say(parts[0], events.Ping(b"between"), parts[1])
    await websocket.hear()
    assert websocket.arrived() == whole


async def test_of_parts_without_anything_in_them_none_is_kept() -> None:
    websocket, far = await upgraded()
    await far.say(*[events.BytesMessage(b"", message_finished=False)] * 100)
    await websocket.hear()
    assert websocket.arrived() is None
    assert websocket._parts == []
    await far.say(events.BytesMessage(b""), events.TextMessage(""))
    await websocket.hear()
    assert [websocket.arrived(), websocket.arrived()] == [b"", ""]


async def test_the_last_of_several_pings_is_answered_once() -> None:
    websocket, far = await upgraded()
    assert (websocket.has_to_answer, websocket.pong()) == (False, b"")
    await far.say(events.Ping(b"1"), events.Pong(b"nobody asked"), events.Ping(b"2"))
    await websocket.hear()
    assert websocket.arrived() is None
    assert websocket.has_to_answer
    await websocket._stream.send_all(websocket.pong())
    assert await far.heard() == [events.Pong(b"2")]
    assert not websocket.has_to_answer


async def test_a_message_that_is_too_long_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MESSAGE_MAX_BYTES", 10)
    websocket, far = await upgraded()
    await far.say(events.TextMessage("x" * 6, message_finished=False), events.TextMessage("x" * 6))
    await websocket.hear()
    with pytest.raises(PeerClosed) as closed:
        websocket.arrived()
    assert (closed.value.code, closed.value.is_violation) == (1009, True)


async def test_a_frame_that_breaks_the_protocol_is_a_violation_and_is_answered_with_its_code() -> None:
    websocket, far = await upgraded()
    await far.stream.send_all(b"\xf0\x00")  # reserved bits
    await websocket.hear()
    with pytest.raises(PeerClosed) as closed:
        websocket.arrived()
    assert (closed.value.code, closed.value.is_violation) == (CloseCode.PROTOCOL_ERROR, True)
    await websocket._stream.send_all(websocket.close_frame(closed.value.code))
    (said,) = await far.heard()
    assert isinstance(said, events.CloseConnection)
    assert said.code == CloseCode.PROTOCOL_ERROR


async def test_the_servers_close_is_told_with_its_reason_and_answered() -> None:
    websocket, far = await upgraded()
    await far.say(events.CloseConnection(3002, "too slow"))
    await websocket.hear()
    with pytest.raises(PeerClosed) as closed:
        websocket.arrived()
    assert (closed.value.code, closed.value.reason, closed.value.is_violation) == (3002, "too slow", False)
    frames: list[Callable[[], bytes]] = [
        websocket.pong,
        lambda: websocket.frame(b"x"),
        lambda: websocket.text_frame(b"x"),
    ]
    assert [make() for make in frames] == [b"", b"", b""], "nothing else goes out behind a Close"
    await websocket._stream.send_all(websocket.close_frame(3002))
    assert len(await far.heard()) == 1
    assert websocket.close_frame() == b"", "nor a second one"
    await websocket.drain()


async def test_after_our_close_what_comes_is_passed_over_until_the_servers_own() -> None:
    websocket, far = await upgraded()
    await websocket._stream.send_all(websocket.close_frame())
    await far.say(events.TextMessage("late"))
    (close,) = await far.heard()
    assert isinstance(close, events.CloseConnection)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(websocket.drain)
        await trio.testing.wait_all_tasks_blocked()
        await far.say(close.response())


@pytest.mark.parametrize("is_broken", [False, True])
async def test_a_server_that_is_gone_is_told(is_broken: bool) -> None:
    websocket, far = await upgraded()

    async def breaks() -> None:
        raise trio.BrokenResourceError

    stream: Any = websocket._stream
    stream.receive_stream.receive_some_hook = breaks if is_broken else None
    await far.stream.aclose()
    with pytest.raises(ConnectionLost, match="broke"):
        await websocket.hear()


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n", b"no"], b"no"),
        ([b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n", b"cut"], b"cut"),
        ([b"HTTP/1.1 403 No\r\nContent-Length: 90000\r\n\r\n", b"x" * 5_000], b"x" * 5_000),
        ([b"HTTP/1.1 103 Early\r\n\r\n"], b""),
    ],
)
async def test_a_refusal_is_told_with_what_was_said(pieces: list[bytes], body: bytes) -> None:
    near, far = trio.testing.memory_stream_pair()
    refused: list[HandshakeRefused] = []

    async def upgrade() -> None:
        with pytest.raises(HandshakeRefused) as told:
            await WebSocket(near).upgrade("engine", "/ws", "x")
        refused.append(told.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(upgrade)
        await far.receive_some()
        for piece in pieces:
            await far.send_all(piece)
        await trio.testing.wait_all_tasks_blocked()
        await far.aclose()
    assert refused[0].status == int(pieces[0][9:12])
    assert refused[0].body == body


async def test_a_server_that_hangs_up_during_the_handshake_is_told() -> None:
    near, far = trio.testing.memory_stream_pair()
    await far.aclose()
    with pytest.raises(ConnectionLost, match="during the handshake"):
        await WebSocket(near).upgrade("engine", "/ws", "x")
