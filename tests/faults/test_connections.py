"""Peers that are slow, broken or hostile, on a real engine: each costs itself, and nobody else (ISO)."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.faults.conftest import SHORT
from tests.support.engines import EngineProcess
from tests.support.iso import Isolation, authenticated, dial, token_for
from tests.support.sockets import Peer, client_frame, request_bytes

pytestmark = pytest.mark.alone

# As the shared engine is configured: the reference's figures would make these tests minutes.
HANDSHAKE_S = float(SHORT["TOCSIN_GATEWAY_HANDSHAKE_S"])

Attack = Callable[[EngineProcess], Awaitable[None]]


def reset(peer: Peer) -> None:
    """Goes away without a goodbye: the other end gets an RST."""
    peer.sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.sock.close()


async def upgraded(engine: EngineProcess) -> Peer:
    peer = await dial(engine)
    await peer.upgrade()
    return peer


async def until_closed(peer: Peer, code: int | None = None) -> None:
    """Reads to the end; the Close frame's code is this one."""
    try:
        got, _ = await peer.hear_close()
        assert code in (None, got), f"closed with {got}, not {code}"
    except (EOFError, OSError):
        assert code is None, f"ended without a Close frame, {code} was due"
    peer.close()


async def until_cut(peer: Peer, code: int) -> None:
    """Reads to the end. It ends with this code, or with none: too slow to take what came before the Close in time."""
    try:
        got, _ = await peer.hear_close()
        assert got == code, f"closed with {got}, not {code}"
    except (EOFError, OSError):
        pass
    peer.close()


async def slow_reader(engine: EngineProcess) -> None:
    peer = await authenticated(engine, "slow", receive_bytes=4_096)
    producer = await authenticated(engine, "slow producer")
    await peer.say({"type": "subscribe", "frameworkId": "slow"})
    text = "x" * 3_000
    for _ in range(80):  # 5 MB: more than the kernel buffers for one peer
        alerts = [
            {"framework_id": "slow", "dedup_key": str(n), "message": text, "severity": "critical"} for n in range(20)
        ]
        await producer.say({"type": "trigger", "alerts": alerts})
        await producer.hear()
        # It is there, and does not read; once it is cut nobody hears that.
        with contextlib.suppress(OSError):
            await peer.send(client_frame(10))
    producer.close()
    # Behind by more than its outbox and the kernel hold. The Close is for who reads on within a second; that he gets it
    # is in test_close_codes.py, in virtual time.
    await until_cut(peer, 3008)


async def silent_connects(engine: EngineProcess) -> None:
    peers = [await dial(engine) for _ in range(50)]
    for peer in peers:
        assert b"408" in await peer.rest()
        peer.close()


async def slow_header(engine: EngineProcess) -> None:
    peer = await dial(engine)
    with pytest.raises(OSError, match=r"reset|pipe"):
        # It would go on for ten times as long as it may.
        for byte in request_bytes(headers={"X": "x" * int(200 * HANDSHAKE_S)}).strip():
            await peer.send(bytes((byte,)))
            await trio.sleep(0.05)
    peer.close()


async def half_open(engine: EngineProcess) -> None:
    """Twenty peers that are there for the kernel and nobody else: pings stay unanswered."""
    peers = [await authenticated(engine, f"gone {number}") for number in range(20)]
    for peer in peers:
        await until_closed(peer, 3012)


async def resets_in_mid_frame(engine: EngineProcess) -> None:
    for _ in range(100):
        peer = await upgraded(engine)
        await peer.send(client_frame(1, b"x" * 1_000)[:500])
        reset(peer)


async def ping_flood(engine: EngineProcess) -> None:
    """Pings without reading a pong, until the engine does not read on, or cuts us."""
    peer = await upgraded(engine)
    pings = client_frame(9, b"p" * 100) * 500
    with trio.move_on_after(2):
        try:
            while True:
                await peer.send(pings)
        except OSError:
            pass
    peer.close()


async def silence_after_our_close(engine: EngineProcess) -> None:
    """Is closed for a violation and does not answer the Close: gone after two seconds."""
    peer = await upgraded(engine)
    await peer.send(client_frame(3))
    await until_closed(peer, 1002)


async def frames_before_the_handshake_answer(engine: EngineProcess) -> None:
    peer = await dial(engine)
    auth = json.dumps({"type": "auth", "token": token_for("early")}).encode()
    await peer.send(request_bytes() + client_frame(1, auth) + client_frame(1, b'{"type":"ping"}'))
    await peer.head()
    assert (await peer.hear()).__class__.__name__ == "AuthSuccess"
    assert (await peer.hear()).__class__.__name__ == "Pong"
    peer.close()


