"""Quieting: what keeps an alert from ringing although it is worth it. Silences and maintenance windows.

A quieted alert is stored and shown, with the reason; it does not ring. Times are RFC 3339 in UTC, as in an alert;
whoever takes one of these in has checked it (`engine.quiet.quieting.checked_silence`, `checked_maintenance`).
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.fields import Id, Label, Text
from protocol.rules import ActiveHours

MATCHERS_MAX = 32
MATCHER_NAME_MAX_CHARS = 256
WINDOW_FRAMEWORKS_MAX = 100


class Operator(enum.Enum):
    """How a label is held against a value; `=~` and `!~` are regular expressions (RE2), anchored at both ends."""

    EQUAL = "="
    DIFFERENT = "!="
    MATCHES = "=~"
    MATCHES_NOT = "!~"


class Matcher(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One condition on a label; one that is not there is empty. Besides an alert's own: alertname, framework_id,
    severity, rule_id."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=MATCHER_NAME_MAX_CHARS)]
    operator: Operator = Operator.EQUAL
    # As long as a label's own value and a title can be, so that every alert can be named; expressions are shorter
    # (`engine.core.patterns.PATTERN_MAX_CHARS`).
    value: Label


Matchers = Annotated[tuple[Matcher, ...], msgspec.Meta(max_length=MATCHERS_MAX)]


class Silence(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """No ringing for what all `matchers` match, from `starts_at` until `ends_at` (RFC 3339)."""

    id: Id
    matchers: Matchers
    # Empty: from the moment on in which it is made.
    starts_at: Label = ""
    ends_at: Label
    # Who made it, as his token says; what is sent here counts for nothing.
    author: Label = ""
    comment: Text


class Maintenance(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """A planned window, once (`starts_at`, `ends_at`, RFC 3339) or every week (`weekly`), then within those if given.

    For these frameworks, and what all `matchers` match; both empty mean the whole workspace.
    """

    id: Id
    title: Text
    frameworks: Annotated[tuple[Id, ...], msgspec.Meta(max_length=WINDOW_FRAMEWORKS_MAX)] = ()
    matchers: Matchers = ()
    starts_at: Label | None = None
    ends_at: Label | None = None
    weekly: ActiveHours | None = None


class Quieting(msgspec.Struct, frozen=True, gc=False, kw_only=True, cache_hash=True):
    """All that is quieted in a workspace, as far as it may concern one channel. The order means nothing."""

    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()


NOTHING = Quieting()
