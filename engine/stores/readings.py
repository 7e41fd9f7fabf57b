"""What is asked of stored readings, in the words of the contract: queries, pages, and how long each form is kept."""

from __future__ import annotations

from enum import Enum

import msgspec

from protocol.readings import ReadingPoint

DAY_S = 86_400
PAGE_MAX_READINGS = 5_000


class Resolution(Enum):
    """How finely readings are told: each, or by the minute or hour."""

    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"


class KeptReadings(msgspec.Struct, frozen=True, kw_only=True):
    """How long readings are kept, seconds: each, by the minute, by the hour."""

    # A morning's incident is looked into the same day.
    raw_s: float = 6 * 3_600
    # Last week is what this week is compared with.
    minutes_s: float = 7 * DAY_S
    # A year, and a month to compare it with.
    hours_s: float = 400 * DAY_S


class ReadingQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Readings of one metric of a framework: from `since_us` on, before `until_us` (of their own times).

    `labels`: only series that have these, with these values. `cursor` is the `next_cursor` of the page before.
    """

    workspace: str
    framework: str
    metric: str
    since_us: int
    until_us: int
    labels: dict[str, str] = {}
    resolution: Resolution = Resolution.RAW
    cursor: str | None = None
    limit: int = 500


class ReadingPage(msgspec.Struct, frozen=True, kw_only=True):
    """Raw: in about the order of their times. Else series by series, oldest first. A page may be short, or empty."""

    items: list[ReadingPoint]
    next_cursor: str | None = None


class SeriesInfo(msgspec.Struct, frozen=True, gc=False):
    """A series of a framework, and its newest reading (null: none is kept)."""

    metric: str
    labels: dict[str, str]
    last_at: str | None
    last_value: float | None


class SeriesPage(msgspec.Struct, frozen=True, kw_only=True):
    """Series, in the order in which they came up."""

    items: list[SeriesInfo]
    next_cursor: str | None = None
