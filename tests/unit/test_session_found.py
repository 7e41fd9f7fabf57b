"""What was found while a client was away is told when it resumes, after the events that it missed. In virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.ports import Found
from protocol import messages as m
from protocol.hints import PatternFound
from protocol.model import Event, StreamKey
from protocol.times import rfc3339
from tests.support.actors import (
    an_event,
)
from tests.support.patterns import a_pattern
from tests.support.sessions import a_rig, subscribe
from tests.support.sockets import Peer
from tests.support.stores import NOW


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


class FoundBefore:
    """Of each stream the same was found: one thing long ago, and one lately."""

    async def of(self, key: StreamKey) -> Sequence[Found]:
        moments = {"old": NOW - 1, "new": NOW}
        return [
            Found(at, PatternFound(channel=key.name, data=a_pattern(name, framework=None)))
            for name, at in moments.items()
        ]


def told_at(offset: int, at: int) -> Event:
    return msgspec.structs.replace(an_event(offset, workspace_offset=offset), at=rfc3339(at))


async def patterns(peer: Peer) -> list[str]:
    """What comes before the answer to a ping."""
    await peer.say({"type": "ping"})
    heard = []
    while not isinstance(message := await peer.hear(), m.Pong):
        if isinstance(message, PatternFound):
            heard.append(message.data.id)
    return heard


@pytest.mark.parametrize("channel", ["workspace", "alerts:checkout"])
async def test_who_resumes_is_told_what_was_found_since_his_last_event(autojump_clock: MockClock, channel: str) -> None:
    async with a_rig() as rig:
        rig.kit = replace(rig.kit, findings=FoundBefore())
        rig.store.add([told_at(1, NOW - 9), told_at(2, NOW), told_at(3, NOW + 9)])
        heard = []
        for offset in (0, 1, 2, 3):
            peer = await rig.client()
            await subscribe(peer, channel, recover={"epoch": "e1", "offset": offset})
            heard.append(await patterns(peer))
        assert heard == [["old", "new"], ["old", "new"], ["new"], []]


async def test_who_is_new_or_cannot_resume_is_told_of_nothing_that_was_found_before(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.kit = replace(rig.kit, findings=FoundBefore())
        for more in ({}, {"recover": {"epoch": "other", "offset": 0}}):
            peer = await rig.client()
            await subscribe(peer, "workspace", **more)
            assert await patterns(peer) == []


async def test_who_is_level_stays_if_the_store_is_away_that_knows_since_when(autojump_clock: MockClock) -> None:
    async with a_rig() as rig:
        rig.kit = replace(rig.kit, findings=FoundBefore())
        rig.store.add([told_at(1, NOW)])
        keeper = await rig.client("eve")
        await subscribe(keeper)
        rig.store.history_away = 10**6
        peer = await rig.client()
        assert (await subscribe(peer, recover={"epoch": "e1", "offset": 1})).recovered
        assert await patterns(peer) == []
