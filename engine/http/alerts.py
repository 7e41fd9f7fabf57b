"""Alerts for people and programs that ask: pages with filters, one alert, who received it.

Filters that may have several values (`state`, `severity`) take them repeated or separated by commas.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from engine.http.bodies import AlertList, RecipientList
from engine.http.parameters import Cursor, Limit, Moment, known_alert, parse_moment, parse_words
from engine.http.ports import Service
from engine.pages import PAGE_DEFAULT
from engine.stores import AlertQuery
from protocol.model import Alert, AlertState, Principal, QuietedBy, Severity
from protocol.names import check_id

# The framework keeps the name `state` for itself, so the parameter has another one in Python.
States = Annotated[
    list[str] | None, QueryParameter(name="state", description="active, acknowledged, resolved, expired")
]
Severities = Annotated[list[str] | None, QueryParameter(description="info, warning, error, critical")]
Quieted = Annotated[
    list[str] | None, QueryParameter(description="quiet for: maintenance, silenced, muted_hours, flapping, storm")
]


def alert_routes(service: Service) -> list[HTTPRouteHandler]:
    """`GET /api/v1/alerts`, `…/{id}`, `…/{id}/recipients`."""

    @get("/api/v1/alerts")
    async def alerts(
        request: Request[Principal, Any, Any],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        framework_id: FromQuery[str | None] = None,
        states: States = None,
        severity: Severities = None,
        rule_id: FromQuery[str | None] = None,
        quieted: Quieted = None,
        assigned_to: FromQuery[str | None] = None,
        since: Moment = None,
        until: Moment = None,
    ) -> AlertList:
        """A page of alerts, newest first."""
        who = request.user
        query = AlertQuery(
            workspace=who.workspace,
            frameworks=who.channels,
            framework=framework_id and check_id(framework_id, "framework_id"),
            states=parse_words(states, AlertState, "state"),
            severities=parse_words(severity, Severity, "severity"),
            rule_id=rule_id and check_id(rule_id, "rule_id"),
            quieted=parse_words(quieted, QuietedBy, "quieted"),
            assigned_to=assigned_to and check_id(assigned_to, "assigned_to"),
            since_us=parse_moment(since, "since"),
            until_us=parse_moment(until, "until"),
            cursor=cursor,
            limit=limit,
        )
        page = await service.alerts(who, query)
        return AlertList(items=list(page.items), next_cursor=page.next_cursor)

    @get("/api/v1/alerts/{alert_id:str}")
    async def alert(request: Request[Principal, Any, Any], alert_id: FromPath[str]) -> Alert:
        """One alert."""
        return await service.alert(request.user, known_alert(alert_id))

    @get("/api/v1/alerts/{alert_id:str}/recipients")
    async def recipients(
        request: Request[Principal, Any, Any],
        alert_id: FromPath[str],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> RecipientList:
        """Who says to have received and seen this alert (`received` and `seen` on the socket), and when."""
        page = await service.recipients(request.user, known_alert(alert_id), cursor, limit)
        return RecipientList(items=list(page.items), next_cursor=page.next_cursor)

    return [alerts, alert, recipients]
