"""What all messages of the wire share: the tag in `type`, camelCase names, and a request's `id`."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from protocol.fields import RequestId


class Message(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag_field="type", rename="camel"
):
    """What all messages share: the tag in `type`, camelCase names, defaults left out."""


class RequestMessage(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A message from a client; its reply carries the same `id`."""

    # The `type` of the answer to it; a refusal is `error` for all.
    answered_by: ClassVar[tuple[str, ...]] = ()
    id: RequestId | None = None
