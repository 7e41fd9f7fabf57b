"""Accepting, the boundary round each connection, and pings. Real sockets, virtual time."""

from __future__ import annotations

import errno
import re
import socket
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.connection import Connection
from actors.door import DoorLimits
from actors.frames import Frame
from actors.gateway import Gateway, GatewayLimits
from actors.outbox import OutboxLimits
from actors.roster import Roster, RosterLimits
from protocol.errors import CloseCode, ConversationEnded
from tests.support.actors import Recorder
from tests.support.sockets import HELLO, assert_alive, client_frame, echo, refused, request_bytes, serving

pytestmark = pytest.mark.usefixtures("logs")


@pytest.mark.parametrize("path", ["/", "/ws", "/ws?token=not-here"])
async def test_both_paths_lead_to_the_same_place(autojump_clock: MockClock, path: str) -> None:
    async with serving() as served:
        peer = await served.dial()
        assert (await peer.upgrade(path)).startswith("HTTP/1.1 101")


async def test_another_path_is_404(autojump_clock: MockClock) -> None:
    async with serving() as served:
        assert await refused(served, "/socket.io/") == "HTTP/1.1 404 Not Found"
        assert await refused(served, "/ws/") == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize(
    ("origin", "is_welcome"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8081", False),
        ("https://127.0.0.1:8080", False),
        ("http://127.0.0.1:8080.evil.example", False),
        ("HTTP://127.0.0.1:8080", False),
        ("http://127.0.0.1:8080/", False),
        ("http://127.0.0.1:8080.", False),
        ("http://127.0.0.1.:8080", False),
        ("http://a.127.0.0.1:8080", False),
        ("http://me@127.0.0.1:8080", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:08080", False),
        ("127.0.0.1:8080", False),
        ("http://127.0.0.1:8080 http://evil.example", False),
        ("http://127.0.0.1:8080\r\nOrigin: http://127.0.0.1:8080", False),
        ("http://127.0.0.1:8080\r\norigin: http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
async def test_an_origin_is_welcome_only_if_it_is_exactly_on_the_list(
    autojump_clock: MockClock, origin: str, is_welcome: bool
) -> None:
    async with serving(origins=frozenset({"http://127.0.0.1:8080"})) as served:
        status = await refused(served, Origin=origin)
        assert status.split(" ")[1] == ("101" if is_welcome else "403")


async def test_who_sends_no_origin_is_no_browser_and_welcome(autojump_clock: MockClock) -> None:
    async with serving(origins=frozenset({"http://127.0.0.1:8080"})) as served:
        await assert_alive(await served.connect())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("tocsin.v1.json", "tocsin.v1.json"),
        ("tocsin.v1.msgpack", "tocsin.v1.msgpack"),
        ("chat, tocsin.v1.msgpack, tocsin.v1.json", "tocsin.v1.msgpack"),
        ("chat", None),
        (None, None),
    ],
)
async def test_the_first_subprotocol_that_we_speak_is_chosen(
    autojump_clock: MockClock, offered: str | None, chosen: str | None
) -> None:
    async with serving() as served:
        peer = await served.dial()
        head = await peer.upgrade(headers={"Sec-WebSocket-Protocol": offered} if offered else None)
        assert head.startswith("HTTP/1.1 101")
        assert (f"Sec-WebSocket-Protocol: {chosen}" in head) is (chosen is not None)
        assert [connection.subprotocol for connection in served.roster.connections()] == [chosen]


async def test_compression_is_not_negotiated(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peer = await served.dial()
        assert "xtension" not in await peer.upgrade(headers={"Sec-WebSocket-Extensions": "permessage-deflate"})


async def test_one_connection_too_many_is_503_until_another_one_goes(autojump_clock: MockClock) -> None:
    async with serving(limits=GatewayLimits(door=DoorLimits(connections_max=2))) as served:
        first, _ = await served.connect(), await served.connect()
        assert await refused(served) == "HTTP/1.1 503 Service Unavailable"
        first.close()
        await wait_all_tasks_blocked()
        await assert_alive(await served.connect())


async def test_who_has_not_finished_the_handshake_counts_towards_the_limit_until_it_is_decided(
    autojump_clock: MockClock,
) -> None:
    async with serving(limits=GatewayLimits(door=DoorLimits(connections_max=2))) as served:
        await served.connect()
        undecided = await served.dial()
        await undecided.send(request_bytes()[:20])
        await wait_all_tasks_blocked()
        assert await refused(served) == "HTTP/1.1 503 Service Unavailable"
        undecided.close()
        await wait_all_tasks_blocked()
        await assert_alive(await served.connect())


async def test_a_conversation_that_crashes_ends_itself_with_3004_and_is_logged(
    autojump_clock: MockClock, logs: list
) -> None:
    async def fragile(connection: Connection) -> None:
        data = await connection.websocket.receive()
        if data == "crash":
            raise ExceptionGroup("several", [ValueError("a bug")])
        await echo(connection)

    async with serving(fragile) as served:
        canary, victim = await served.connect(), await served.connect()
        await canary.send(HELLO)
        await victim.send(client_frame(1, b"crash"))
        assert await victim.hear_close() == (CloseCode.SERVER_ERROR, "internal error; come back")
        await assert_alive(canary)
        assert served.roster.errors == 1
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("conversation_failed", "error")]


async def test_a_conversation_that_is_over_is_closed_normally(autojump_clock: MockClock) -> None:
    async def short(connection: Connection) -> None:
        await connection.websocket.receive()

    async with serving(short) as served:
        peer = await served.connect()
        await peer.send(HELLO)
        assert await peer.hear_close() == (CloseCode.NORMAL, "")


async def test_the_first_reason_to_end_a_conversation_stays(autojump_clock: MockClock) -> None:
    async def twice(connection: Connection) -> None:
        connection.end(CloseCode.NO_PONG, "first")
        connection.end(CloseCode.SLOW, "second")
        raise ConversationEnded(CloseCode.FORCED, "third")

    async with serving(twice) as served:
        assert await (await served.connect()).hear_close() == (CloseCode.NO_PONG, "first")


async def test_whatever_goes_wrong_outside_the_conversation_stays_inside_the_boundary(
    autojump_clock: MockClock, logs: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as served:
        canary = await served.connect()
        fault: list[Exception] = [RuntimeError("a bug in the transport"), OSError(errno.ECONNRESET, "reset")]

        async def broken(self: Gateway, websocket: Any, outbox: Any, visit: Any) -> None:
            raise fault.pop(0)

        with monkeypatch.context() as patch:
            patch.setattr(Gateway, "_hold", broken)
            for _ in range(2):
                assert await (await served.dial()).rest() == b""
        await assert_alive(canary)
        await assert_alive(await served.connect())
        assert served.roster.errors == 2
    assert [entry["event"] for entry in logs] == ["connection_failed"]


async def test_a_slow_peer_is_closed_with_3008_and_others_are_not(autojump_clock: MockClock) -> None:
    async with serving(limits=GatewayLimits(outbox=OutboxLimits(max_bytes=20_000_000))) as served:
        slow, canary = await served.connect(), await served.connect()
        outbox = served.roster.connections()[0].outbox
        for _ in range(300):
            outbox.push(Frame(b"\x82\x7f" + (100_000).to_bytes(8, "big") + bytes(100_000)))
            await trio.lowlevel.checkpoint()
        await assert_alive(canary)
        code, reason = await slow.hear_close()
        assert code == CloseCode.SLOW
        unread, limit = re.fullmatch(r"(\d+) bytes unread and no room for the next, limit (\d+)", reason).groups()  # type: ignore[union-attr]
        assert int(limit) == 20_000_000
        assert int(limit) - 2 * 100_010 < int(unread) < int(limit) + 100_010, "what was there when one more came"
        assert served.roster.statistics()["slow_disconnects"] == 1


async def test_who_is_closed_already_for_another_reason_does_not_count_as_slow(autojump_clock: MockClock) -> None:
    async def flooded(connection: Connection) -> None:
        connection.end(CloseCode.FORCED, "enough")
        connection.outbox.push(Frame(bytes(2_000_000)))

    async with serving(flooded) as served:
        assert await (await served.connect()).hear_close() == (CloseCode.FORCED, "enough")
        assert served.roster.slow == 0


async def test_a_peer_that_resets_while_it_is_written_to_is_let_go(autojump_clock: MockClock) -> None:
    async with serving(limits=GatewayLimits(outbox=OutboxLimits(max_bytes=20_000_000))) as served:
        peer, canary = await served.connect(), await served.connect()
        outbox = served.roster.connections()[0].outbox
        outbox.push(Frame(bytes(10_000_000)))
        await wait_all_tasks_blocked()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        await wait_all_tasks_blocked()
        assert served.roster.statistics()["connected_clients"] == 1
        assert outbox.broken
        await assert_alive(canary)


async def test_a_write_that_finds_the_socket_gone_ends_the_conversation_without_a_word(
    autojump_clock: MockClock,
) -> None:
    async def deaf(connection: Connection) -> None:
        await trio.sleep_forever()

    async with serving(deaf) as served:
        peer = await served.connect()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        await wait_all_tasks_blocked()
        assert served.roster.statistics()["connected_clients"] == 1, "nobody reads, nobody knows"
        served.roster.ping_next()
        await wait_all_tasks_blocked()
        assert served.roster.statistics()["connected_clients"] == 0


async def test_one_ping_goes_to_everybody(autojump_clock: MockClock) -> None:
    async with serving() as served:
        peers = [await served.connect() for _ in range(3)]
        served.roster.ping_next()
        assert [await peer.frame() for peer in peers] == [(9, b"")] * 3


async def test_turn_by_turn_everybody_is_pinged_once(autojump_clock: MockClock) -> None:
    async with serving(roster=Roster(Recorder(), RosterLimits(ping_turns=3))) as served:
        peers = [await served.connect() for _ in range(4)]
        for _ in range(2):
            served.roster.ping_next()
        late = await served.connect()  # its turn was just over
        served.roster.ping_next()
        assert [await peer.frame() for peer in peers] == [(9, b"")] * 4
        with trio.move_on_after(1) as silence:
            await late.frame()
        assert silence.cancelled_caught
        for _ in range(3):
            served.roster.ping_next()
        assert [await peer.frame() for peer in [*peers, late]] == [(9, b"")] * 5
        for peer in peers[:2]:
            peer.close()
        await wait_all_tasks_blocked()
        for _ in range(3):
            served.roster.ping_next()
        assert [await peer.frame() for peer in [*peers[2:], late]] == [(9, b"")] * 3
