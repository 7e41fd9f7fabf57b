"""Bytes that no good client sends, on a real engine: the right answer or the right Close, and nobody else notices."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.faults.test_connections import closed, refused, until_closed
from tests.support.engines import EngineProcess
from tests.support.iso import Isolation, dial, token_for
from tests.support.sockets import Peer, client_frame

pytestmark = pytest.mark.alone

MSGPACK = "tocsin.v1.msgpack"


async def speaking(engine: EngineProcess, subprotocol: str | None = None) -> Peer:
    """A connection that has authenticated in one of the forms."""
    peer = await dial(engine)
    await peer.upgrade(headers={"Sec-WebSocket-Protocol": subprotocol} if subprotocol else None)
    auth: dict[str, Any] = {"type": "auth", "token": token_for("stranger")}
    if subprotocol == MSGPACK:
        await peer.send(client_frame(2, msgspec.msgpack.encode(auth)))
        assert (await answer_of(peer))["type"] == "auth_success"
    else:
        await peer.say(auth)
        assert (await peer.hear()).__class__.__name__ == "AuthSuccess"
    return peer


async def answer_of(peer: Peer) -> Any:
    """The next MessagePack message; heartbeats are passed over."""
    while True:
        opcode, payload = await peer.frame()
        if opcode == 2:
            return msgspec.msgpack.decode(payload)
        assert opcode == 9, (opcode, payload)


def masked(head: bytes, payload: bytes = b"") -> bytes:
    """A frame with a head as it is given, and a mask of zeros."""
    return head + bytes(4) + payload


# Section 5 of RFC 6455: what must end with 1002.
VIOLATIONS = {
    "not masked": b"\x81\x02{}",
    "rsv1": masked(b"\xc1\x82", b"{}"),
    "rsv2": masked(b"\xa1\x82", b"{}"),
    "rsv3": masked(b"\x91\x82", b"{}"),
    **{
        f"opcode {opcode:#x}": masked(bytes((0x80 | opcode, 0x80)))
        for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
    },
    "ping of 126 bytes": masked(b"\x89\xfe" + struct.pack("!H", 126), bytes(126)),
    "ping in fragments": masked(b"\x09\x80"),
    "close in fragments": masked(b"\x08\x80"),
    "close with one byte": masked(b"\x88\x81", b"\x03"),
    "close with code 1005": masked(b"\x88\x82", struct.pack("!H", 1005)),
    "close with code 0": masked(b"\x88\x82", struct.pack("!H", 0)),
    "continuation of nothing": masked(b"\x80\x80"),
    "new message within a message": masked(b"\x01\x81", b"{") + masked(b"\x81\x81", b"}"),
    "length of 64 bits, negative": masked(b"\x81\xff" + struct.pack("!Q", 2**63)),
    "length not minimal": masked(b"\x81\xfe" + struct.pack("!H", 5), b"12345"),
}
BAD_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"{}\xc3")


async def test_every_violation_of_the_protocol_ends_with_1002(isolation: Isolation) -> None:
    async def violate() -> None:
        for data in VIOLATIONS.values():
            peer = await speaking(isolation.engine)
            await peer.send(data)
            await until_closed(peer, 1002)

    await isolation.check(violate, counted=closed(1002))


async def test_text_that_is_not_utf8_ends_with_1007(isolation: Isolation) -> None:
    async def mumble() -> None:
        for data in BAD_UTF8:
            peer = await speaking(isolation.engine)
            await peer.send(client_frame(1, data))
            await until_closed(peer, 1007)

    await isolation.check(mumble, counted=closed(1007))


async def test_the_wrong_kind_of_frame_ends_with_1003(isolation: Isolation) -> None:
    async def mistake() -> None:
        for subprotocol, opcode in ((None, 2), ("tocsin.v1.json", 2), (MSGPACK, 1)):
            peer = await speaking(isolation.engine, subprotocol)
            await peer.send(client_frame(opcode, b"{}"))
            await until_closed(peer, 1003)

    await isolation.check(mistake, counted=closed(1003))


async def test_what_is_too_big_ends_with_1009_before_it_is_all_there(isolation: Isolation) -> None:
    async def boast() -> None:
        for data in (
            # A gigabyte is announced, and no more than the limit and a byte ever comes.
            masked(b"\x81\xff" + struct.pack("!Q", 2**30), b"x" * 65_537),
            client_frame(1, b"x" * 65_537),
            client_frame(1, b"x" * 40_000, final=False) + client_frame(0, b"x" * 40_000),
        ):
            peer = await speaking(isolation.engine)
            await peer.send(data)
            await until_closed(peer, 1009)

    await isolation.check(boast, counted=refused("message_bytes"))


async def test_fragments_without_end_end_with_1009(isolation: Isolation) -> None:
    async def splinter() -> None:
        peer = await speaking(isolation.engine)
        with contextlib.suppress(OSError):
            await peer.send(client_frame(1, b"x", final=False) + client_frame(0, b"x", final=False) * 100)
        await until_closed(peer, 1009)

    await isolation.check(splinter, counted=refused("message_fragments"))


def hostile_msgpack() -> Iterator[bytes]:
    good = msgspec.msgpack.encode({"type": "subscribe", "frameworkId": "f", "id": 7})
    yield b"\x91" * 60_000  # nested without end
    yield b"\x81\xa1a" * 20_000
    yield b"\x81\xa4type" + b"\xdb\xff\xff\xff\xff"  # a text of four gigabytes is announced
    yield b"\xdf\xff\xff\xff\xff"
    yield b"\xdd\xff\xff\xff\xff"
    yield b"\xc6\xff\xff\xff\xff"
    yield from (good[:size] for size in range(len(good)))  # truncated everywhere
    yield good + b"\x00"  # something behind it
    yield msgspec.msgpack.encode({"type": "hack"})
    yield msgspec.msgpack.encode({"type": 7})
    yield msgspec.msgpack.encode({"type": "ping", "id": msgspec.msgpack.Ext(5, b"x")})
    yield b"\x82\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x01\xa4type\xa4ping"  # a key that is NaN
    yield b"\xc1"  # never used
    yield msgspec.msgpack.encode({"type": "subscribe", "frameworkId": "f", "recover": {"epoch": "e", "offset": 2**63}})
    yield msgspec.msgpack.encode([["type", "ping"]])


async def test_hostile_messagepack_is_refused_message_by_message(isolation: Isolation) -> None:
    async def pack() -> None:
        messages = list(hostile_msgpack())
        while messages:
            # Nineteen a connection: the twentieth bad message ends it.
            some, messages = messages[:19], messages[19:]
            peer = await speaking(isolation.engine, MSGPACK)
            for data in some:
                await peer.send(client_frame(2, data))
                answer = await answer_of(peer)
                assert (answer["type"], answer["code"]) == ("error", 107), (data[:40], answer)
            await peer.send(client_frame(2, msgspec.msgpack.encode({"type": "ping"})))
            assert (await answer_of(peer))["type"] == "pong"
            peer.close()

    await isolation.check(pack, counted="tocsin_session_errors")


BAD_IDS = [
    "x" * 10_000,
    "a\x00b",
    "a\nb",
    "a\u2028b",
    "../etc",
    "a/../b",
    "..",
    ".",
    "",
    "*",
    "a*",
    "a\ud7ff\u0085",
    "\u202ea",
]


@pytest.mark.parametrize("name", BAD_IDS, ids=lambda name: ascii(name[:12]))
def test_every_bad_id_is_one(name: str) -> None:
    from protocol.names import is_id

    assert not is_id(name)


async def test_bad_ids_are_refused_wherever_an_id_is_taken(isolation: Isolation) -> None:
    async def misname() -> None:
        for name in BAD_IDS:
            peer = await speaking(isolation.engine)
            for message in (
                {"type": "subscribe", "frameworkId": name},
                {"type": "subscribe", "channel": f"alerts:{name}x" if name == "*" else f"alerts:{name}"},
                {"type": "trigger", "alert": {"framework_id": name}},
                {"type": "reading", "readings": [{"framework_id": name, "metric": "cpu", "value": 1}]},
                {"type": "reading", "readings": [{"framework_id": "ids", "metric": name, "value": 1}]},
            ):
                await peer.say(message)
                answer = await peer.hear()
                assert getattr(answer, "code", None) in (102, 107), (message["type"], name[:20], answer)
            peer.close()

    await isolation.check(misname, counted="tocsin_session_errors")


async def test_hostile_json_is_refused_message_by_message(isolation: Isolation) -> None:
    async def write() -> None:
        for text in (
            "[" * 60_000,
            '{"a":' * 10_000,
            '{"type":"ping"',
            '{"type":"ping"}{}',
            '{"type":"hack"}',
            '{"type":"trigger","alert":{"framework_id":"f","current_value":NaN}}',
            '{"type":"trigger","alert":{"framework_id":"f","current_value":1e999}}',
            '{"type":"ping","id":' + "9" * 5_000 + "}",
            '{"type":"subscribe","frameworkId":"\\ud800"}',
            "null",
            '"ping"',
            "",
        ):
            peer = await speaking(isolation.engine)
            await peer.send(client_frame(1, text.encode()))
            answer = await peer.hear()
            assert getattr(answer, "code", None) == 107, (text[:40], answer)
            peer.close()

    await isolation.check(write, counted="tocsin_session_errors")


def test_the_hostile_messages_are_what_they_say() -> None:
    assert json.loads('"\\ud800"') == "\ud800"
    assert len(list(hostile_msgpack())) > 40
