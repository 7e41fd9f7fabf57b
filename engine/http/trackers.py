"""Trackers over HTTP: how far each project has come on its workflow, who sets it there, and what became of it.

A tracker has a version, which is its ETag: who changes one says which he has seen (`If-Match`), so that two who change
it at once do not undo each other.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from engine.core.workflow import step_of, steps_of
from engine.http.bodies import json_body
from engine.http.objects import IfMatch, seen_version
from engine.http.operators import PeerAddress
from engine.http.parameters import Cursor, Limit
from engine.http.role_guards import needs
from engine.http.trail import TrailList, trail_shown
from engine.pages import PAGE_DEFAULT
from engine.stores.workflows import TrackerQuery
from engine.verbs.workflows import Workflows
from protocol.errors import BadRequest, UnknownChannel
from protocol.model import Principal
from protocol.names import check_id, is_id
from protocol.times import parse_rfc3339
from protocol.workflows import Completed, Tracker, TrackerInput, Workflow


class StepShown(msgspec.Struct, frozen=True, kw_only=True):
    """The current step of a project, as its workflow has it now."""

    item_id: str
    item_name: str
    responsible_role: str
    phase_type: str
    section: str
    alert_days: int
    is_active: bool


class TrackerShown(msgspec.Struct, frozen=True, kw_only=True):
    """How far a project has come. `step` null: it is finished, or its step is not in the workflow any more.

    `steps`: active ones of the workflow; `done`: those of them that are behind it.
    """

    project_id: str
    workflow_id: str
    item_id: str | None
    since: str
    late_at: str | None
    is_late: bool
    steps: int
    done: int
    step: StepShown | None
    assignees: dict[str, str]
    completed: list[Completed]
    version: int


class TrackerList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of trackers; ask again with `cursor=<next_cursor>` until that is null."""

    items: list[TrackerShown]
    next_cursor: str | None


def tracker_routes(workflows: Workflows, peer_address: PeerAddress) -> list[HTTPRouteHandler]:
    """`/api/v1/workflows/trackers` and what is below it."""

    @get("/api/v1/workflows/trackers")
    async def trackers(
        request: Request[Principal, Any, Any],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
        project_id: FromQuery[str | None] = None,
        workflow_id: FromQuery[str | None] = None,
        item_id: FromQuery[str | None] = None,
        is_late: Annotated[bool | None, QueryParameter(description="true: only steps past their `alert_days`")] = None,
    ) -> TrackerList:
        """How far projects have come: in order of their ids; late ones in the order in which they became late."""
        if is_late is False:
            raise BadRequest("is_late: only true is a filter; leave it out to see all")
        now = workflows.now_us()
        query = TrackerQuery(
            workspace=request.user.workspace,
            project_id=project_id and check_id(project_id, "project_id"),
            workflow_id=workflow_id and check_id(workflow_id, "workflow_id"),
            item_id=item_id and check_id(item_id, "item_id"),
            late_before_us=now if is_late else None,
            cursor=cursor,
            limit=limit,
        )
        page = await workflows.trackers(request.user, query)
        items = [_shown(each, page.workflows.get(each.workflow_id), now) for each in page.items]
        return TrackerList(items=items, next_cursor=page.next_cursor)

    @get("/api/v1/workflows/trackers/{project_id:str}")
    async def tracker(request: Request[Principal, Any, Any], project_id: FromPath[str]) -> Response[TrackerShown]:
        """How far one project has come."""
        return _answer(*await workflows.tracker(request.user, _known(project_id)), workflows.now_us())

    @put(
        "/api/v1/workflows/trackers/{project_id:str}",
        guards=[needs("edit")],
        dto=json_body(TrackerInput),
        return_dto=None,
    )
    async def track(
        request: Request[Principal, Any, Any],
        project_id: FromPath[str],
        data: JSONBody[TrackerInput],
        if_match: IfMatch = None,
    ) -> Response[TrackerShown]:
        """Sets a project on a workflow, or (with `If-Match`) on another step or with other assignees.

        The alert of a step that it leaves is resolved; nothing rings until `generate` or `advance`.
        """
        address = peer_address(request)
        found = await workflows.track(request.user, _known(project_id), data, _seen(if_match, 0), address)
        return _answer(*found, workflows.now_us())

    @delete("/api/v1/workflows/trackers/{project_id:str}", status_code=204)
    async def untrack(
        request: Request[Principal, Any, Any], project_id: FromPath[str], if_match: IfMatch = None
    ) -> None:
        """Takes a project off its workflow; the alert of its step is resolved. `If-Match` is not required."""
        await workflows.untrack(request.user, _known(project_id), _seen(if_match, None), peer_address(request))

    @get("/api/v1/workflows/trackers/{project_id:str}/history")
    async def history(
        request: Request[Principal, Any, Any],
        project_id: FromPath[str],
        limit: Limit = PAGE_DEFAULT,
        cursor: Cursor = None,
    ) -> TrailList:
        """What people did with a project's tracker (`set_tracker`, `advance_tracker`, `delete_tracker`), newest first.

        `before` and `after` name what is different: `version`, `workflow_id`, `item_id`, `assignees.<role>`.
        """
        return trail_shown(await workflows.history(request.user, _known(project_id), cursor, limit))

    return [trackers, tracker, track, untrack, history]


def _seen(if_match: str | None, without: int | None) -> int | None:
    return without if if_match is None else seen_version(if_match)


def _known(project_id: str) -> str:
    # As for all objects: an id with a slash is written %252F in an address.
    project_id = unquote(project_id)
    if not is_id(project_id):
        raise UnknownChannel("there is no such project")
    return project_id


def _answer(tracker: Tracker, workflow: Workflow | None, now: int) -> Response[TrackerShown]:
    return Response(_shown(tracker, workflow, now), headers={"ETag": f'"{tracker.version}"'})


def _shown(tracker: Tracker, workflow: Workflow | None, now: int) -> TrackerShown:
    steps = [step for step in steps_of(workflow) if step.item.is_active] if workflow else []
    ids = [step.item.id for step in steps]
    current = step_of(workflow, tracker.item_id) if workflow and tracker.item_id else None
    done = len(steps) if tracker.item_id is None else ids.index(tracker.item_id) if tracker.item_id in ids else 0
    return TrackerShown(
        project_id=tracker.project_id,
        workflow_id=tracker.workflow_id,
        item_id=tracker.item_id,
        since=tracker.since,
        late_at=tracker.late_at,
        is_late=tracker.late_at is not None and parse_rfc3339(tracker.late_at) < now,
        steps=len(steps),
        done=done,
        step=None
        if current is None
        else StepShown(
            item_id=current.item.id,
            item_name=current.item.item_name,
            responsible_role=current.item.responsible_role,
            phase_type=current.phase,
            section=current.section,
            alert_days=current.item.alert_days,
            is_active=current.item.is_active,
        ),
        assignees=tracker.assignees,
        completed=list(tracker.completed),
        version=tracker.version,
    )
