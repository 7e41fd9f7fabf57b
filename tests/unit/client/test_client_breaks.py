"""A connection ends, and the client comes back."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol import messages as m
from protocol.client_session import ClientState
from tests.support.client_scripts import FIRED, Clock, Talk, a_client, follows, idle
from tests.support.client_server import CHANNEL, HELLO, Peer, an_alert
from tocsin import backoff as backoff_module
from tocsin import connection as transport
from tocsin.client import ClientLimits
from tocsin.errors import ConnectionLost, NoAnswer


async def test_after_a_break_every_channel_goes_on_where_it_stood_in_one_burst(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=5)
        await peer.say(an_alert(6), m.PositionMessage(channel=CHANNEL, epoch="e1", offset=8, at=HELLO.expires_at))
        await trio.sleep(5)

    async def second(peer: Peer) -> None:
        burst = [await peer.hear(), await peer.hear()]
        assert isinstance(burst[0], m.Auth)
        assert burst[1].recover == m.Position("e1", 8)
        await peer.say(HELLO)
        await peer.say(m.Subscribed(id=burst[1].id, channel=CHANNEL, epoch="e1", offset=9, recovered=True, reason="ok"))
        await peer.say(an_alert(9, prev=6), an_alert(9, prev=6), an_alert(10))
        await peer.closed()

    serve(first, second)
    states: list[str] = []
    async with a_client(on_state=lambda state, why: states.append(f"{state.value} {why}".strip())) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(3)] == [6, 9, 10]
        statistics = client.statistics()
    assert (statistics["reconnects"], statistics["duplicates"], statistics["lost"]) == (1, 1, 0)
    assert states == [
        "authenticating", "ready", "connecting the connection broke", "authenticating", "ready",
        "closed closed by this program",
    ]  # fmt: skip


async def test_a_request_in_flight_is_told_that_the_connection_broke(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.hear()

    serve(script)
    async with a_client() as client:
        with pytest.raises(ConnectionLost, match="send the same again") as lost:
            await client.trigger("web")
    assert lost.value.temporary


async def test_a_request_during_an_outage_waits_for_its_end(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    async def second(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.hear()
        await peer.say(m.Accepted(id=ask.id, results=[FIRED]))
        await peer.closed()

    serve(script, second)
    async with a_client() as client:
        await trio.sleep(0.1)
        assert client.state is ClientState.CONNECTING
        assert await client.trigger("web") == FIRED


async def test_a_request_for_which_there_is_no_connection_says_that_nothing_was_sent(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client(limits=ClientLimits(request_s=2.0)) as client:
        await trio.sleep(0.1)
        with pytest.raises(NoAnswer, match="nothing was sent"):
            await client.trigger("web")


async def test_a_short_outage_is_over_in_less_than_five_seconds(serve: Talk, autojump_clock: Clock) -> None:
    async def lives_long(peer: Peer) -> None:
        await peer.greet()
        with trio.move_on_after(100):
            while True:
                await peer.hear()

    server = serve(lives_long)
    async with a_client() as client:
        while client.statistics()["failed_connects"] < 12:
            await trio.sleep(0.5)
    pauses = [b - a for a, b in zip(server.dialled_at[1:], server.dialled_at[2:], strict=False)]
    assert pauses[:6] == pytest.approx([0.5, 1, 2, 4, 4, 4])
    assert max(pauses) == pytest.approx(4)


async def test_a_server_that_throws_us_out_at_once_is_not_stormed(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    server = serve(*[script] * 8)
    async with a_client():
        await trio.sleep(30)
    pauses = [b - a for a, b in zip(server.dialled_at, server.dialled_at[1:], strict=False)]
    assert pauses[:6] == pytest.approx([0.25, 0.5, 1, 2, 4, 4])


async def test_the_pause_that_the_server_asks_for_is_kept(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(m.Bye(code=3001, reason="shutting down", reconnect_after_ms=2_500))
        await peer.websocket.aclose(3001, "shutting down")

    states: list[str] = []
    server = serve(script, idle)
    async with a_client(on_state=lambda state, why: states.append(why)) as client:
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert server.dialled_at[1] - server.dialled_at[0] == pytest.approx(2.5)
    assert "the server closed it: 3001 shutting down" in states


async def test_a_silent_server_is_asked_and_then_left(serve: Talk, autojump_clock: Clock) -> None:
    heard: list[Any] = []

    async def mute(peer: Peer) -> None:
        await peer.greet()
        while True:
            heard.append(await peer.websocket.get_message())

    server = serve(mute, idle)
    async with a_client() as client:
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert len(heard) == 1
    assert server.dialled_at[1] - server.dialled_at[0] == pytest.approx(transport.GONE_S + backoff_module.BASE_S)


async def test_a_quiet_server_that_answers_is_kept(serve: Talk, autojump_clock: Clock) -> None:
    serve(lambda peer: _answering(peer))
    async with a_client() as client:
        await trio.sleep(100)
        assert client.statistics()["connects"] == 1


async def _answering(peer: Peer) -> None:
    await peer.greet()
    while True:
        await peer.hear()


async def test_a_heartbeat_counts_as_life(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            await trio.sleep(8)
            with trio.fail_after(1):
                await peer.websocket.ping()

    serve(script)
    async with a_client() as client:
        await trio.sleep(60)
        assert client.statistics()["connects"] == 1


async def test_a_channel_wanted_during_an_outage_is_asked_for_at_its_end(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script, follows)
    async with a_client() as client:
        await trio.sleep(0.1)
        assert client.state is ClientState.CONNECTING
        assert await client.subscribe("web") is not None
