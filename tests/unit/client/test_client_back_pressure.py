"""A program that does not take its alerts holds up nobody but itself."""

from __future__ import annotations

import contextlib

import trio

from protocol import messages as m
from tests.support.client_scripts import Clock, Talk, a_client
from tests.support.client_server import Peer, an_alert
from tocsin.client import ClientLimits
from tocsin.errors import ConnectionLost, NoAnswer


async def test_a_client_without_room_does_not_dial_only_to_say_nothing(serve: Talk, autojump_clock: Clock) -> None:
    """A server ends a connection that does not authenticate, and for good: 3502."""
    dialled: list[float] = []

    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 5)])

    async def second(peer: Peer) -> None:
        dialled.append(trio.current_time())
        await peer.greet()
        await peer.subscribed(offset=5, reason="ok")
        await peer.say(an_alert(4), an_alert(5))
        await peer.closed()

    serve(first, second)
    async with a_client(limits=ClientLimits(buffer_max=3)) as client:
        await client.subscribe("web")
        await trio.sleep(1)
        with contextlib.suppress(ConnectionLost, NoAnswer):
            await client.ping()  # the writer notices that the connection is gone; the reader waits for room
        await trio.sleep(100)
        assert (dialled, client.statistics()["buffered"]) == ([], 3)
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(5)] == list(range(1, 6))
        assert client.statistics()["connects"] == 2


async def test_a_program_that_takes_nothing_stops_the_reading_and_loses_nothing(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def first(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(*[an_alert(offset) for offset in range(1, 5)])
        await trio.sleep(50)

    async def second(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed(offset=10, reason="ok")
        assert ask.recover == m.Position("e1", 4)
        await peer.say(*[an_alert(offset) for offset in range(5, 11)])
        await peer.closed()

    serve(first, second)
    async with a_client(limits=ClientLimits(buffer_max=3)) as client:
        await client.subscribe("web")
        await trio.sleep(30)
        assert client.statistics()["buffered"] == 3
        await trio.sleep(30)
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(10)] == list(range(1, 11))
        assert client.statistics()["connects"] == 2
