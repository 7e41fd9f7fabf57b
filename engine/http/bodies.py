"""Request bodies: decoded once, straight into their type.

The framework would first decode a body into plain dicts (4 MiB of empty objects become 280 MB) and then convert them
leniently ("5" becomes 5). `JsonBody` replaces that step by the strict typed decoder that the socket uses as well, so
the same mistake gets the same sentence at both doors, and the framework still knows the type for its OpenAPI
document.
"""

from __future__ import annotations

import functools
import re
from typing import Any, TypeVar

import msgspec
from litestar.dto import AbstractDTO
from litestar.typing import FieldDefinition

from engine.http.examples import right_body, whole_example
from engine.http.guards import Connection
from engine.http.problems import UnsupportedMedia
from engine.input.misfits import explained
from protocol.codec import DECODER_FAULTS
from protocol.effects import AlertRecipient
from protocol.errors import BadRequest
from protocol.items import ItemResult, Readings, TriggerInput, Triggers
from protocol.model import Alert

T = TypeVar("T")
# Of two escapes that are one character neither half is one. First what is right is taken out: an escaped backslash
# (behind it there is plain text) and whole pairs.
_WHOLE = re.compile(rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
# Twice what is kept of one: spaces between its members are not.
BODY_OBJECT_MAX_BYTES = 131_072


class TriggersBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ring: one `alert`, or up to 1,000 `alerts`; exactly one of the two."""

    alert: TriggerInput | None = None
    alerts: Triggers | None = None


class ReadingsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 1,000 measured values."""

    readings: Readings


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """One result per item, in order."""

    results: list[ItemResult]


class AlertList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of alerts, newest first; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[Alert]
    next_cursor: str | None


class RecipientList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of those who received an alert; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[AlertRecipient]
    next_cursor: str | None


@functools.cache
def json_body(kind: type[T], read_as: type[T] | None = None) -> type[AbstractDTO[T]]:
    """What to give a handler as `dto=` so that its `data` is a `kind`, decoded strictly.

    Bad JSON or a wrong field raises BadRequest that says where, what is allowed and how a right one looks, another
    media type raises UnsupportedMedia.
    """
    decoder = msgspec.json.Decoder(read_as or kind)

    class JsonBody(AbstractDTO[T]):
        @classmethod
        def create_for_field_definition(cls, *args: Any, **kwargs: Any) -> None:
            """Nothing to prepare: no transfer model stands between the bytes and the type."""

        @classmethod
        def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:
            """The schema of the type itself."""
            return schema_creator.for_field_definition(field_definition)

        def decode_bytes(self, value: bytes) -> T:
            """The body as a `kind`."""
            require_json(self.asgi_connection.headers)
            return decode_json(decoder, value, self.asgi_connection)

    return JsonBody


@functools.cache
def object_body(shape: Any) -> type[AbstractDTO[Any]]:
    """What to give a handler as `dto=` so that its `data` is the members of a JSON object, which somebody else checks.

    In the OpenAPI document it is a `shape`. Raises BadRequest, UnsupportedMedia as `json_body` does;
    it is a small thing that is decoded into members, so the body must be small.
    """
    decoder = msgspec.json.Decoder(dict[str, Any])

    class ObjectBody(AbstractDTO[Any]):
        @classmethod
        def create_for_field_definition(cls, *args: Any, **kwargs: Any) -> None:
            """Nothing to prepare."""

        @classmethod
        def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:
            """The schema of what it must be."""
            return schema_creator.for_field_definition(FieldDefinition.from_annotation(shape))

        def decode_bytes(self, value: bytes) -> dict[str, Any]:
            """The members."""
            require_json(self.asgi_connection.headers)
            if len(value) > BODY_OBJECT_MAX_BYTES:
                raise BadRequest(f"the object has {len(value)} bytes, at most {BODY_OBJECT_MAX_BYTES} are read")
            return decode_json(decoder, value, self.asgi_connection)

    return ObjectBody


def require_json(headers: Any) -> None:
    """Raises UnsupportedMedia for a body that says to be something else."""
    media_type = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMedia(f"the body is {media_type[:100]!r}; send it as application/json")
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMedia("the body is compressed; send it plain")


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes, connection: Connection) -> T:
    """A body in its type. Raises BadRequest."""
    try:
        return decoder.decode(body)
    except DECODER_FAULTS as fault:
        right = right_body(connection.scope)
        shown = "" if _is_about_field(fault) else whole_example(connection.scope)
        raise BadRequest(f"invalid body: {_explain(fault, decoder.type, body, right)}{shown}") from fault


def _is_about_field(fault: BaseException) -> bool:
    """Whether one field is wrong, of which an example is shown; else it is the body as a whole."""
    return isinstance(fault, msgspec.ValidationError) and re.search(r"field `| - at ", str(fault)) is not None


def _explain(fault: BaseException, kind: Any, body: bytes, right: object = None) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return explained(kind, _members(body), fault, right)
    if isinstance(fault, RecursionError):
        return "nested too deep"
    if isinstance(fault, UnicodeDecodeError):
        return "a text is not valid UTF-8"
    if not body.strip():
        return "it is empty; a JSON body is needed"
    # The decoder says of the first half at the end of a short text that the input was truncated.
    if half := _HALF_PAIR.search(_WHOLE.sub(b"", body)):
        return f"a text has half of a surrogate pair ({half[0].decode()}); send the whole character, or leave it out"
    return "the JSON ends before it is complete" if str(fault) == "Input data was truncated" else str(fault)


def _members(body: bytes) -> Any:
    """The body as plain members, which say of what kind an object was to be; None of one that is too large for that."""
    if len(body) > BODY_OBJECT_MAX_BYTES:
        return None
    try:
        return msgspec.json.decode(body)
    except DECODER_FAULTS:
        return None
