"""The client's side of a WebSocket, by hand: handshake, masked frames, and walking a stream of received frames.

Pure functions. No WebSocket library takes part in a measurement: a library's cost in the receiver would be measured as
the engine's. Only what our servers and their peers send is understood (final, unmasked frames, RFC 6455 section 5.2);
anything else raises BadStream, because a benchmark that misreads must stop, not estimate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from protocol.codec import WireForm

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset((TEXT, BINARY, CLOSE, PING, PONG))
# Any 16 bytes do: the key protects from caches, of which there are none on loopback.
_KEY = "dG9jc2luLWJlbmNobWFyaw=="
FORMS = {"json": WireForm.JSON, "msgpack": WireForm.MSGPACK}


class BadStream(Exception):
    """What arrived is not what a server of ours sends; the message says where and what."""


def handshake(host: str, port: int, form: WireForm) -> bytes:
    """The upgrade request. JSON asks for no subprotocol, as the reference's client; MessagePack asks for its own."""
    wanted = "" if form is WireForm.JSON else f"Sec-WebSocket-Protocol: {form.subprotocol}\r\n"
    return (
        f"GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n{wanted}\r\n"
    ).encode()


def handshake_end(data: bytes | bytearray) -> int:
    """Where the answer to the upgrade ends in `data`; 0 if it is incomplete. Raises BadStream if it is not a 101."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return 0
    if not data.startswith(b"HTTP/1.1 101"):
        raise BadStream(f"the upgrade was refused: {bytes(data[:200])!r}")
    return end + 4


def client_frame(payload: bytes, form: WireForm) -> bytes:
    """One client frame. Clients must mask; a mask of zeros is legal and costs the sender nothing."""
    size, opcode = len(payload), 0x80 | form.value
    if size < 126:
        return bytes((opcode, 0x80 | size, 0, 0, 0, 0)) + payload
    if size < 65_536:
        return struct.pack("!BBHI", opcode, 0xFE, size, 0) + payload
    return struct.pack("!BBQI", opcode, 0xFF, size, 0) + payload


# An unsolicited pong is a legal one-way heartbeat (RFC 6455 section 5.5.3): said before a round, so that the receiver
# need not look for pings while it measures.
UNSOLICITED_PONG = bytes((0x80 | PONG, 0x80, 0, 0, 0, 0))


def walk(data: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """Each complete frame as (opcode, where its payload begins, where it ends). Raises BadStream."""
    total, at = len(data), 0
    while total - at >= 2:
        head, size = data[at], data[at + 1]
        if head & 0x70 or not head & 0x80 or size & 0x80 or head & 0x0F not in _OPCODES:
            raise BadStream(f"byte {at}: not a final, unmasked frame: {bytes(data[at : at + 16])!r}")
        begin = at + (2 if size < 126 else 4 if size == 126 else 10)
        if begin > total:
            return
        if size >= 126:
            size = int.from_bytes(data[at + 2 : begin], "big")
        if begin + size > total:
            return
        at = begin + size
        yield head & 0x0F, begin, at


class _Alert(msgspec.Struct, gc=False):
    """Of an alert, the benchmark reads its number: triggers are numbered in `current_value`."""

    current_value: float | None = None


class Heard(msgspec.Struct, gc=False):
    """The few fields of a server's message that a benchmark looks at."""

    type: str
    offset: int = 0
    prev: int = 0
    # Of a `gap`: the last offset that was left out.
    to: int = 0
    epoch: str = ""
    recovered: bool = False
    reason: str = ""
    data: _Alert | None = None
    message: str = ""


_DECODE = {
    TEXT: msgspec.json.Decoder(Heard).decode,
    BINARY: msgspec.msgpack.Decoder(Heard).decode,
}


def hear(opcode: int, payload: bytes) -> Heard:
    """A data frame's message, in the form that its opcode says. Raises BadStream."""
    try:
        return _DECODE[opcode](payload)
    except msgspec.DecodeError as fault:
        raise BadStream(f"unreadable message ({fault}): {payload[:200]!r}") from fault


@dataclass
class Stream:
    """What a stretch of one client's bytes says: per `alert` its offset, number and where its frame ends."""

    offsets: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    # Bytes of the alert frames, headers included.
    alert_bytes: int = 0
    # Where the last complete frame ends; what follows is the beginning of the next.
    complete: int = 0
    close_code: int | None = None
    # Pings that want an answer.
    pings: int = 0


def read_stream(data: bytes | bytearray, known: dict[bytes, Heard]) -> Stream:
    """Reads all complete frames. `known` remembers payloads: a thousand clients get the same ones. Raises BadStream."""
    stream, before = Stream(), 0
    for opcode, begin, end in walk(data):
        if opcode in _DECODE:
            payload = bytes(data[begin:end])
            heard = known.get(payload)
            if heard is None:
                heard = known[payload] = hear(opcode, payload)
            if heard.type == "alert":
                stream.offsets.append(heard.offset)
                stream.numbers.append(_number(heard))
                stream.ends.append(end)
                stream.alert_bytes += end - before
        elif opcode == PING:
            stream.pings += 1
        elif opcode == CLOSE:
            stream.close_code = int.from_bytes(data[begin : begin + 2], "big") if end - begin >= 2 else 1005
        before = stream.complete = end
    return stream


def _number(heard: Heard) -> int:
    if heard.data is None or heard.data.current_value is None:
        return -1
    return int(heard.data.current_value)


def numbered_payload(offset: int, number: int, size: int) -> bytes:
    """An `alert` message in JSON of exactly `size` bytes, for senders that are not the engine. Raises ValueError."""
    head = f'{{"type":"alert","offset":{offset},"prev":{offset - 1},"data":{{"current_value":{number}}},"pad":"'
    room = size - len(head) - 2
    if room < 0:
        raise ValueError(f"{size} bytes are too few for a numbered message; at least {size - room} are needed")
    return f'{head}{"x" * room}"}}'.encode()


def header_bytes(frame_bytes: int) -> int:
    """How much of an unmasked frame of this size is header."""
    return 2 if frame_bytes < 128 else 4 if frame_bytes < 65_536 + 4 else 10
