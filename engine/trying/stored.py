"""Stored readings for a backtest: told as finely as they are kept and as fit into one.

Owns nothing. A time may be told in several forms: the newest part in readings, what is older by the minute, what is
older still by the hour. The finest mix that fits into STORED_MAX is taken; what a mix leaves unread costs a few reads.
Decided against: the form that graphs take for such a time (`engine.verbs.readings`): by the hour, a rule that rang a
minute ago has nothing to ring for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from actors.ports import Clock
from engine.core.rules.book import metrics_of
from engine.stores.readings import PAGE_MAX_READINGS, KeptReadings, Resolution
from engine.trying.backtest_worker import StoredPage
from engine.verbs.readings import SINCE_DEFAULT_US, ReadingVerbs
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.rules import Rule
from protocol.times import SECOND_US

# Stored readings of one backtest: four pages, each read and written down in less than 5 ms.
STORED_MAX = 4 * PAGE_MAX_READINGS
# Pages of one mix: about a second of a reader. A log in which others' readings lie between costs more of them.
PAGES_MAX = 100
WIDTHS_S = {Resolution.RAW: 0, Resolution.MINUTE: 60, Resolution.HOUR: 3_600}
# The finest first; in each mix, too. Minutes may be too many where readings are not: they are of more time.
MIXES = (
    (Resolution.RAW, Resolution.MINUTE, Resolution.HOUR),
    (Resolution.RAW, Resolution.HOUR),
    (Resolution.MINUTE, Resolution.HOUR),
    (Resolution.HOUR,),
)


class Span(NamedTuple):
    """A part of the time, and the form that it is told in."""

    resolution: Resolution
    since: int
    until: int


class StoredSpan(msgspec.Struct, frozen=True, kw_only=True):
    """How finely the readings from `since` on are told (raw, 1m, 1h), and how many points there are."""

    since: str
    resolution: Resolution
    points: int


class Found(NamedTuple):
    """What is stored: pages for the backtest, and of each span how many points there are; newest first."""

    pages: list[StoredPage]
    spans: list[tuple[Span, int]]


class StoredReadings:
    """Looks for the readings of a rule."""

    def __init__(self, readings: ReadingVerbs, kept: KeptReadings, clock: Clock) -> None:
        self._readings = readings
        self._kept = kept
        self._clock = clock

    async def of(
        self, who: Principal, rule: Rule, since_us: int | None, until: int, resolution: Resolution | None
    ) -> Found:
        """What a rule would have heard from `since_us` (None: an hour) until then. Raises BadRequest: too many."""
        since = until - SINCE_DEFAULT_US if since_us is None else since_us
        for mix in MIXES if resolution is None else ((resolution,),):
            # An empty time is refused where all are.
            spans = list(self._spans(mix, since, until)) or [Span(mix[-1], since, until)]
            if (found := await self._read(who, rule, spans)) is not None:
                return found
        raise BadRequest(
            f"more than {STORED_MAX} readings between since and until: use a shorter time, or resolution 1m or 1h"
        )

    def _spans(self, mix: tuple[Resolution, ...], since: int, until: int) -> Iterator[Span]:
        kept_s = {Resolution.RAW: self._kept.raw_s, Resolution.MINUTE: self._kept.minutes_s}
        now = self._clock()
        for resolution, coarser in zip(mix, [*mix[1:], None], strict=True):
            start = since
            if coarser is not None and (kept_from := now - int(kept_s[resolution] * SECOND_US)) > since:
                # Where the coarser form has a border, or the readings between would count twice.
                width_us = WIDTHS_S[coarser] * SECOND_US
                start = -(-kept_from // width_us) * width_us
            if start < until:
                yield Span(resolution, start, until)
                until = start
            if start == since:
                return

    async def _read(self, who: Principal, rule: Rule, spans: list[Span]) -> Found | None:
        """All that is stored; None if it is too much."""
        found = Found([], [])
        count = pages = 0
        for span in spans:
            before = count
            for metric in metrics_of(rule):
                cursor: str | None = ""
                while cursor is not None:
                    _, page = await self._readings.readings(
                        who, rule.framework, metric, rule.match, span.since, span.until, span.resolution,
                        cursor or None, PAGE_MAX_READINGS,
                    )  # fmt: skip
                    count, pages, cursor = count + len(page.items), pages + 1, page.next_cursor
                    if count > STORED_MAX or pages > PAGES_MAX:
                        return None
                    if page.items:
                        points = msgspec.json.encode(page.items)
                        found.pages.append(StoredPage(metric, WIDTHS_S[span.resolution], points))
            found.spans.append((span, count - before))
        return found
