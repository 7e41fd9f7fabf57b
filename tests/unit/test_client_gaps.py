"""What a client does when the server leaves messages out for it: goes on, says so, and gets them if asked to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol import messages as m
from protocol.client_session import ClientConversation
from tests.support.client_server import CHANNEL, HELLO, Peer, Server, an_alert
from tocsin import connection as transport
from tocsin.client import Client
from tocsin.errors import Lost

URL = "ws://engine:3008"


def a_gap(first: int, last: int, prev: int | None = None, epoch: str = "e1", channel: str = CHANNEL) -> m.GapMessage:
    prev = first - 1 if prev is None else prev
    return m.GapMessage(
        channel=channel, epoch=epoch, prev=prev, from_=first, to=last, count=last - first + 1, reason="slow"
    )


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Server]]:
    """Installs a server with these scripts."""
    async with trio.open_nursery() as nursery:

        def install(*scripts: Any) -> Server:
            server = Server(nursery, *scripts)
            monkeypatch.setattr(transport, "dial", server.dial)
            return server

        yield install
        nursery.cancel_scope.cancel()


def a_conversation(offset: int = 3) -> ClientConversation:
    """A client that follows one channel and has everything up to an offset."""
    conversation = ClientConversation()
    conversation.opened("t")
    conversation.hear(HELLO)
    (ask,) = conversation.subscribe("alerts:web")
    grant(conversation, ask, offset)
    return conversation


def grant(conversation: ClientConversation, ask: Any, offset: int, reason: str = "fresh") -> Any:
    return conversation.hear(
        m.Subscribed(id=ask.id, channel=CHANNEL, epoch="e1", offset=offset, recovered=reason == "ok", reason=reason)
    )


def test_a_gap_moves_the_place_and_is_told() -> None:
    conversation, gap = a_conversation(), a_gap(4, 9)
    assert conversation.hear(gap).gap is gap
    heard = conversation.hear(an_alert(10))
    assert heard.alert is not None
    assert heard.send == []


def test_a_gap_that_lies_behind_us_says_nothing_new() -> None:
    heard = a_conversation(9).hear(a_gap(4, 9))
    assert (heard.gap, heard.send) == (None, [])


def test_a_gap_before_which_something_else_is_missing_is_asked_for() -> None:
    heard = a_conversation(3).hear(a_gap(7, 9, prev=6))
    (ask,) = heard.send
    assert heard.gap is None
    assert ask.recover == m.Position("e1", 3)


def test_a_gap_of_a_channel_that_nobody_follows_means_nothing() -> None:
    heard = a_conversation().hear(a_gap(4, 9, channel="alerts:acme:other"))
    assert (heard.gap, heard.send) == (None, [])


def test_what_was_left_out_is_asked_for_from_before_the_gap_and_shown_once() -> None:
    conversation, gap = a_conversation(), a_gap(4, 5)
    conversation.hear(gap)
    conversation.hear(an_alert(6))
    (ask,) = conversation.recover(gap) or []
    assert ask.recover == m.Position("e1", 3)
    grant(conversation, ask, 6, "ok")
    assert [conversation.hear(an_alert(n)).alert is not None for n in (4, 5, 6, 7)] == [True, True, False, True]


def test_between_two_connections_it_is_asked_for_with_the_next_one() -> None:
    conversation, gap = a_conversation(), a_gap(4, 5)
    conversation.hear(gap)
    conversation.closed(for_good=False)
    assert conversation.recover(gap) == []
    _, ask = conversation.opened("t")
    assert ask.recover == m.Position("e1", 3)


def test_what_is_not_followed_or_of_another_store_cannot_be_asked_for() -> None:
    conversation = a_conversation()
    assert conversation.recover(a_gap(1, 2, epoch="e0")) is None
    conversation.unsubscribe("alerts:web")
    assert conversation.recover(a_gap(1, 2)) is None


def test_what_is_trimmed_by_now_is_lost_and_our_own_place_is_recovered() -> None:
    conversation, gap = a_conversation(), a_gap(4, 9)
    conversation.hear(gap)
    (ask,) = conversation.recover(gap) or []
    heard = grant(conversation, ask, 12, "trimmed")
    assert heard.lost == "trimmed"
    (again,) = heard.send
    assert again.recover == m.Position("e1", 9)
    grant(conversation, again, 12, "ok")
    assert conversation.hear(an_alert(10)).alert is not None


async def test_the_program_is_told_of_a_gap_and_gets_what_was_left_out_on_the_same_connection(
    serve: Callable[..., Server], autojump_clock: MockClock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(an_alert(1), a_gap(2, 3), an_alert(4))
        ask = await peer.subscribed(offset=4, reason="ok")
        assert ask.recover == m.Position("e1", 1)
        await peer.say(*(an_alert(n) for n in range(2, 6)))
        await peer.closed()

    server, gaps = serve(script), []
    async with Client(URL, "t", on_gap=gaps.append) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(2)] == [1, 4]
        assert gaps == [a_gap(2, 3)]
        assert await client.recover(gaps[0])
        assert [(await anext(alerts)).offset for _ in range(3)] == [2, 3, 5]
        statistics = client.statistics()
        assert not await client.recover(a_gap(2, 3, channel="alerts:acme:other"))
    assert len(server.dialled_at) == 1
    assert (statistics["left_out"], statistics["gaps"], statistics["lost"]) == (2, 0, 0)


async def test_what_is_missing_before_a_gap_is_recovered_and_counted(
    serve: Callable[..., Server], autojump_clock: MockClock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(a_gap(3, 4, prev=2))
        ask = await peer.subscribed(offset=4, reason="ok")
        assert ask.recover == m.Position("e1", 0)
        await peer.say(*(an_alert(n) for n in range(1, 5)))
        await peer.closed()

    serve(script)
    async with Client(URL, "t") as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert [(await anext(alerts)).offset for _ in range(4)] == [1, 2, 3, 4]
        assert client.statistics()["gaps"] == 1


async def test_what_was_left_out_and_is_gone_is_told_to_be_lost(
    serve: Callable[..., Server], autojump_clock: MockClock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.say(a_gap(1, 2), an_alert(3))
        await peer.subscribed(offset=3, reason="trimmed")
        ask = await peer.subscribed(offset=3, reason="ok")
        assert ask.recover == m.Position("e1", 3)
        await peer.say(an_alert(4))
        await peer.closed()

    serve(script)
    lost: list[Lost] = []
    async with Client(URL, "t", on_lost=lost.append) as client:
        await client.subscribe("web")
        alerts = client.alerts()
        assert (await anext(alerts)).offset == 3
        assert await client.recover(a_gap(1, 2))
        assert (await anext(alerts)).offset == 4
    assert lost == [Lost("alerts:web", "trimmed")]
