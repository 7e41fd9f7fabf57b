"""Alerts for people and programs that ask: pages with filters, one alert, acknowledge and resolve (one or many).

A changed alert is returned whole, read back after the commit. Filters that may have several values (`state`,
`severity`) take them repeated or separated by commas.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Annotated, Any, TypeVar

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from engine.http.bodies import AlertIdsBody, AlertList, NotesBody, RecipientList, Results, json_body
from engine.http.ports import Service
from engine.http.problems import rejection
from engine.stores import AlertQuery
from protocol.errors import BadRequest, UnknownChannel
from protocol.messages import ItemResult
from protocol.model import Alert, AlertState, Principal, QuietedBy, Severity
from protocol.names import check_id, is_id
from protocol.times import parse_rfc3339

PAGE_DEFAULT = 50
PAGE_MAX = 500
CURSOR_MAX_CHARS = 512

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="items a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=CURSOR_MAX_CHARS, description="`next_cursor` of the page before")
]
# The framework keeps the name `state` for itself, so the parameter has another one in Python.
States = Annotated[
    list[str] | None, QueryParameter(name="state", description="pending, active, acknowledged, resolved, expired")
]
Severities = Annotated[list[str] | None, QueryParameter(description="info, warning, error, critical")]
Quieted = Annotated[
    list[str] | None, QueryParameter(description="quiet for: maintenance, silenced, muted_hours, flapping, storm")
]
Moment = Annotated[str | None, QueryParameter(max_length=64, description="RFC 3339, of `triggered_at`")]

E = TypeVar("E", bound=Enum)
Change = Callable[[Principal, Sequence[str], str | None], Awaitable[list[ItemResult]]]


def alert_routes(service: Service) -> list[HTTPRouteHandler]:
    """`GET /api/v1/alerts`, `…/{id}`, `…/{id}/recipients`, and the changes."""

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
        return await service.alert(request.user, _known(alert_id))

    @get("/api/v1/alerts/{alert_id:str}/recipients")
    async def recipients(
        request: Request[Principal, Any, Any],
        alert_id: FromPath[str],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> RecipientList:
        """Who says to have received and seen this alert (`received` and `seen` on the socket), and when."""
        page = await service.recipients(request.user, _known(alert_id), cursor, limit)
        return RecipientList(items=list(page.items), next_cursor=page.next_cursor)

    changes: list[tuple[str, Change]] = [("acknowledge", service.acknowledge), ("resolve", service.resolve)]
    routes = [route for verb, change in changes for route in _change_routes(service, verb, change)]
    return [alerts, alert, recipients, *routes]


def _change_routes(service: Service, verb: str, change: Change) -> list[HTTPRouteHandler]:
    @post(
        f"/api/v1/alerts/{{alert_id:str}}/{verb}",
        status_code=200,
        dto=json_body(NotesBody),
        return_dto=None,
        operation_id=f"{verb}_alert",
        description=f"{verb.capitalize()} one alert; answered with the alert after the change. Idempotent.",
    )
    async def change_one(
        request: Request[Principal, Any, Any], alert_id: FromPath[str], data: JSONBody[NotesBody | None] = None
    ) -> Alert:
        results = await change(request.user, [_known(alert_id)], data.notes if data else None)
        if refused := rejection(results[0]):
            raise refused
        return await service.alert(request.user, alert_id)

    @post(
        f"/api/v1/alerts/{verb}",
        status_code=200,
        dto=json_body(AlertIdsBody),
        return_dto=None,
        operation_id=f"{verb}_alerts",
        description=f"{verb.capitalize()} up to 1,000 alerts; one result per alert, in order. Idempotent.",
    )
    async def change_many(request: Request[Principal, Any, Any], data: JSONBody[AlertIdsBody]) -> Results:
        service.charge(request.user, len(data.alert_ids))
        return Results(results=await change(request.user, data.alert_ids, data.notes))

    return [change_one, change_many]


def parse_words(values: Sequence[str] | None, kind: type[E], what: str) -> tuple[E, ...]:
    """`["active,resolved", "expired"]` → members of an enumeration; empty: no filter. Raises BadRequest."""
    words = [word.strip() for value in values or () for word in value.split(",")]
    try:
        return tuple(dict.fromkeys(kind(word) for word in words if word))
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise BadRequest(f"{what}: {','.join(words)[:100]!r} is not allowed; use one or more of: {allowed}") from None


def parse_moment(text: str | None, what: str) -> int | None:
    """A time in a query, in microseconds. Raises BadRequest, also for a `+` of a zone that became a space."""
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError:
        raise BadRequest(f"{what}: {text!r} is no time; write 2026-01-31T12:00:00Z, '+' in a URL as %2B") from None


def _known(alert_id: str) -> str:
    if not is_id(alert_id):
        raise UnknownChannel("there is no such alert")
    return alert_id
