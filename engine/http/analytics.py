"""Counts of alerts for charts and programs: by time, by hour of the week, by rule; and as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import QueryParameter

from engine.core.analytics.calendar import Width
from engine.http.parameters import parse_moment, parse_words
from engine.stores.aggregates import Dimension
from engine.verbs.analytics import RULES_MAX, AnalyticsVerbs, Asked
from protocol.analytics import Analytics, CountedAlerts, HeatMap, RulesQuality
from protocol.model import Principal, Severity

By = Annotated[Literal["hour", "day", "week", "month", "total"], QueryParameter(description="how long each row is")]
Since = Annotated[
    str | None, QueryParameter(max_length=64, description="RFC 3339; default: 2 days by the hour, 30 days by the day")
]
Until = Annotated[str | None, QueryParameter(max_length=64, description="RFC 3339, not included; default: now")]
Of = Annotated[str | None, QueryParameter(max_length=256, description="only alerts of this one")]
Loud = Annotated[list[str] | None, QueryParameter(description="only of these severities; may be repeated")]
Groups = Annotated[
    list[str] | None, QueryParameter(description="told apart by: framework, rule, severity; may be repeated")
]
Zone = Annotated[str, QueryParameter(max_length=64, description="a time zone, such as Europe/Berlin")]
Most = Annotated[int, QueryParameter(ge=1, le=RULES_MAX, description="rules, those with the most alerts")]
_TABLE = ResponseSpec(data_container=str, media_type=MediaType.TEXT, description="A row for each item, with a header.")
_COLUMNS = (
    *("since", "until", "framework_id", "rule_id", "severity", "alerts", "active", "acknowledged", "resolved"),
    *("expired", "suppressed", "quieted", "notified", "noisy", "noise_ratio", "confirmed", "false_alarms", "precision"),
)
_TOOK = ("count", "mean_s", "p50_s", "p95_s")


def analytics_routes(verbs: AnalyticsVerbs) -> list[HTTPRouteHandler]:
    """`GET /api/v1/analytics` and what is below it."""

    async def counts(
        who: Principal, by: str, asked: Asked, severity: list[str] | None, group: list[str] | None
    ) -> Analytics:
        asked = asked._replace(severities=parse_words(severity, Severity, "severity"))
        width = None if by == "total" else Width(by)
        return await verbs.counts(who, asked, width, parse_words(group, Dimension, "group"))

    @get("/api/v1/analytics")
    async def analytics(
        request: Request[Principal, Any, Any],
        by: By = "day",
        since: Since = None,
        until: Until = None,
        framework_id: Of = None,
        rule_id: Of = None,
        severity: Loud = None,
        group: Groups = None,
    ) -> Analytics:
        """How many alerts there were, what became of them, and how long it took, in the order of time.

        An alert counts in the hour (of UTC) in which it was triggered, with what became of it since. `since` and
        `until` are moved outwards to whole hours, days, weeks (from Monday) or months. Stretches without alerts are
        left out. 400 if it would be more than 2,000 rows.
        """
        asked = Asked(parse_moment(since, "since"), parse_moment(until, "until"), framework_id, rule_id)
        return await counts(request.user, by, asked, severity, group)

    @get("/api/v1/analytics/export", media_type=MediaType.TEXT, responses={200: _TABLE})
    async def analytics_export(
        request: Request[Principal, Any, Any],
        by: By = "day",
        since: Since = None,
        until: Until = None,
        framework_id: Of = None,
        rule_id: Of = None,
        severity: Loud = None,
        group: Groups = None,
    ) -> Response[str]:
        """The same items as CSV (RFC 4180), with a header."""
        asked = Asked(parse_moment(since, "since"), parse_moment(until, "until"), framework_id, rule_id)
        found = await counts(request.user, by, asked, severity, group)
        headers = {"Content-Disposition": f'attachment; filename="alerts-by-{by}.csv"'}
        return Response(_table(found), media_type="text/csv", headers=headers)

    @get("/api/v1/analytics/heatmap")
    async def analytics_heatmap(
        request: Request[Principal, Any, Any],
        zone: Zone = "UTC",
        since: Since = None,
        until: Until = None,
        framework_id: Of = None,
        rule_id: Of = None,
        severity: Loud = None,
    ) -> HeatMap:
        """When alerts come: by weekday and hour in a time zone, of the last 30 days, at most 92 days."""
        asked = Asked(
            parse_moment(since, "since"),
            parse_moment(until, "until"),
            framework_id,
            rule_id,
            parse_words(severity, Severity, "severity"),
        )
        return await verbs.heat_map(request.user, asked, zone)

    @get("/api/v1/analytics/rules")
    async def analytics_rules(
        request: Request[Principal, Any, Any],
        since: Since = None,
        until: Until = None,
        framework_id: Of = None,
        severity: Loud = None,
        limit: Most = 100,
    ) -> RulesQuality:
        """How good rules are: which share of their alerts was real, and how many false alarms a week they give.

        Real: somebody acknowledged or resolved it, and did not mark it as noise. False: marked as noise, or over by
        itself with nobody looking. What is neither yet is not judged.
        """
        asked = Asked(
            parse_moment(since, "since"),
            parse_moment(until, "until"),
            framework_id,
            severities=parse_words(severity, Severity, "severity"),
        )
        return await verbs.rules(request.user, asked, limit)

    return [analytics, analytics_export, analytics_heatmap, analytics_rules]


def _table(found: Analytics) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*_COLUMNS, *(f"to_{what}_{part}" for what in ("acknowledge", "resolve") for part in _TOOK)])
    writer.writerows(list(_cells(item)) for item in found.items)
    return text.getvalue()


def _cells(item: CountedAlerts) -> Iterator[Any]:
    for name in _COLUMNS:
        value = getattr(item, name)
        yield value.value if isinstance(value, Severity) else _plain(value)
    for took in (item.to_acknowledge, item.to_resolve):
        yield from (getattr(took, part) for part in _TOOK)


def _plain(value: Any) -> Any:
    """A name that a spreadsheet would take for a formula is one no more."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
