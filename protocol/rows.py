"""What is kept of an alert besides the alert itself: its suppression window, and what a re-sending source reported.

Between runs of a channel this is its memory; a command about an alert that was forgotten brings it along.
"""

from __future__ import annotations

import msgspec

from protocol.model import Alert


class SourceReport(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The part of a trigger that only a re-sending source has. All times in microseconds; `labels` is its full set."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: int
    ends_at: int
    generator_url: str = ""
    # The source said itself when it ended or will end; otherwise `ends_at` is our time-out.
    explicit_end: bool = False


class SuppressionWindow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A suppression window: until when (microseconds), and what it has swallowed so far."""

    until: int
    count: int = 0
    first_at: int = 0
    last_at: int = 0
    worst: float | None = None


class Flaps(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whether an identity comes and goes: bit n of `changes` is set if its state changed n steps ago.

    `at`: when it changed last, `is_bad`: to what, `calm_at`: until when it counts as flapping (0: it does not),
    `until`: how long this matters. Times are microseconds.
    """

    changes: int
    at: int
    is_bad: bool
    calm_at: int = 0
    until: int = 0


class Row(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One alert as the store keeps it: with its identity, its window, and the label sets that a source reported."""

    alert: Alert
    identity: str
    window: SuppressionWindow
    sources: tuple[SourceReport, ...] = ()
    # None: it came once, when it was triggered.
    flaps: Flaps | None = None
