"""What hostile clients do to the engine during a soak, one function a deed.

Each deed is one connection from its beginning to its end, written so that the server has to end it, or so that it ends
at the worst moment. None may cost anybody else anything. They come from an address of their own on loopback, so that
limits by address meet them and not the well-behaved. Traffic is bounded: each deed sends at most some 100 kB.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Awaitable, Callable

import msgspec
import trio

from benchmarks.dial import Target
from benchmarks.talk import Talk
from benchmarks.wire import FORMS, client_frame, handshake
from protocol import messages as m

SOURCE = "127.0.0.66"
_GARBAGE_MAX_BYTES = 4_096
_FLOOD_PINGS = 1_000
_BAD_TOKENS = 5
# Above every limit of a message that the configuration defaults to.
_TOO_BIG_BYTES = 100_000
_FRAGMENTS = 200
_SLOW_BYTES = 20
_SLOW_PAUSE_S = 0.3

Deed = Callable[[Target, random.Random], Awaitable[None]]


async def garbage(target: Target, dice: random.Random) -> None:
    """Bytes that mean nothing."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.send(dice.randbytes(dice.randrange(1, _GARBAGE_MAX_BYTES)))
        await talk.outlast()


async def half_handshake(target: Target, dice: random.Random) -> None:
    """A handshake that breaks off."""
    with await Talk.connect(target, source=SOURCE) as talk:
        head = handshake(target.host, target.port, FORMS[target.form])
        await talk.send(head[: dice.randrange(1, len(head))])
        await trio.sleep(dice.uniform(0.0, 1.0))
        talk.abandon()


async def slow_handshake(target: Target, dice: random.Random) -> None:
    """A handshake byte by byte, for as long as the server bears it."""
    with await Talk.connect(target, source=SOURCE) as talk:
        for byte in handshake(target.host, target.port, FORMS[target.form])[:_SLOW_BYTES]:
            await talk.send(bytes((byte,)))
            await trio.sleep(_SLOW_PAUSE_S)
        await talk.outlast()


async def ping_flood(target: Target, dice: random.Random) -> None:
    """A thousand pings whose answers nobody reads until the end."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.greet()
        ping = bytes((0x89, 0x80 | 125, 0, 0, 0, 0)) + bytes(125)
        await talk.send(ping * _FLOOD_PINGS)
        await trio.sleep(dice.uniform(0.1, 0.5))
        talk.abandon()


async def bad_tokens(target: Target, dice: random.Random) -> None:
    """Tokens that were never issued, one after the other."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.upgrade()
        for _ in range(_BAD_TOKENS):
            await talk.say(m.Auth(token=dice.randbytes(40).hex()))
        await talk.outlast()


async def silence(target: Target, dice: random.Random) -> None:
    """Upgraded, and then nothing: leaves in the middle of the time to authenticate."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.upgrade()
        await trio.sleep(dice.uniform(1.0, 3.0))


async def too_big(target: Target, dice: random.Random) -> None:
    """A message larger than any."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.greet()
        await talk.send(client_frame(bytes(_TOO_BIG_BYTES), FORMS[target.form]))
        await talk.outlast()


async def fragments(target: Target, dice: random.Random) -> None:
    """A message in hundreds of pieces that never ends."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.greet()
        first, more = bytes((FORMS[target.form].value, 0x81, 0, 0, 0, 0, 0x20)), bytes((0, 0x81, 0, 0, 0, 0, 0x20))
        await talk.send(first + more * _FRAGMENTS)
        await talk.outlast()


async def reset_in_frame(target: Target, dice: random.Random) -> None:
    """Gone in the middle of a frame."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.greet()
        await talk.send(struct.pack("!BBHI", 0x81, 0xFE, 1_000, 0) + bytes(dice.randrange(1_000)))
        talk.abandon()


async def broken_frames(target: Target, dice: random.Random) -> None:
    """Frames that break the protocol: not masked, of no known kind, or with words that are none."""
    with await Talk.connect(target, source=SOURCE) as talk:
        await talk.greet()
        frames = (
            b"\x81\x02hi",
            b"\x83\x80\0\0\0\0",
            b"\x81\x82\0\0\0\0\xff\xfe",
            client_frame(b"{", FORMS["json"]) * 20,
        )
        await talk.send(dice.choice(frames))
        await talk.outlast()


async def unread(target: Target, dice: random.Random) -> None:
    """Asks again and again where it may, and goes without having read one answer."""
    with await Talk.connect(target, source=SOURCE, receive_buffer_bytes=4_096) as talk:
        await talk.greet()
        question = client_frame(msgspec.json.encode({"type": "subscribe", "channel": "alerts:nobody"}), FORMS["json"])
        await talk.send(question * 200)
        await trio.sleep(dice.uniform(0.1, 1.0))
        talk.abandon()


DEEDS: dict[str, Deed] = {
    deed.__name__: deed
    for deed in (
        garbage,
        half_handshake,
        slow_handshake,
        ping_flood,
        bad_tokens,
        silence,
        too_big,
        fragments,
        reset_in_frame,
        broken_frames,
        unread,
    )
}
