"""The verbs for stored readings: what series a framework has, and what was measured. Whoever may read may ask.

Owns nothing. `auto` chooses how finely to tell by the length of the time asked for, and by what is still kept: a page
of an hour in readings, of two days in minutes, of anything longer in hours.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.ports import Clock
from engine.access.roles import check, check_framework
from engine.stores import Store
from engine.stores.readings import KeptReadings, ReadingPage, ReadingQuery, Resolution, SeriesPage
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.names import check_id
from protocol.times import SECOND_US

# What nobody says `since` for is about now.
SINCE_DEFAULT_US = 3_600 * SECOND_US
# A clock that is ahead is forgiven so much; what is asked for until now includes those readings.
AHEAD_US = 60 * SECOND_US
RAW_SPAN_US, MINUTE_SPAN_US = 3_600 * SECOND_US, 2 * 86_400 * SECOND_US
LABELS_MAX = 16


class ReadingVerbs:
    """Answers questions about readings of the asker's workspace."""

    def __init__(self, store: Store, clock: Clock, kept: KeptReadings) -> None:
        self._store = store
        self._clock = clock
        self._kept = kept

    async def readings(
        self,
        who: Principal,
        framework: str,
        metric: str,
        labels: Mapping[str, str],
        since_us: int | None,
        until_us: int | None,
        resolution: Resolution | None,
        cursor: str | None,
        limit: int,
    ) -> tuple[Resolution, ReadingPage]:
        """A page of one metric's readings, and how finely they are told (`resolution` None: as is sensible).

        Raises BadRequest, PermissionDenied, StoreUnavailable.
        """
        _check_may(who, framework)
        now = self._clock()
        until = now + AHEAD_US if until_us is None else until_us
        since = until - SINCE_DEFAULT_US if since_us is None else since_us
        if since >= until:
            raise BadRequest("since is not before until: use an earlier since, or a later until")
        finely = resolution or self._sensible(since, until, now)
        query = ReadingQuery(
            workspace=who.workspace,
            framework=framework,
            metric=check_id(metric, "metric"),
            labels=dict(labels),
            since_us=since,
            until_us=until,
            resolution=finely,
            cursor=cursor,
            limit=limit,
        )
        return finely, await self._store.readings(query)

    async def series(self, who: Principal, framework: str, cursor: str | None, limit: int) -> SeriesPage:
        """A page of a framework's series. Raises BadRequest, PermissionDenied, StoreUnavailable."""
        _check_may(who, framework)
        return await self._store.series(who.workspace, framework, cursor, limit)

    def _sensible(self, since: int, until: int, now: int) -> Resolution:
        age = now - since
        # A default of one hour until a minute from now is still an hour.
        if until - since <= RAW_SPAN_US + AHEAD_US and age <= self._kept.raw_s * SECOND_US:
            return Resolution.RAW
        is_short = until - since <= MINUTE_SPAN_US + AHEAD_US and age <= self._kept.minutes_s * SECOND_US
        return Resolution.MINUTE if is_short else Resolution.HOUR


def parse_labels(words: list[str] | None) -> dict[str, str]:
    """`["host=web-1"]` as labels. Raises BadRequest."""
    labels: dict[str, str] = {}
    for word in words or ():
        name, separator, value = word.partition("=")
        if not name or not separator:
            raise BadRequest(f"label {word[:64]!r} is not allowed: write label=host=web-1, once for each label")
        labels[name] = value
    if len(labels) > LABELS_MAX:
        raise BadRequest(f"{len(labels)} labels are not allowed: use at most {LABELS_MAX}")
    return labels


def _check_may(who: Principal, framework: str) -> None:
    check(who, "read")
    check_id(framework, "framework_id")
    check_framework(who, framework)
