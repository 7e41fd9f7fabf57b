"""What is wanted, and what the server says to it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from protocol import errors
from protocol import messages as m
from protocol.model import Severity
from tests.support.client_scripts import FIRED, Clock, Talk, a_client, follows
from tests.support.client_server import CHANNEL, Peer, an_alert
from tocsin.client import ClientLimits
from tocsin.errors import NoAnswer


async def test_following_twice_asks_once_and_another_filter_asks_again(serve: Talk, autojump_clock: Clock) -> None:
    asked: list[Severity] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            asked.append((await peer.subscribed()).min_severity)

    serve(script)
    async with a_client() as client:
        assert await client.subscribe("web") is not None
        assert await client.subscribe("alerts:web") is None
        assert await client.subscribe("web", Severity.CRITICAL) is not None
        with pytest.raises(ValueError, match="loud"):
            await client.subscribe("web", "loud")
    assert asked == [Severity.INFO, Severity.CRITICAL]


async def test_two_who_follow_at_once_share_the_answer(serve: Talk, autojump_clock: Clock) -> None:
    serve(follows)
    answers = []
    async with a_client() as client, trio.open_nursery() as nursery:

        async def follow() -> None:
            answers.append(await client.subscribe("web"))

        nursery.start_soon(follow)
        nursery.start_soon(follow)
    assert answers[0] is answers[1] is not None


async def test_a_refused_subscription_raises_and_is_not_asked_for_again(serve: Talk, autojump_clock: Clock) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.greet()
        ask = await peer.hear()
        await peer.say(m.ErrorMessage(code=103, message="not yours", temporary=False, id=ask.id))
        await trio.sleep(0.1)

    async def again(peer: Peer) -> None:
        await peer.greet()
        assert isinstance(await peer.hear(), m.Resolve)
        await peer.say(m.Accepted(id=2, results=[FIRED]))
        await peer.closed()

    serve(refuse, again)
    async with a_client() as client:
        with pytest.raises(errors.PermissionDenied, match="not yours"):
            await client.subscribe("web")
        await trio.sleep(1)
        await client.resolve("a1")


async def test_an_unanswered_subscription_is_withdrawn(serve: Talk, autojump_clock: Clock) -> None:
    heard: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            heard.append(await peer.hear())

    serve(script)
    async with a_client(limits=ClientLimits(request_s=2.0)) as client:
        with pytest.raises(NoAnswer, match="withdrawn"):
            await client.subscribe("web")
        await trio.sleep(0.1)
    assert [type(message) for message in heard] == [m.Subscribe, m.Unsubscribe]


async def test_an_unfollowed_channel_brings_nothing_more(serve: Talk, autojump_clock: Clock) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        assert isinstance(await peer.hear(), m.Unsubscribe)
        await peer.say(an_alert(1), m.Unsubscribed(channel=CHANNEL))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        await client.unsubscribe("web")
        await trio.sleep(1)
        assert client.statistics()["buffered"] == 0


async def test_a_change_that_is_refused_under_one_name_leaves_the_other_followed(
    serve: Talk, autojump_clock: Clock
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.subscribed()
        await peer.subscribed()
        change: m.Subscribe = await peer.hear()
        await peer.say(m.ErrorMessage(code=120, message="away", temporary=True, id=change.id))
        assert await peer.hear() == m.Unsubscribe(channel="alerts:web")
        again = await peer.subscribed(reason="ok")
        assert again.channel == "project:web"
        await peer.say(an_alert(1))
        await peer.closed()

    serve(script)
    async with a_client() as client:
        await client.subscribe("web")
        await client.subscribe("project:web")
        with pytest.raises(errors.Busy):
            await client.subscribe("web", Severity.ERROR)
        assert (await anext(client.alerts())).offset == 1
