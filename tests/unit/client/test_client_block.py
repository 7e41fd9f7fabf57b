"""Entering and leaving the client's block."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from protocol import messages as m
from protocol.client_session import ClientState
from tests.support.client_scripts import URL, Clock, Talk, a_client, follows, idle
from tests.support.client_server import Peer, an_alert, raw
from tocsin import backoff as backoff_module
from tocsin import connection as transport
from tocsin.client import Client, ClientLimits
from tocsin.errors import CannotConnect, ClientStopped, ConnectionLost
from tocsin.slot import Slot


async def test_nobody_there_is_said_after_the_time_to_connect(serve: Talk, autojump_clock: Clock) -> None:
    server = serve()
    with pytest.raises(
        CannotConnect, match="cannot connect to ws://engine:3008: connection refused; is the engine run"
    ):
        async with a_client(limits=ClientLimits(connect_s=5.0)):
            pass
    assert 5 <= trio.current_time() - server.dialled_at[0] < 5 + backoff_module.YOUNG_CAP_S


async def test_a_client_can_be_told_to_try_once(serve: Talk, autojump_clock: Clock) -> None:
    server = serve()
    with pytest.raises(CannotConnect):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert len(server.dialled_at) == 1


async def test_a_server_that_hangs_up_in_the_handshake_is_not_waited_for(serve: Talk, autojump_clock: Clock) -> None:
    async def hang_up(stream: trio.abc.Stream) -> None:
        await stream.receive_some()

    server = serve(raw(hang_up))
    with pytest.raises(CannotConnect, match="hung up during the handshake"):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert trio.current_time() - server.dialled_at[0] < 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nlater", "HTTP 503 later$"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "HTTP 403; this may be the engine's HTTP port"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP 404; this may be the engine's HTTP port"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no WebSocket server"),
        (
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \xff\r\n\r\n",
            "no WebSocket server",
        ),
    ],
)
async def test_a_server_that_is_none_is_described(serve: Talk, autojump_clock: Clock, answer: bytes, said: str) -> None:
    async def script(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await trio.sleep(1)

    serve(raw(script))
    with pytest.raises(CannotConnect, match=said):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass


async def test_a_server_that_says_nothing_is_left_after_five_seconds(serve: Talk, autojump_clock: Clock) -> None:
    async def script(stream: trio.abc.Stream) -> None:
        await trio.sleep_forever()

    server = serve(raw(script))
    with pytest.raises(CannotConnect, match="no connection within 5 s"):
        async with a_client(limits=ClientLimits(connect_s=0.0)):
            pass
    assert trio.current_time() - server.dialled_at[0] == pytest.approx(transport.CONNECT_S)


async def test_the_blocks_own_exception_comes_out_as_it_is(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    with pytest.raises(ZeroDivisionError):
        async with a_client():
            raise ZeroDivisionError


async def test_a_cancelled_block_ends_at_once(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    with trio.move_on_after(1) as scope:
        async with a_client():
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_leaving_says_goodbye_and_does_not_wait_for_long(serve: Talk, autojump_clock: Clock) -> None:
    codes: list[int] = []

    async def polite(peer: Peer) -> None:
        await peer.greet()
        await peer.closed()
        codes.append(peer.websocket.closed.code)  # type: ignore[union-attr]

    serve(polite)
    async with a_client():
        pass
    await wait_all_tasks_blocked()
    assert codes == [1000]


async def test_a_server_that_does_not_answer_our_close_is_left(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.websocket._stream_lock.acquire()
        await trio.sleep_forever()

    serve(script)
    began = trio.current_time()
    async with a_client():
        pass
    assert trio.current_time() - began <= transport.CLOSE_S + 0.1


async def test_the_loop_over_alerts_ends_when_the_client_is_closed_elsewhere(
    serve: Talk, autojump_clock: Clock
) -> None:
    serve(follows)
    async with a_client() as client:
        await client.subscribe("web")
        alerts = client.alerts()
    assert [message async for message in alerts] == []
    with pytest.raises(ClientStopped, match="closed"):
        await client.trigger("web")


async def test_leaving_during_an_outage_does_not_wait(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client() as client:
        await trio.sleep(1)
        assert client.state is ClientState.CONNECTING
        began = trio.current_time()
    assert trio.current_time() == began


async def test_leaving_while_the_reader_waits_for_room_does_not_wait(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 11)])
        await peer.closed()

    serve(script)
    async with a_client(limits=ClientLimits(buffer_max=2)) as client:
        await client.subscribe("web")
        await trio.sleep(1)
        began = trio.current_time()
    assert trio.current_time() - began <= transport.CLOSE_S


async def test_a_client_is_used_once(serve: Talk, autojump_clock: Clock) -> None:
    serve(idle)
    client = Client(URL, "t")
    with pytest.raises(RuntimeError, match="not entered"):
        await client.__aexit__(None, None, None)
    async with client:
        with pytest.raises(RuntimeError, match="used once"):
            await client.__aenter__()


async def test_only_the_first_answer_counts() -> None:
    slot = Slot()
    slot.answer(m.Pong(id=1))
    slot.answer(ConnectionLost("late"))
    assert await slot.wait() == m.Pong(id=1)
