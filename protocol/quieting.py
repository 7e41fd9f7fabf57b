"""Quieting: what keeps an alert from ringing although it is worth it. Silences and maintenance windows.

A quieted alert is stored and shown, with the reason; it does not ring. Times are RFC 3339 outside and microseconds in
here: whoever takes one in has checked it (`engine.core.quieting`).
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.model import Id, Label, Text
from protocol.rules import ActiveHours

MATCHERS_MAX = 32
MATCHER_MAX_CHARS = 256


class Operator(enum.Enum):
    """How a label is held against a value; `=~` and `!~` are regular expressions, anchored at both ends."""

    EQUAL = "="
    DIFFERENT = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


class Matcher(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One condition on a label. Besides an alert's own labels: alertname, framework_id, severity, rule_id."""

    name: Label
    operator: Operator = Operator.EQUAL
    value: Annotated[str, msgspec.Meta(max_length=MATCHER_MAX_CHARS)]


Matchers = Annotated[tuple[Matcher, ...], msgspec.Meta(min_length=1, max_length=MATCHERS_MAX)]


class Silence(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """No ringing for what all `matchers` match, from `starts_at` until `ends_at` (microseconds)."""

    id: Id
    matchers: Matchers
    starts_at: int
    ends_at: int
    author: Id
    comment: Text


class Maintenance(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A planned window, once (`starts_at`, `ends_at`) or every week (`weekly`), for frameworks and what matches.

    Empty `frameworks` and `matchers` mean the whole workspace.
    """

    id: Id
    title: Text
    frameworks: tuple[Id, ...] = ()
    matchers: tuple[Matcher, ...] = ()
    starts_at: int | None = None
    ends_at: int | None = None
    weekly: ActiveHours | None = None


class Quieting(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that is quieted in a workspace, as far as it may concern one channel."""

    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
