"""Messages as server-sent events (WHATWG HTML, section 9.2): the same JSON, one event each.

`event` is the message's `type`, `data` the message, `id` the place in the stream that the reader has once it has read
this event; a browser sends it back as `Last-Event-ID`. So an event without a place of its own has no `id`: neither has
a `gap` (what it covers is still to be had) nor `subscribed` when history follows it.
"""

from __future__ import annotations

import msgspec

from protocol.codec import WireForm, unframe
from protocol.errors import BadRequest
from protocol.fields import OFFSET_MAX
from protocol.messages import Position

# A comment: shows both ends, and proxies between them, that the connection lives.
HEARTBEAT = b": ping\n\n"
# Ours are UUIDs.
EPOCH_MAX_CHARS = 64


class _Head(msgspec.Struct):
    """What of a message its event is made from."""

    type: str
    epoch: str | None = None
    offset: int | None = None
    recovered: bool = False


_heads = msgspec.json.Decoder(_Head)


def as_event(frame: bytes) -> bytes:
    """The event for a built WebSocket frame (JSON form), as audiences share them; a ping becomes a comment."""
    opcode, payload = unframe(frame)
    if opcode != WireForm.JSON.value:
        return HEARTBEAT
    head = _heads.decode(payload)
    lines = [b"event: " + head.type.encode()]
    if head.epoch is not None and head.offset is not None and not head.recovered:
        lines.append(f"id: {event_id(Position(head.epoch, head.offset))}".encode())
    # JSON as we write it has no line breaks, so it is one line of data.
    return b"\n".join((*lines, b"data: " + payload, b"", b""))


def retry(milliseconds: int) -> bytes:
    """How long a browser waits before it comes back."""
    return f"retry: {milliseconds}\n\n".encode()


def event_id(position: Position) -> str:
    """A place in a stream as the `id` of an event."""
    return f"{position.epoch}:{position.offset}"


def parse_position(text: str, what: str) -> Position:
    """The place that an `id` names. Raises BadRequest that names `what`."""
    epoch, _, offset = text.strip().rpartition(":")
    is_number = offset.isascii() and offset.isdigit() and len(offset) <= len(str(OFFSET_MAX))
    if not 0 < len(epoch) <= EPOCH_MAX_CHARS or not is_number or int(offset) > OFFSET_MAX:
        raise BadRequest(f"{what}: {text[:64]!r} is no place in a stream; use the id of the last event, EPOCH:OFFSET")
    return Position(epoch, int(offset))
