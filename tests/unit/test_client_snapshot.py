"""The client's snapshots, and what it says about what has arrived and was seen. In virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import trio
from trio.testing import MockClock

from protocol import messages as m
from protocol.model import EventKind
from tests.support.client_server import CHANNEL, Peer, Server, an_alert
from tocsin import connection as transport
from tocsin.client import Client, ClientLimits
from tocsin.errors import NoAnswer

AT = "2026-01-01T00:00:00.000000Z"
Serve = Callable[..., Server]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Installs a server with these scripts."""
    async with trio.open_nursery() as nursery:

        def install(*scripts: Callable[[Peer], object]) -> Server:
            server = Server(nursery, *scripts)  # type: ignore[arg-type]
            monkeypatch.setattr(transport, "dial", server.dial)
            return server

        yield install
        nursery.cancel_scope.cancel()


def a_client(**options: object) -> Client:
    return Client("ws://engine:3008", "t", **options)  # type: ignore[arg-type]


def a_page(page: int, offset: int, *names: int, last: bool = False) -> m.Snapshot:
    alerts = [an_alert(name).data for name in names]
    return m.Snapshot(channel=CHANNEL, epoch="e1", offset=offset, alerts=alerts, page=page, last=last)


def a_position(offset: int) -> m.PositionMessage:
    return m.PositionMessage(channel=CHANNEL, epoch="e1", offset=offset, at=AT)


async def test_open_alerts_come_first_then_what_happens(serve: Serve, autojump_clock: MockClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.subscribed(7)
        assert ask.snapshot
        await peer.say(a_page(0, 7, 5, 4), a_page(1, 8, 2, last=True), an_alert(8), an_alert(9))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        assert await client.subscribe("web", snapshot=True) is not None
        heard = [await anext(client.alerts()) for _ in range(5)]
        assert [(each.event, each.data.id, each.offset) for each in heard] == [
            (EventKind.OPEN, "a5", 7),
            (EventKind.OPEN, "a4", 7),
            (EventKind.OPEN, "a2", 8),
            (EventKind.FIRED, "a8", 8),
            (EventKind.FIRED, "a9", 9),
        ]
        assert heard[0].timestamp == heard[0].data.last_seen_at
        figures = client.statistics()
        assert (figures["alerts_shown"], figures["alerts_received"]) == (3, 2)
        assert await client.subscribe("web", snapshot=True) is None, "it is followed like this already"


async def test_a_page_that_nobody_asked_for_is_passed_over(serve: Serve, autojump_clock: MockClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.say(a_page(0, 7, 5, last=True))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await trio.sleep(1)
        assert client.statistics()["alerts_shown"] == 0


async def test_what_a_person_saw_is_said_and_not_waited_for(serve: Serve, autojump_clock: MockClock) -> None:
    said: list[m.ClientMessage] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1))
        said.append(await peer.hear())
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        await client.seen(await anext(client.alerts()))
        await trio.sleep(1)
    assert said == [m.Seen(channel=CHANNEL, offset=1)]


async def test_without_a_connection_nothing_can_be_said(serve: Serve, autojump_clock: MockClock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()

    serve(script)
    async with a_client(limits=ClientLimits(request_s=3.0)) as client:
        await trio.sleep(1)
        with pytest.raises(NoAnswer, match="nothing was sent within 3 s"):
            await client.seen(an_alert(1))


async def test_what_has_arrived_is_said_with_each_proof_of_silence_and_once(
    serve: Serve, autojump_clock: MockClock
) -> None:
    said: list[m.ClientMessage] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), an_alert(2), a_position(3), a_position(3), an_alert(4), a_position(4))
        said.extend([await peer.hear(), await peer.hear()])
        await peer.closed()

    serve(script)
    async with a_client(received=True) as client:
        await client.subscribe("web")
        await trio.sleep(1)
    assert said == [m.Received(channel=CHANNEL, offset=3), m.Received(channel=CHANNEL, offset=4)]


async def test_after_a_gap_nothing_is_said_until_the_channel_is_asked_for_anew(
    serve: Serve, autojump_clock: MockClock
) -> None:
    said: list[m.ClientMessage] = []
    gap = m.GapMessage(channel=CHANNEL, epoch="e1", prev=1, from_=2, to=3, count=2, reason="slow")

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), gap, a_position(3))
        said.append(await peer.hear())
        await peer.say(m.Pong(id=said[0].id))
        await peer.subscribed(3, "ok")
        await peer.say(a_position(3))
        said.append(await peer.hear())
        await peer.closed()

    serve(script)
    async with a_client(received=True) as client:
        await client.subscribe("web")
        await trio.sleep(1)
        await client.ping()
        await client.subscribe("web", "error")
        await trio.sleep(1)
    assert [type(message) for message in said] == [m.Ping, m.Received]


async def test_unless_it_is_wanted_nothing_is_said_about_what_has_arrived(
    serve: Serve, autojump_clock: MockClock
) -> None:
    said: list[m.ClientMessage] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), a_position(1))
        said.append(await peer.hear())
        await peer.say(m.Pong(id=said[0].id))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        await client.ping()
    assert [type(message) for message in said] == [m.Ping]
