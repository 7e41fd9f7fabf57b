"""Workflows for people and programs that ask: rings and moves of many projects at once, and their alerts.

The definitions are objects like all others (`engine/http/objects.py`); how far projects are is `trackers.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody, QueryParameter

from engine.http.bodies import AlertList, json_body
from engine.http.handing import ACCEPTED, HandsOver, IdempotencyKey, IsAsync, accepted
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit, parse_words
from engine.http.ports import Service
from engine.http.role_guards import needs
from engine.http.trackers import tracker_routes
from engine.pages import PAGE_DEFAULT
from engine.stores.workflows import StepAlertQuery
from engine.verbs.workflows import Workflows
from protocol.errors import BadRequest
from protocol.fields import Id, Text
from protocol.model import AlertState, Principal
from protocol.names import check_id
from protocol.workflows import PROJECTS_MAX, Completion, StepResult

# The reference's words, and ours.
STATES = {"ACTIVE": AlertState.ACTIVE, "COMPLETED": AlertState.RESOLVED}


class GenerateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The projects whose current steps are to ring."""

    project_ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=PROJECTS_MAX)]


class AdvanceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One project whose current step is done, or `items`: many. With `item_id` the same twice does no harm."""

    project_id: Id | None = None
    item_id: Id | None = None
    notes: Text | None = None
    items: Annotated[list[Completion], msgspec.Meta(min_length=1, max_length=PROJECTS_MAX)] | None = None


class StepResults(msgspec.Struct, frozen=True, kw_only=True):
    """One result per project, in order."""

    results: list[StepResult]


def workflow_routes(
    workflows: Workflows, service: Service, handed: HandsOver, peer_address: PeerAddress
) -> list[HTTPRouteHandler]:
    """`POST /api/v1/workflows/generate` and `…/advance`, `…/trackers`, `…/alerts`."""

    @post(
        "/api/v1/workflows/generate",
        status_code=200,
        guards=[needs("trigger")],
        dto=json_body(GenerateBody),
        return_dto=None,
        responses=ACCEPTED,
    )
    async def generate(
        request: Request[Principal, Any, Any],
        data: JSONBody[GenerateBody],
        is_async: IsAsync = False,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[StepResults]:
        """Rings for the current step of each project: once in its `alert_days`, and again when they have passed.

        With `async=true` later, as a job: `GET /api/v1/jobs/{job_id}` has the results then.
        """
        service.charge(request.user, len(data.project_ids))
        if is_async:
            return accepted(await handed.generate(request.user, data.project_ids, idempotency_key))
        return Response(StepResults(results=await workflows.generate(request.user, data.project_ids)))

    @post(
        "/api/v1/workflows/advance",
        status_code=200,
        guards=[needs("respond")],
        dto=json_body(AdvanceBody),
        return_dto=None,
    )
    async def advance(request: Request[Principal, Any, Any], data: JSONBody[AdvanceBody]) -> StepResults:
        """Completes the current step of one project or many, resolves its alert, and rings for the next one.

        All in one transaction. The next step is the stored workflow's. A project that cannot advance is a refusal of
        its own (`already`, `finished`, `unknown_project`, ...).
        """
        wanted = _wanted(data)
        service.charge(request.user, len(wanted))
        return StepResults(results=await workflows.advance(request.user, wanted, peer_address(request)))

    return [generate, advance, *tracker_routes(workflows, peer_address), _alert_route(workflows)]


def _alert_route(workflows: Workflows) -> HTTPRouteHandler:
    @get("/api/v1/workflows/alerts")
    async def alerts(
        request: Request[Principal, Any, Any],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        project_id: FromQuery[str | None] = None,
        status: Annotated[
            str | None, QueryParameter(description="with a project: ACTIVE, COMPLETED, or one of our states")
        ] = None,
    ) -> AlertList:
        """Alerts about steps, newest first: of the workspace, or of one project and status."""
        if status is not None and project_id is None:
            raise BadRequest("status: say which project as well (project_id); /api/v1/alerts has states without one")
        state = STATES.get(status or "")
        if status is not None and state is None:
            [state] = parse_words([status], AlertState, "status")[:1] or [None]
        query = StepAlertQuery(
            workspace=request.user.workspace,
            project_id=project_id and check_id(project_id, "project_id"),
            state=state,
            cursor=cursor,
            limit=limit,
        )
        page = await workflows.alerts(request.user, query)
        return AlertList(items=list(page.items), next_cursor=page.next_cursor)

    return alerts


def _wanted(data: AdvanceBody) -> list[Completion]:
    if (data.project_id is None) is (data.items is None):
        raise BadRequest("say either project_id (one project) or items (many)")
    if data.items is not None and (data.item_id is not None or data.notes is not None):
        raise BadRequest("item_id and notes belong to one project: give them within items")
    if data.items is not None:
        return data.items
    return [Completion(project_id=data.project_id or "", item_id=data.item_id, notes=data.notes)]
