"""What is missing is asked for, and what is gone is told."""

from __future__ import annotations

import trio

from protocol import messages as m
from protocol.client_session import ClientState
from tests.support.client_scripts import Clock, Talk, a_client, follows
from tests.support.client_server import CHANNEL, Peer, an_alert
from tocsin.errors import Lost


async def test_a_gap_is_recovered_from_the_last_position(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), an_alert(4))
        ask = await peer.subscribed(offset=4, reason="ok")
        assert ask.recover == m.Position("e1", 1)
        await peer.say(an_alert(2), an_alert(3), an_alert(4))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(4)] == [1, 2, 3, 4]
        assert client.statistics()["gaps"] == 1


async def test_a_message_that_cannot_be_read_is_said_to_be_lost_and_the_rest_goes_on(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        # Event 1 has a word that this client does not know; recovering brings the same again.
        await peer.websocket.send_message(b"\x81\xa4type\xa5novel")
        await peer.say(an_alert(2))
        await peer.subscribed(offset=2, reason="ok")
        await peer.websocket.send_message(b"\x81\xa4type\xa5novel")
        await peer.say(an_alert(2), an_alert(3))
        await peer.closed()

    serve(script)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(2)] == [2, 3]
        statistics = client.statistics()
    assert lost == [Lost("alerts:web", "unreadable")]
    assert (statistics["unreadable"], statistics["lost"]) == (2, 1)


async def test_what_cannot_be_recovered_is_said_to_be_lost(serve: Talk, autojump_clock: Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=5)
        await trio.sleep(1)

    async def second(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed(offset=0, reason="epoch_changed", epoch="e2")
        await peer.say(an_alert(1, epoch="e2"))
        await peer.closed()

    serve(first, second)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        assert (await anext(client.alerts())).epoch == "e2"
    assert lost == [Lost("alerts:web", "epoch_changed")]


async def test_a_channel_that_we_had_is_come_back_for_when_its_refusal_is_temporary(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed(offset=5)
        # Its history cannot be read just now: the answer was "recovered", and then this.
        await peer.say(m.ErrorMessage(code=120, message="the store is away", temporary=True, id=ask.id))
        await peer.closed()

    states: list[str] = []
    serve(first, follows)
    async with a_client(on_state=lambda state, why: states.append(why)) as client:
        await client.subscribe("web")
        while client.statistics()["connects"] < 2:
            await trio.sleep(0.1)
    assert "alerts:web: the store is away" in states


async def test_a_channel_that_we_may_no_longer_read_is_given_up_and_said_so(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(7))
        ask = await peer.hear()
        await peer.say(m.ErrorMessage(code=103, message="not yours any more", temporary=False, id=ask.id))
        assert isinstance(await peer.hear(), m.Unsubscribe)
        # Answers and errors for nobody do no harm.
        await peer.say(
            m.ErrorMessage(code=107, message="?", temporary=False),
            m.ErrorMessage(code=107, message="?", temporary=False, id=77),
            m.Subscribed(id=88, channel=CHANNEL, epoch="e1", offset=0, recovered=False, reason="fresh"),
            m.Subscribed(channel=CHANNEL, epoch="e1", offset=0, recovered=False, reason="fresh"),
            m.Accepted(id=99, results=[]),
        )
        await peer.closed()

    serve(script)
    lost: list[Lost] = []
    async with a_client(on_lost=lost.append) as client:
        await client.subscribe("web")
        while not lost:
            await trio.sleep(0.1)
        await trio.sleep(1)
        assert client.state is ClientState.READY
    assert lost == [Lost("alerts:web", "not yours any more")]
