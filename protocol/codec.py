"""Bytes to messages and back, in both wire forms, and WebSocket frames around them.

One guarded decoder per direction: whatever a decoder can raise (besides DecodeError also RecursionError, and
UnicodeError both ways: bytes that are not UTF-8, text with lone surrogates) becomes BadRequest here and nowhere else.
A server's frames are not masked, so a frame is built once and the same bytes go to every client.
"""

from __future__ import annotations

import enum
import re
import struct
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import msgspec

from protocol.errors import BadRequest
from protocol.fields import RequestId
from protocol.items import ReadingInput, TriggerInput
from protocol.messages import ClientMessage, ServerMessage

T = TypeVar("T")

# Grows when a client of before would no longer understand; new fields and words do not do that.
PROTOCOL_VERSION = 1
JSON_SUBPROTOCOL = f"tocsin.v{PROTOCOL_VERSION}.json"
MSGPACK_SUBPROTOCOL = f"tocsin.v{PROTOCOL_VERSION}.msgpack"


class WireForm(enum.Enum):
    """How messages are written in frames; the value is the WebSocket opcode of its frames."""

    JSON = 0x1
    MSGPACK = 0x2

    @property
    def subprotocol(self) -> str:
        """The WebSocket subprotocol that asks for this form."""
        return JSON_SUBPROTOCOL if self is WireForm.JSON else MSGPACK_SUBPROTOCOL


def form_of(subprotocol: str | None) -> WireForm:
    """The form that a chosen subprotocol means; none means JSON, as the reference's client expects."""
    return WireForm.MSGPACK if subprotocol == MSGPACK_SUBPROTOCOL else WireForm.JSON


class _Envelope(msgspec.Struct):
    """What is read of a message that could not be read as a whole, to answer it under its id."""

    id: RequestId | None = None


_json_encoder = msgspec.json.Encoder()
_msgpack_encoder = msgspec.msgpack.Encoder()
_ENCODE: dict[WireForm, Callable[[Any], bytes]] = {
    WireForm.JSON: _json_encoder.encode,
    WireForm.MSGPACK: _msgpack_encoder.encode,
}
_DECODE_CLIENT: dict[WireForm, Callable[[Any], ClientMessage]] = {
    WireForm.JSON: msgspec.json.Decoder(ClientMessage).decode,
    WireForm.MSGPACK: msgspec.msgpack.Decoder(ClientMessage).decode,
}
_DECODE_SERVER: dict[WireForm, Callable[[Any], ServerMessage]] = {
    WireForm.JSON: msgspec.json.Decoder(ServerMessage).decode,
    WireForm.MSGPACK: msgspec.msgpack.Decoder(ServerMessage).decode,
}
_DECODE_ID: dict[WireForm, Callable[[Any], _Envelope]] = {
    WireForm.JSON: msgspec.json.Decoder(_Envelope).decode,
    WireForm.MSGPACK: msgspec.msgpack.Decoder(_Envelope).decode,
}
CLIENT_TYPES = ", ".join(str(kind.__struct_config__.tag) for kind in get_args(ClientMessage))
# The fields of what is in a request, by the field that it is in: what is written by people, and so misspelt.
_ITEM_FIELDS = {
    place: ", ".join(kind.__struct_fields__)
    for place, kind in (("alert", TriggerInput), ("alerts", TriggerInput), ("readings", ReadingInput))
}
_UNKNOWN = re.compile(r"unknown field `.*` - at `\$\.(alerts?|readings)(\[\d+\])?`$", re.DOTALL)
DECODER_FAULTS = (msgspec.DecodeError, UnicodeError, RecursionError)


def encode(message: ServerMessage | ClientMessage, form: WireForm) -> bytes:
    """The message's payload (no frame) in one wire form."""
    return _ENCODE[form](message)


def decode_client(data: bytes | str, form: WireForm) -> ClientMessage:
    """What a client sent. Raises BadRequest, whose text says where in the message and what is allowed."""
    return _guarded(_DECODE_CLIENT[form], data)


def decode_server(data: bytes | str, form: WireForm) -> ServerMessage:
    """What a server sent. Raises BadRequest."""
    return _guarded(_DECODE_SERVER[form], data)


def request_id(data: bytes | str, form: WireForm) -> RequestId | None:
    """The `id` of a message that is otherwise unreadable, if it has a good one."""
    try:
        return _DECODE_ID[form](data).id
    except DECODER_FAULTS:
        return None


def _guarded(decode: Callable[[Any], T], data: bytes | str) -> T:
    try:
        return decode(data)
    except DECODER_FAULTS as fault:
        raise BadRequest(f"invalid message: {_explain(fault)}") from fault


def _explain(fault: BaseException) -> str:
    if isinstance(fault, RecursionError):
        return "nested too deep"
    if isinstance(fault, UnicodeError):
        return "a text is not valid UTF-8"
    text = str(fault)[:300]
    if (unknown := _UNKNOWN.search(str(fault))) is not None:
        return f"{text}; its fields: {_ITEM_FIELDS[unknown[1]]}"
    is_about_type = text.endswith(("- at `$.type`", "missing required field `type`"))
    return f"{text}; `type` is one of {CLIENT_TYPES}" if is_about_type else text


def frame(payload: bytes, form: WireForm) -> bytes:
    """One unmasked, final WebSocket frame (RFC 6455 section 5.2) around a payload."""
    size = len(payload)
    opcode = 0x80 | form.value
    if size < 126:
        return bytes((opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", opcode, 126, size) + payload
    return struct.pack("!BBQ", opcode, 127, size) + payload


def frame_message(message: ServerMessage, form: WireForm) -> bytes:
    """Encode and frame in one step."""
    return frame(_ENCODE[form](message), form)


def unframe(data: bytes) -> tuple[int, bytes]:
    """The opcode and the payload of one whole frame of ours, as `frame` made it."""
    head = {126: 4, 127: 10}.get(data[1], 2)
    return data[0] & 0x0F, data[head:]
