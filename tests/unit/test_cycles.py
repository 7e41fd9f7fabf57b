"""A connection that is over is freed at once: nothing of ours waits for the garbage collector.

An engine that is never idle hardly collects, and thousands of connections come and go in it.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator

import pytest
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.door import DoorLimits
from actors.gateway import GatewayLimits
from protocol import messages as m
from tests.support.cycles import ours_in_cycles
from tests.support.sessions import Rig, a_rig, subscribe
from tests.support.sockets import client_frame

# Two connections, so that the third is one too many.
FEW = GatewayLimits(door=DoorLimits(connections_max=2))
Life = Callable[[Rig], Awaitable[None]]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with capture_logs():
        yield


async def polite(rig: Rig) -> None:
    peer = await rig.client()
    await subscribe(peer)
    await peer.send(client_frame(8, b"\x03\xe8"))
    await peer.rest()
    peer.close()


async def gone(rig: Rig) -> None:
    peer = await rig.client()
    await subscribe(peer)
    peer.close()


async def reset(rig: Rig) -> None:
    peer = await rig.client()
    peer.sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: 0 s
    peer.close()


async def bad_token(rig: Rig) -> None:
    peer = await rig.served.connect()
    for _ in range(10):
        await peer.say({"type": "auth", "token": "bad"})
    await peer.rest()
    peer.close()


async def too_big(rig: Rig) -> None:
    peer = await rig.client()
    await peer.send(client_frame(1, bytes(100_000)))
    await peer.rest()
    peer.close()


async def violation(rig: Rig) -> None:
    peer = await rig.client()
    await peer.send(b"\x83\x80\0\0\0\0")
    await peer.rest()
    peer.close()


async def not_a_handshake(rig: Rig) -> None:
    peer = await rig.served.dial()
    await peer.send(b"HELLO\r\n\r\n")
    await peer.rest()
    peer.close()


async def wrong_path(rig: Rig) -> None:
    peer = await rig.served.dial()
    assert (await peer.upgrade("/nowhere")).startswith("HTTP/1.1 404")
    await peer.rest()
    peer.close()


async def wrong_origin(rig: Rig) -> None:
    peer = await rig.served.dial()
    assert (await peer.upgrade(headers={"Origin": "https://evil.example"})).startswith("HTTP/1.1 403")
    await peer.rest()
    peer.close()


async def broken_off(rig: Rig) -> None:
    peer = await rig.served.dial()
    await peer.send(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
    peer.close()


async def too_late(rig: Rig) -> None:
    peer = await rig.served.dial()
    await peer.rest()
    peer.close()


async def too_many(rig: Rig) -> None:
    peers = [await rig.client() for _ in range(2)]
    one_more = await rig.served.dial()
    assert (await one_more.upgrade()).startswith("HTTP/1.1 503")
    await one_more.rest()
    for peer in (*peers, one_more):
        peer.close()


LIVES = (polite, gone, reset, bad_token, too_big, violation)
ARRIVALS = (not_a_handshake, wrong_path, wrong_origin, broken_off, too_late, too_many)


async def malformed(rig: Rig) -> None:
    peer = await rig.client()
    await peer.say({"type": "subscribe", "channel": "alerts:secret"})
    assert isinstance(await peer.hear(), m.ErrorMessage)
    await peer.send(client_frame(1, b"{"))
    assert isinstance(await peer.hear(), m.ErrorMessage)
    peer.close()


@pytest.mark.parametrize("life", [*LIVES, *ARRIVALS, malformed])
async def test_a_connection_that_is_over_leaves_nothing_to_collect(life: Life, autojump_clock: MockClock) -> None:
    async with a_rig(FEW) as rig:
        await life(rig)  # what is made once for all is made now
        await wait_all_tasks_blocked(0.01)
        gc.collect()
        gc.disable()
        try:
            for _ in range(3):
                await life(rig)
                await wait_all_tasks_blocked(0.01)
            left = ours_in_cycles()
        finally:
            gc.enable()
    assert left == {}