async def messages_before_auth(engine: EngineProcess) -> None:
    peer = await upgraded(engine)
    await peer.say({"type": "subscribe", "frameworkId": "canary"})
    assert (await peer.hear()).code == 101  # type: ignore[union-attr]
    peer.close()


async def auth_too_late(engine: EngineProcess) -> None:
    await until_closed(await upgraded(engine), 3502)


async def ten_thousand_subscriptions(engine: EngineProcess) -> None:
    peer = await authenticated(engine, "greedy")
    asked = b"".join(
        client_frame(1, json.dumps({"type": "subscribe", "frameworkId": f"f{n}"}).encode()) for n in range(10_000)
    )
    with contextlib.suppress(OSError):  # cut before all of it was taken
        await peer.send(asked)
    await until_closed(peer)


async def twenty_bad_messages(engine: EngineProcess) -> None:
    peer = await authenticated(engine, "clumsy")
    for _ in range(20):
        await peer.send(client_frame(1, b"{"))
    await until_closed(peer, 3501)


async def hostile_handshakes(engine: EngineProcess) -> None:
    """What ended a stock server as a whole: bytes beyond ASCII in headers, a ping after the Close, and the like."""
    for name in ("Host", "Connection", "Upgrade", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin"):
        for value in (b"\x80", b"caf\xc3\xa9", b"\xff" * 200):
            peer = await dial(engine)
            await peer.send(request_bytes(headers={name: value}))
            await peer.rest()
            peer.close()
    for garbage in (b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"x" * 20_000, b"\r\n" * 50):
        peer = await dial(engine)
        await peer.send(garbage)
        await peer.rest()
        peer.close()
    for _ in range(10):
        peer = await upgraded(engine)
        await peer.send(client_frame(8, b"\x03\xe8") + client_frame(9, b"after the Close") * 20)
        await until_closed(peer, 1000)


async def reconnect_storm(engine: EngineProcess) -> None:
    """Ten thousand reconnects, one after the other in ten lines."""

    async def line() -> None:
        for _ in range(1_000):
            peer = await upgraded(engine)
            (reset if _ % 2 else Peer.close)(peer)

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(line)


async def more_messages_than_people_may_send(engine: EngineProcess) -> None:
    """Refused with 111, and when that changes nothing cut with 3013."""
    peer = await authenticated(engine, "eager", role="viewer")
    # Far more, so that it is too much for whoever takes them slowly.
    await peer.send(client_frame(1, b'{"type":"ping","id":1}') * 1_500)
    codes = set()
    with contextlib.suppress(AssertionError):  # the Close
        while True:
            heard = await peer.hear()
            codes.add(getattr(heard, "code", None))
    assert codes == {None, 111}
    peer.close()


async def a_message_that_never_ends(engine: EngineProcess) -> None:
    peer = await authenticated(engine, "drip")
    await peer.send(client_frame(1, b"{", final=False))
    await until_closed(peer, 3008)


def refused(limit: str) -> str:
    return f'tocsin_refused_total{{limit="{limit}"}}'


def closed(code: int) -> str:
    return f'tocsin_closes_total{{code="{code}"}}'


# The attack, and what it must be counted as.
ATTACKS: dict[Attack, str | None] = {
    slow_reader: refused("outbox_bytes"),
    silent_connects: refused("handshake_time"),
    slow_header: refused("handshake_time"),
    half_open: refused("silence"),
    resets_in_mid_frame: "tocsin_connections_accepted",
    ping_flood: refused("messages_per_s"),
    silence_after_our_close: closed(1002),
    frames_before_the_handshake_answer: "tocsin_connections_accepted",
    messages_before_auth: "tocsin_session_errors",
    auth_too_late: refused("auth_time"),
    hostile_handshakes: "tocsin_connections_refused",
    ten_thousand_subscriptions: refused("subscriptions"),
    twenty_bad_messages: refused("bad_messages"),
    reconnect_storm: "tocsin_connections_accepted",
    more_messages_than_people_may_send: refused("messages_per_s"),
    a_message_that_never_ends: refused("message_time"),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_it_costs_itself_and_nobody_else(isolation: Isolation, attack: Attack) -> None:
    # Megabytes of alerts fill the channel's ring and the database's cache before the memory stands still.
    warm_ups = 5 if attack is slow_reader else 1
    await isolation.check(lambda: attack(isolation.engine), counted=ATTACKS[attack], warm_ups=warm_ups)
