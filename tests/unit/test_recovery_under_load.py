"""A hundred clients that recover again and again while alerts ring at full speed, each from a place drawn at random.

In virtual time, over real sockets: some are served from the ring, some from the store and then from the ring, some come
while a commit is on its way. Whatever they catch, each of them must hear every event after its place once and in order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from protocol import messages as m
from protocol.session import ConversationLimits
from protocol.stream import RING_MAX_EVENTS, Arrival, Follower
from tests.support.actors import OTHER, an_event, some_events
from tests.support.sessions import Rig, a_rig
from tests.support.sockets import Peer

CLIENTS = 100
ROUNDS = 2
# Some places are older than the ring, most are in it.
STORED = RING_MAX_EVENTS + 200
LIVE_PER_ROUND = 5


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.mark.parametrize("channel", ["alerts:checkout", "workspace", "user"])
async def test_who_recovers_under_load_hears_everything_after_its_place_once_and_in_order(
    autojump_clock: MockClock, channel: str
) -> None:
    luck = random.Random(channel)
    async with a_rig(conversation=ConversationLimits(subscriptions_max=1)) as rig:
        rig.store.add(some_events(1, STORED, user="ada"))
        peers = [await rig.client("ada") for _ in range(CLIENTS)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ring_for_ever, rig)
            async with trio.open_nursery() as clients:
                for peer in peers:
                    clients.start_soon(recover_again_and_again, peer, channel, luck)
            nursery.cancel_scope.cancel()


async def ring_for_ever(rig: Rig) -> None:
    """As fast as the channel takes it, and beside it what others commit for the person."""
    for number in range(10**6):
        rig.ring_now(f"live {number}")
        if number % 3 == 0:
            rig.store.add([an_event(number, user="ada")], OTHER)
            await trio.sleep(0)


async def recover_again_and_again(peer: Peer, channel: str, luck: random.Random) -> None:
    follower = Follower("e1", luck.randrange(STORED))
    for _ in range(ROUNDS):
        place = {"epoch": follower.epoch, "offset": follower.offset}
        await peer.say({"type": "subscribe", "channel": channel, "recover": place})
        while not isinstance(answer := await peer.hear(), m.Subscribed):
            take(follower, answer)  # what was told before we asked again
        assert answer.recovered, answer
        follower = Follower("e1", int(place["offset"]))
        # Across the border between history and live messages.
        while follower.offset < answer.offset + LIVE_PER_ROUND:
            take(follower, await peer.hear())
    peer.close()


def take(follower: Follower, message: object) -> None:
    """The next event, or a proof that there was none."""
    if isinstance(message, m.PositionMessage):
        assert message.offset <= follower.offset, "it hides what was never told"
        return
    assert isinstance(message, m.AlertMessage), message
    assert follower.arrive(message.epoch, message.offset, message.prev) is Arrival.NEXT
    assert message.offset == message.prev + 1
