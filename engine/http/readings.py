"""Stored readings for charts and programs: which series a framework has, and a metric's readings in pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from engine.http.parameters import Cursor, parse_moment
from engine.shelf.objects import Shelf
from engine.stores.readings import PAGE_MAX_READINGS, Resolution, SeriesInfo
from engine.verbs.readings import ReadingVerbs, parse_labels
from protocol.directory import Framework
from protocol.model import Principal
from protocol.readings import ReadingPoint

PAGE_DEFAULT = 500

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX_READINGS, description="items a page")]
Since = Annotated[str | None, QueryParameter(max_length=64, description="RFC 3339; default: an hour before `until`")]
Until = Annotated[str | None, QueryParameter(max_length=64, description="RFC 3339, not included; default: now")]
Finely = Annotated[
    Literal["auto", "raw", "1m", "1h"], QueryParameter(description="each reading, or by the minute or hour")
]
LabelsOf = Annotated[list[str] | None, QueryParameter(description="`name=value`; may be repeated, all must hold")]


class ReadingList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of readings: `raw` in about the order of their times, else series by series, oldest first.

    It may be short, or empty, and yet have a next one: ask again with `cursor=<next_cursor>` until that is null.
    """

    resolution: Resolution
    items: list[ReadingPoint]
    next_cursor: str | None


class SeriesList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of series; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[SeriesInfo]
    next_cursor: str | None


def reading_routes(verbs: ReadingVerbs, frameworks: Shelf[Framework]) -> list[HTTPRouteHandler]:
    """`GET /api/v1/readings` and `GET /api/v1/frameworks/{id}/metrics`."""

    @get("/api/v1/readings")
    async def readings(
        request: Request[Principal, Any, Any],
        framework_id: FromQuery[str],
        metric: FromQuery[str],
        label: LabelsOf = None,
        since: Since = None,
        until: Until = None,
        resolution: Finely = "auto",
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> ReadingList:
        """Readings of one metric: each for hours, by the minute for days, by the hour for a year.

        Of a minute or hour, `value` is the mean of its `count` readings. With `auto` pages of the same question must
        name the `resolution` of the first one's answer.
        """
        finely, page = await verbs.readings(
            request.user,
            framework_id,
            metric,
            parse_labels(label),
            parse_moment(since, "since"),
            parse_moment(until, "until"),
            None if resolution == "auto" else Resolution(resolution),
            cursor,
            limit,
        )
        return ReadingList(resolution=finely, items=page.items, next_cursor=page.next_cursor)

    @get("/api/v1/frameworks/{object_id:str}/metrics")
    async def framework_metrics(
        request: Request[Principal, Any, Any],
        object_id: FromPath[str],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> SeriesList:
        """The series (a metric with its labels) that readings of this framework were of, each with its newest one.

        404 if there is no such framework.
        """
        framework = unquote(object_id)
        page = await verbs.series(request.user, framework, cursor, limit)
        if not page.items and cursor is None:
            await frameworks.get(request.user, framework)  # raises UnknownChannel, as for the framework itself
        return SeriesList(items=page.items, next_cursor=page.next_cursor)

    return [readings, framework_metrics]
