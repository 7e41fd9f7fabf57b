"""A person's own stream, in a conversation: who may follow it, and what comes on it. In virtual time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock

from protocol import messages as m
from tests.support.actors import an_event, some_events
from tests.support.sessions import a_rig, alerts, offsets, subscribe


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize("channel", ["user", "user:ada", "user:acme:ada"])
async def test_a_person_follows_what_is_assigned_to_them(autojump_clock: MockClock, channel: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        answer = await subscribe(peer, channel)
        assert (answer.channel, answer.offset) == ("user:acme:ada", 0)
        rig.store.add([an_event(1, user="ada"), an_event(2), an_event(3, user="ada")])
        heard = await alerts(peer, 2)
        assert offsets(heard) == [(0, 1), (1, 2)]
        assert [message.data.title for message in heard] == ["e1", "e3"]


async def test_what_was_assigned_meanwhile_is_recovered_in_its_own_offsets(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.store.add(some_events(1, 300, user="ada"))
        rig.store.add(some_events(301, 310))
        rig.store.add(some_events(311, 312, user="ada"))
        peer = await rig.client("ada")
        answer = await subscribe(peer, "user", recover={"epoch": "e1", "offset": 2})
        assert (answer.recovered, answer.offset) == (True, 302)
        assert [message.offset for message in await alerts(peer, 300)] == list(range(3, 303))


@pytest.mark.parametrize("channel", ["user:bob", "user:acme:bob", "user:nobody"])
async def test_another_persons_stream_is_unknown(autojump_clock: MockClock, channel: str) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada")
        await peer.say({"type": "subscribe", "channel": channel})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert refused.code == 102


@pytest.mark.parametrize("channel", ["user", "workspace"])
async def test_a_token_that_is_limited_to_channels_follows_no_derived_stream(
    autojump_clock: MockClock, channel: str
) -> None:
    async with a_rig() as rig:
        peer = await rig.client("ada@acme#checkout")
        await peer.say({"type": "subscribe", "channel": channel})
        refused = await peer.hear()
        assert isinstance(refused, m.ErrorMessage)
        assert refused.code == 103
