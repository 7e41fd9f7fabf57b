"""A peer that reads slowly, but reads, in virtual time: it stays connected, whatever waits for it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.gateway import GatewayLimits
from actors.outbox import OutboxLimits
from protocol import messages as m
from protocol.model import Severity
from tests.support.actors import some_events
from tests.support.sessions import Rig, a_rig, subscribe
from tests.support.sockets import Peer, client_frame

TITLE = "x" * 100_000
LIMITS = GatewayLimits(outbox=OutboxLimits(10**9, 10**9))


async def one_more(rig: Rig, offset: int) -> None:
    """A long severe alert is committed elsewhere and told."""
    rig.store.add(some_events(offset, offset, title=TITLE, severity=Severity.CRITICAL))
    audience = rig.registry.cells()[0].audience
    assert audience is not None
    audience.tell(rig.store.stream().events[-1:])


async def a_backlog(rig: Rig) -> Peer:
    """A peer with far more unread than lets us read on from it."""
    peer = await rig.client()
    await subscribe(peer)
    for offset in range(1, 201):
        await one_more(rig, offset)
    await trio.sleep(0)
    assert rig.served.roster.statistics()["outbox_bytes"] > 10**7
    return peer


async def test_a_peer_whose_answers_we_do_not_read_lives_as_long_as_it_takes_what_we_say(
    autojump_clock: MockClock,
) -> None:
    async with a_rig(LIMITS, timeout_s=60.0) as rig:
        peer = await a_backlog(rig)
        for second in range(0, 180, 10):
            await trio.sleep(10)
            for _ in range(8):
                assert isinstance(await peer.hear(), m.AlertMessage), f"after {second} s"
        assert rig.served.roster.statistics()["connected_clients"] == 1


async def test_the_time_of_a_message_does_not_run_while_we_do_not_listen(autojump_clock: MockClock) -> None:
    async with a_rig(LIMITS, message_s=10.0) as rig:
        peer = await rig.client()
        await subscribe(peer)
        await peer.send(client_frame(1, b'{"type":', final=False))
        await wait_all_tasks_blocked()
        for offset in range(1, 201):
            await one_more(rig, offset)
        await trio.sleep(1)
        await peer.send(client_frame(0, b'"ping"', final=False))  # heard: we were listening already
        await trio.sleep(1)
        await peer.send(client_frame(0, b"}"))
        for offset in range(1, 201):
            await trio.sleep(0.1)
            message = await peer.hear()
            while not isinstance(message, m.AlertMessage):
                message = await peer.hear()
            assert message.offset == offset
        assert rig.served.roster.statistics()["connected_clients"] == 1


async def test_a_peer_that_takes_nothing_more_is_gone_after_the_timeout(autojump_clock: MockClock) -> None:
    async with a_rig(LIMITS, timeout_s=60.0) as rig:
        peer = await a_backlog(rig)
        await trio.sleep(70)
        assert rig.served.roster.statistics()["connected_clients"] == 0
        with pytest.raises(EOFError):
            while True:
                await peer.frame()
