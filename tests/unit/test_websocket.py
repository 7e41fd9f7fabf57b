"""The server's end of one WebSocket: limits, violations, closing. Over real sockets, in virtual time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.connection import Connection
from actors.frames import Frame
from actors.websocket import EVENTS_PER_PASS, WebSocketLimits, close_frame
from protocol.errors import CloseCode, ConversationEnded
from tests.support.sockets import client_frame, request_bytes, serving

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SMALL = WebSocketLimits(message_max_bytes=100, fragments_max=4, reply_backlog_bytes=1_000)


async def test_messages_go_there_and_back_in_both_kinds(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, "grüß dich".encode()) + client_frame(BINARY, b"\x00\xff"))
        assert await peer.frame() == (TEXT, "grüß dich".encode())
        assert await peer.frame() == (BINARY, b"\x00\xff")


async def test_fragments_become_one_message(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, b"one ", final=False) + client_frame(PING, b"?"))
        await peer.send(client_frame(0, b"two", final=True))
        assert await peer.frame() == (PONG, b"?")
        assert await peer.frame() == (TEXT, b"one two")
        await peer.send(client_frame(BINARY, b"1", final=False) + client_frame(0, b"2"))
        assert await peer.frame() == (BINARY, b"12")


async def test_frames_in_the_same_packet_as_the_handshake_are_not_lost(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peer = await served.dial()
        await peer.send(request_bytes() + client_frame(TEXT, b"first") + client_frame(TEXT, b"second")[:5])
        assert (await peer.head()).startswith("HTTP/1.1 101")
        assert await peer.frame() == (TEXT, b"first")
        await peer.send(client_frame(TEXT, b"second")[5:])
        assert await peer.frame() == (TEXT, b"second")


async def test_a_handshake_may_come_byte_by_byte(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peer = await served.dial()
        for byte in request_bytes():
            await peer.send(bytes((byte,)))
            await trio.sleep(0.01)
        assert (await peer.head()).startswith("HTTP/1.1 101")


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param(client_frame(TEXT, b"x" * 101), CloseCode.TOO_BIG, id="more bytes than allowed"),
        pytest.param(client_frame(TEXT, "ü".encode() * 51), CloseCode.TOO_BIG, id="bytes count, not characters"),
        pytest.param(client_frame(BINARY, b"x" * 101), CloseCode.TOO_BIG, id="binary"),
        pytest.param(
            client_frame(TEXT, b"x" * 60, final=False) + client_frame(0, b"x" * 60),
            CloseCode.TOO_BIG,
            id="in fragments",
        ),
        pytest.param(client_frame(TEXT, b"x" * 10**6)[:300], CloseCode.TOO_BIG, id="before the end of the frame"),
        pytest.param(
            client_frame(TEXT, b"", final=False) + client_frame(0, b"", final=False) * 4,
            CloseCode.TOO_BIG,
            id="empty fragments without end",
        ),
        pytest.param(client_frame(TEXT, b"\xff\xfe"), CloseCode.BAD_UTF8, id="text that is not UTF-8"),
        pytest.param(client_frame(CLOSE, b"\x03\xe8\xff"), CloseCode.BAD_UTF8, id="a reason that is not UTF-8"),
        pytest.param(client_frame(3, b""), CloseCode.PROTOCOL_ERROR, id="a reserved opcode"),
        pytest.param(client_frame(PING, b"x" * 126), CloseCode.PROTOCOL_ERROR, id="a long ping"),
        pytest.param(client_frame(PING, b"", final=False), CloseCode.PROTOCOL_ERROR, id="a ping in fragments"),
        pytest.param(client_frame(0, b"x"), CloseCode.PROTOCOL_ERROR, id="the end of nothing"),
        pytest.param(b"\x81\x01x", CloseCode.PROTOCOL_ERROR, id="no mask"),
        pytest.param(b"\xf1" + client_frame(TEXT, b"x")[1:], CloseCode.PROTOCOL_ERROR, id="reserved bits"),
        pytest.param(client_frame(CLOSE, b"\x03"), CloseCode.PROTOCOL_ERROR, id="half a close code"),
        pytest.param(client_frame(CLOSE, b"\x00\x00"), CloseCode.PROTOCOL_ERROR, id="no real close code"),
    ],
)
async def test_a_violation_gets_its_close_frame_before_the_end(
    autojump_clock: MockClock, frames: bytes, code: CloseCode
) -> None:
    async with serving(websocket=SMALL) as served:
        peer = await served.connect()
        await peer.send(frames)
        assert (await peer.hear_close())[0] == code
        assert served.roster.errors == 0


async def test_what_is_too_big_is_told_its_size_so_far_and_the_limit(autojump_clock: MockClock) -> None:
    async with serving(websocket=SMALL) as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, b"x" * 101))
        assert (await peer.hear_close())[1] == "message of 101 bytes so far, limit 100"
        peer = await served.connect()
        await peer.send(client_frame(TEXT, b"", final=False) + client_frame(0, b"", final=False) * 200)
        assert (await peer.hear_close())[1].startswith(f"message of {SMALL.fragments_max + 1} fragments so far, limit ")


async def test_exactly_as_much_as_allowed_is_allowed(autojump_clock: MockClock) -> None:
    async with serving(websocket=SMALL) as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, "ü".encode() * 50))
        assert await peer.frame() == (TEXT, "ü".encode() * 50)
        await peer.send(client_frame(TEXT, b"", final=False) + client_frame(0, b"", final=False) * 2 + client_frame(0))
        assert await peer.frame() == (TEXT, b"")
        await peer.send(client_frame(BINARY, b"x" * 100))
        assert await peer.frame() == (BINARY, b"x" * 100)


@pytest.mark.parametrize(("said", "answer"), [(b"", b""), (b"\x03\xe8bye", b"\x03\xe8"), (b"\x0f\xa0", b"\x0f\xa0")])
async def test_the_peers_close_is_answered_with_its_code_and_the_connection_ended(
    autojump_clock: MockClock, said: bytes, answer: bytes
) -> None:
    async with serving() as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, b"last") + client_frame(CLOSE, said) + client_frame(PING, b"after"))
        assert await peer.frame() == (TEXT, b"last")
        assert await peer.frame() == (CLOSE, answer)
        assert await peer.rest() == b""
        assert served.roster.errors == 0


async def test_a_ping_after_our_close_began_is_read_over_and_harms_nobody(autojump_clock: MockClock) -> None:
    async def ends(connection: Connection) -> None:
        await connection.websocket.receive()
        raise ConversationEnded(CloseCode.FORCED, "enough")

    async with serving(ends) as served:
        peer = await served.connect()
        await peer.send(client_frame(TEXT, b"x"))
        assert await peer.frame() == (CLOSE, b"\x0d\xafenough")
        await peer.send(client_frame(PING, b"still there?") + client_frame(CLOSE, b"\x0d\xaf") + b"\xff garbage")
        assert await peer.rest() == b""
        assert served.roster.errors == 0


async def test_a_peer_that_never_answers_our_close_is_left_after_its_time(autojump_clock: MockClock) -> None:
    async def ends(connection: Connection) -> None:
        raise ConversationEnded(CloseCode.FORCED, "enough")

    async with serving(ends, websocket=WebSocketLimits(close_s=2.0)) as served:
        peer = await served.connect()
        began = trio.current_time()
        assert served.roster.statistics()["connected_clients"] == 1
        await trio.sleep(1.9)
        assert served.roster.statistics()["connected_clients"] == 1
        await trio.sleep(0.2)
        assert served.roster.statistics()["connected_clients"] == 0
        assert await peer.frame() == (CLOSE, b"\x0d\xafenough")
        assert trio.current_time() - began < 2.2


async def test_nothing_follows_a_close(autojump_clock: MockClock) -> None:
    async def talkative(connection: Connection) -> None:
        connection.outbox.push(Frame(b"\x81\x06before"))
        connection.end(CloseCode.FORCED, "enough")
        connection.outbox.push(Frame(b"\x81\x02ok"))
        try:
            await connection.websocket.receive()
        finally:
            connection.outbox.push(Frame(b"\x81\x02ok"))

    async with serving(talkative) as served:
        peer = await served.connect()
        assert await peer.frame() == (TEXT, b"before")
        assert await peer.hear_close() == (CloseCode.FORCED, "enough")


async def test_a_ping_flood_feels_back_pressure(autojump_clock: MockClock) -> None:
    # A kernel that is busy may take a moment to hand over what was sent; that is no silence to jump over.
    autojump_clock.autojump_threshold = 0.05
    async with serving(websocket=SMALL) as served:
        peer = await served.connect()
        flood = client_frame(PING, b"x" * 100) * 2_000
        left, sent = flood, 0
        with trio.move_on_after(30):
            while sent < 30_000_000:
                # What the kernel did not take goes first: half a frame would be another kind of attack.
                taken = await peer.sock.send(left)
                left, sent = left[taken:] or flood, sent + taken
        assert served.roster.statistics()["connected_clients"] == 1
        assert sent < 30_000_000
        assert served.roster.statistics()["outbox_bytes"] < 200_000


async def test_thousands_of_tiny_frames_in_one_packet_do_not_hold_the_loop(autojump_clock: MockClock) -> None:
    others: list[int] = []

    async def counting(connection: Connection) -> None:
        while True:
            await connection.websocket.receive()
            others[-1] += 1

    async with serving(counting) as served:
        peer = await served.connect()
        others.append(0)
        await peer.send(client_frame(TEXT, b"") * 1_000)
        while others[-1] < 1:
            await trio.lowlevel.checkpoint()
        assert others[-1] <= 2 * EVENTS_PER_PASS, "we look once a pass"
        await wait_all_tasks_blocked()
        assert others[-1] == 1_000


async def test_an_unfinished_message_is_timed_from_its_first_part(autojump_clock: MockClock) -> None:
    connections: list[Connection] = []

    async def keep(connection: Connection) -> None:
        connections.append(connection)
        while True:
            await connection.websocket.receive()

    async with serving(keep) as served:
        peer = await served.connect()
        await trio.sleep(7)
        for opcode in (TEXT, 0):
            await peer.send(client_frame(opcode, b"part", final=False))
            await trio.sleep(3)
        assert connections[0].websocket.message_since == 7
        assert connections[0].websocket.heard_at == 10
        await peer.send(client_frame(0, b"end"))
        await wait_all_tasks_blocked()
        assert connections[0].websocket.message_since is None


async def test_a_peer_that_vanishes_without_a_word_is_let_go(autojump_clock: MockClock) -> None:
    async with serving() as served:
        for early in (b"", request_bytes()[:20], request_bytes()):
            peer = await served.dial()
            await peer.send(early)
            await wait_all_tasks_blocked()
            peer.close()
            await wait_all_tasks_blocked()
        assert served.roster.statistics()["connected_clients"] == 0
        assert (served.roster.errors, served.roster.refused) == (0, 0)


def test_a_close_frame_cuts_its_reason_between_characters() -> None:
    frame = close_frame(3008, "ü" * 100)
    assert frame[:4] == b"\x88\x7c\x0b\xc0"
    assert frame[4:].decode() == "ü" * 61
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
