"""What travels on the bus: frames, each with some consecutive entries of one node on one topic, as MessagePack maps.

The number of the first entry is in the frame; a frame without entries (a heartbeat) has the number of the next one. So
every frame says whether the listener has all that came before it, whatever carried it. New fields get a default,
unknown ones are ignored: two versions run side by side during an upgrade. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from protocol.codec import DECODER_FAULTS

# A larger frame is taken for foreign: the largest entry of ours is a batch of commands at 1 MiB.
FRAME_MAX_BYTES = 8 * 1024 * 1024
# Entries are joined up to here: large enough to make a frame worth its cost, small enough to be decoded in a ms.
FRAME_BYTES = 256 * 1024


class Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Consecutive entries of one node on one topic."""

    node: str
    # The number of the first entry here, or of the next one if there is none. The first of all is 1.
    seq: int
    # When it was made, by the monotonic clock of the node itself: only that node reads it, to know the bus's lag.
    at: float
    entries: list[bytes] = []
    # High-water marks (heartbeats only): workspace → offset.
    marks: dict[str, int] = {}
    # Carriers that the node cannot read now (heartbeats only): who has something for it uses another one.
    deaf_to: list[str] = []
    # Nothing comes after this for a while: silence means nothing.
    is_last: bool = False


class Parcel(NamedTuple):
    """A frame on its way: its topic, and its bytes."""

    topic: str
    body: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


def pack(frame: Frame) -> bytes:
    """The frame's bytes."""
    return _encode(frame)


def unpack(body: bytes) -> Frame | None:
    """The frame, or None: foreign bytes, or a frame that makes no sense."""
    if len(body) > FRAME_MAX_BYTES:
        return None
    try:
        frame = _decode(body)
    except DECODER_FAULTS:
        return None
    return frame if frame.node and frame.seq >= 1 else None
