"""What people do about alerts, over HTTP: one alert by its path, many by their ids or by a filter.

A changed alert is returned whole, read back after the commit. Of many, each has a result of its own, because some may
be refused: nothing is undone for them, and all is idempotent, so the same request may be sent again. A filter means
the alerts that it finds at this moment; `dry_run` says first how many those are.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from engine.http.bodies import json_body
from engine.http.operators import PeerAddress
from engine.http.parameters import known_alert, parse_moment
from engine.http.ports import Service
from engine.http.problems import rejection
from engine.http.role_guards import needs
from engine.stores import AlertQuery
from engine.verbs.people import BULK_MAX, Deed
from protocol.changes import PEOPLES_ACTIONS, Action
from protocol.errors import BadRequest
from protocol.fields import Id, Text
from protocol.items import ItemResult
from protocol.model import OPEN_STATES, Alert, AlertState, Principal, QuietedBy, Severity

BulkIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=BULK_MAX)]
_CLOSED = tuple(state for state in AlertState if state not in OPEN_STATES)
_OPEN = tuple(state for state in AlertState if state in OPEN_STATES)


class DeedBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person has to say: `notes` (a comment needs them, or `noise`).

    `assigned_to` goes with `assign`: a user, or null. `noise` goes with `acknowledge`, `resolve` and `comment`: whether
    it should not have rung; left out: nothing is said of it.
    """

    notes: Text | None = None
    noise: bool | None = None
    assigned_to: Id | msgspec.UnsetType | None = msgspec.UNSET


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alerts that are all of this. Without `state`: the open ones; of `reopen`: the closed ones. Times RFC 3339.

    `all` alone means all of them: a filter whose members got lost on the way must not.
    """

    all: bool = False
    framework_id: Id | None = None
    state: list[AlertState] = []
    severity: list[Severity] = []
    rule_id: Id | None = None
    quieted: list[QuietedBy] = []
    assigned_to: Id | None = None
    since: str | None = None
    until: str | None = None


class BulkDeedBody(DeedBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 10,000 alerts, by their ids or by a filter; `dry_run` counts them and changes nothing."""

    alert_ids: BulkIds | None = msgspec.field(name="alertIds", default=None)
    filter: AlertFilter | None = None
    dry_run: bool = False


class BulkDeedResults(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts were meant, and one result for each, in order; no results after a `dry_run`."""

    matched: int
    results: list[ItemResult]


def alert_change_routes(service: Service, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`POST /api/v1/alerts/{id}/{verb}` and `POST /api/v1/alerts/{verb}` for each verb."""
    return [route for action in PEOPLES_ACTIONS for route in _routes(service, peer_address, action)]


def _routes(service: Service, peer_address: PeerAddress, action: Action) -> list[HTTPRouteHandler]:
    verb = action.value

    @post(
        f"/api/v1/alerts/{{alert_id:str}}/{verb}",
        status_code=200,
        guards=[needs("respond")],
        dto=json_body(DeedBody),
        return_dto=None,
        operation_id=f"{verb}_alert",
        description=f"{verb.capitalize()} one alert; answered with the alert after the change. Idempotent.",
    )
    async def change_one(
        request: Request[Principal, Any, Any], alert_id: FromPath[str], data: JSONBody[DeedBody | None] = None
    ) -> Alert:
        deed = _deed(action, data or DeedBody(), peer_address(request))
        (result,) = await service.act(request.user, [known_alert(alert_id)], deed)
        if refused := rejection(result):
            raise refused
        return await service.alert(request.user, alert_id)

    @post(
        f"/api/v1/alerts/{verb}",
        status_code=200,
        guards=[needs("respond")],
        dto=json_body(BulkDeedBody),
        return_dto=None,
        operation_id=f"{verb}_alerts",
        description=f"{verb.capitalize()} up to {BULK_MAX:,} alerts, by `alertIds` or by `filter`;"
        " one result per alert, in order. Idempotent.",
    )
    async def change_many(request: Request[Principal, Any, Any], data: JSONBody[BulkDeedBody]) -> BulkDeedResults:
        deed = _deed(action, data, peer_address(request))
        alert_ids = await _meant(service, request.user, action, data)
        if data.dry_run:
            return BulkDeedResults(matched=len(alert_ids), results=[])
        service.charge(request.user, len(alert_ids))
        return BulkDeedResults(matched=len(alert_ids), results=await service.act(request.user, alert_ids, deed))

    return [change_one, change_many]


def _deed(action: Action, body: DeedBody, address: str) -> Deed:
    if (action is Action.ASSIGN) is (body.assigned_to is msgspec.UNSET):
        raise BadRequest(
            'assigned_to: say whom to assign to, such as {"assigned_to": "ann"}, or null for nobody'
            if action is Action.ASSIGN
            else f"assigned_to: it goes with assign, not with {action.value}"
        )
    assignee = None if body.assigned_to is msgspec.UNSET else body.assigned_to
    deed = Deed(action=action, notes=body.notes, assignee=assignee, noise=body.noise, address=address)
    deed.check()
    return deed


async def _meant(service: Service, who: Principal, action: Action, body: BulkDeedBody) -> list[str]:
    """The ids of the alerts that a bulk is about. Raises BadRequest."""
    if (body.alert_ids is None) is (body.filter is None):
        raise BadRequest('say either {"alertIds": [...]} or {"filter": {...}}')
    if body.filter is None:
        return body.alert_ids or []
    wanted = body.filter
    says_nothing_else = wanted == AlertFilter(all=wanted.all)
    if wanted.all is not says_nothing_else:
        raise BadRequest(
            'filter: say of which alerts, such as {"framework_id": "web"}, or {"all": true} and nothing else for all'
        )
    query = AlertQuery(
        workspace=who.workspace,
        framework=wanted.framework_id,
        states=tuple(wanted.state) or (_CLOSED if action is Action.REOPEN else _OPEN),
        severities=tuple(wanted.severity),
        rule_id=wanted.rule_id,
        quieted=tuple(wanted.quieted),
        assigned_to=wanted.assigned_to,
        since_us=parse_moment(wanted.since, "filter.since"),
        until_us=parse_moment(wanted.until, "filter.until"),
    )
    return await service.matching(who, query)
