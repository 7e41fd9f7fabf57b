"""The audit trail over HTTP: of a workspace, for its administrators, and of one alert, for whoever may read it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from engine.access.audit import TrailPage, TrailWanted
from engine.http.parameters import Cursor, Limit, Moment, known_alert, parse_moment
from engine.http.ports import Operators, Service
from engine.pages import PAGE_DEFAULT
from engine.stores.trail import Fields, TrailLine
from protocol.model import Principal
from protocol.times import rfc3339


class TrailLineShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when, to what, and from which address (empty: not over the network, or not yours to see).

    `before` and `after` name what is different: of alerts `state` and `assigned_to`, of objects and trackers `version`
    (0: there was none). Both are empty where that is not on record.
    """

    at: str
    by: str
    verb: str
    target: str
    address: str
    notes: str | None = None
    before: Fields = {}
    after: Fields = {}


class TrailList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the trail, newest first; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[TrailLineShown]
    next_cursor: str | None


def trail_routes(service: Service, operators: Operators) -> list[HTTPRouteHandler]:
    """`GET /api/v1/audit` and `GET /api/v1/alerts/{id}/audit`."""

    @get("/api/v1/audit")
    async def audit(
        request: Request[Principal, Any, Any],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        user: FromQuery[str | None] = None,
        verb: FromQuery[str | None] = None,
        target: FromQuery[str | None] = None,
        since: Moment = None,
        until: Moment = None,
    ) -> TrailList:
        """What was done in this workspace, newest first: by people about alerts, and by administrators.

        `target` is an alert's id, or what an administrator acted on.
        """
        wanted = TrailWanted(
            by=user,
            verb=verb,
            target=target,
            since_us=parse_moment(since, "since"),
            until_us=parse_moment(until, "until"),
            cursor=cursor,
            limit=limit,
        )
        return trail_shown(await operators.acts(request.user, wanted))

    @get("/api/v1/alerts/{alert_id:str}/audit")
    async def story(
        request: Request[Principal, Any, Any],
        alert_id: FromPath[str],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> TrailList:
        """The story of one alert, newest first: what people did and said about it, and at the end when it fired."""
        return trail_shown(await service.story(request.user, known_alert(alert_id), cursor, limit))

    return [audit, story]


def trail_shown(page: TrailPage) -> TrailList:
    """A page as it is sent."""
    return TrailList(items=[_line(line) for line in page.items], next_cursor=page.next_cursor)


def _line(line: TrailLine) -> TrailLineShown:
    return TrailLineShown(
        at=rfc3339(line.place.at),
        by=line.by,
        verb=line.verb,
        target=line.target,
        address=line.address,
        notes=line.notes,
        before=line.before,
        after=line.after,
    )
