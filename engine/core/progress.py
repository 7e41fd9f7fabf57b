"""One project of a workflow batch: its plan, carried out by its channel's machine.

The machine is built from the rows of the project's steps, decides one batch, and is thrown away: whoever runs the
channel recalls what this has changed. So a step's alert goes through the very same decisions as every other one.
Decided against: rules of our own for these alerts (a silence that holds for all but them would surprise everybody).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.ports import MachineFactory
from engine.core.workflow import Asker, Plan, Refused, leave, plan_completion, plan_ringing, plan_setting
from protocol.commands import Batch
from protocol.effects import Commit
from protocol.items import ItemResult
from protocol.model import ChannelKey
from protocol.orders import NO_ORDERS, Orders
from protocol.workflows import (
    Completion,
    Move,
    ProjectPlace,
    Refusal,
    StepResult,
    StepStatus,
    Tracker,
    TrackerAct,
    TrackerInput,
    Workflow,
)

NO_TRACKER = (
    "this project follows no workflow; set it on one first (tocsin workflows track PROJECT WORKFLOW, or"
    " PUT /api/v1/workflows/trackers/<project>)"
)
# What a tracker's history says was done; what rings changes none.
SET_TRACKER, ADVANCE_TRACKER, DELETE_TRACKER = TRACKER_VERBS = ("set_tracker", "advance_tracker", "delete_tracker")
_STATUS = {status.value: status for status in StepStatus}


class Ringing(msgspec.Struct, frozen=True, gc=False):
    """The current step is to ring."""


class Setting(msgspec.Struct, frozen=True, gc=False):
    """The project is to be put on a workflow, or on another step.

    `expected`: the version of its tracker (0: it has none; None: whatever it is).
    """

    wanted: TrackerInput
    expected: int | None


class Removing(msgspec.Struct, frozen=True, gc=False):
    """The project is to leave its workflow. `expected`: as for a setting."""

    expected: int | None


What = Ringing | Completion | Setting | Removing
_VERBS = {Setting: SET_TRACKER, Completion: ADVANCE_TRACKER, Removing: DELETE_TRACKER}


class Task(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is asked of one project. `batch_id` names what its channel decides."""

    key: ChannelKey
    what: What
    by: str
    now: int
    batch_id: str
    orders: Orders = NO_ORDERS
    address: str = ""

    @property
    def asker(self) -> Asker:
        """Who asks."""
        return Asker(self.by, self.address)

    @property
    def project(self) -> str:
        """Its channel's framework."""
        return self.key.framework


def move(task: Task, place: ProjectPlace | None, workflows: Mapping[str, Workflow], machine: MachineFactory) -> Move:
    """What becomes of a project; `place`: where it stands (None: it follows no workflow)."""
    try:
        plan = _plan(task, place, workflows)
    except Refused as refusal:
        return Move(result=refused(task.project, refusal, place))
    removed = task.project if isinstance(task.what, Removing) else None
    act = _act(task, place.tracker if place else None, plan.tracker)
    if place is None or not plan.commands:
        return Move(result=_result(task, plan, None), tracker=plan.tracker, removed=removed, act=act)
    decider = machine(task.key, place.recalled, task.orders)
    batch = Batch(task.batch_id, task.now, plan.commands, task.orders)
    decision = decider.decide(batch)
    return Move(
        result=_result(task, plan, decision.results[-1]),
        commit=Commit(task.key, place.recalled.offset, batch, decision) if decision.is_durable else None,
        tracker=plan.tracker,
        removed=removed,
        act=act,
        is_owing=decider.owes(),
    )


def refused(project_id: str, refusal: Refused, place: ProjectPlace | None = None) -> StepResult:
    """The answer for a project for which nothing is done."""
    return StepResult(
        project_id=project_id,
        status=StepStatus.REJECTED,
        reason=refusal.reason.value,
        item_id=place.tracker.item_id if place else None,
        message=str(refusal),
    )


def _plan(task: Task, place: ProjectPlace | None, workflows: Mapping[str, Workflow]) -> Plan:
    tracker = place.tracker if place else None
    if isinstance(task.what, Setting):
        _expect(tracker, task.what.expected)
        workflow = _known(workflows.get(task.what.wanted.workflow_id), task.what.wanted.workflow_id)
        return plan_setting(workflow, tracker, task.project, task.what.wanted, task.asker, task.now)
    if place is None:
        raise Refused(Refusal.UNKNOWN_PROJECT, NO_TRACKER)
    if isinstance(task.what, Removing):
        _expect(place.tracker, task.what.expected)
        return Plan(leave(place.tracker, task.asker), None, None)
    workflow = _known(place.workflow, place.tracker.workflow_id)
    if isinstance(task.what, Completion):
        return plan_completion(workflow, place.tracker, task.what, task.asker, task.now)
    return plan_ringing(workflow, place.tracker)


def _act(task: Task, before: Tracker | None, after: Tracker | None) -> TrackerAct | None:
    """The line of the tracker's history; None: it stays as it is."""
    verb = _VERBS.get(type(task.what))
    if verb is None:
        return None
    was, is_now = _fields(before), _fields(after)
    return TrackerAct(
        at=task.now,
        by=task.by,
        verb=verb,
        target=task.project,
        address=task.address,
        notes=task.what.notes if isinstance(task.what, Completion) else None,
        before=dict(sorted(was.items() - is_now.items())),
        after=dict(sorted(is_now.items() - was.items())),
    )


def _fields(tracker: Tracker | None) -> dict[str, str | int | None]:
    if tracker is None:
        return {"version": 0}
    standing: dict[str, str | int | None] = {
        "version": tracker.version,
        "workflow_id": tracker.workflow_id,
        "item_id": tracker.item_id,
    }
    return standing | {f"assignees.{role}": user for role, user in tracker.assignees.items()}


def _expect(tracker: Tracker | None, version: int | None) -> None:
    """Two who change a tracker at once must not undo each other."""
    present = tracker.version if tracker else 0
    if tracker and version == 0:
        how = f'with If-Match: "{present}" (tocsin workflows track --move)'
        follows = f"the project follows {tracker.workflow_id} already, version {present}"
        raise Refused(Refusal.CONFLICT, f"{follows}: {how} it is set anew")
    if version not in (None, present):
        is_now = f"has version {present} now" if present else "has no tracker now"
        raise Refused(Refusal.CONFLICT, f"the project {is_now}, not {version}: read it again, then change it")


def _known(workflow: Workflow | None, workflow_id: str) -> Workflow:
    if workflow is None:
        raise Refused(Refusal.UNKNOWN_WORKFLOW, f"there is no workflow {workflow_id!r}")
    return workflow


def _result(task: Task, plan: Plan, rung: ItemResult | None) -> StepResult:
    """`rung`: the last command's answer: that of the ring or, of a project that is finished now, of the completion."""
    if isinstance(task.what, Setting | Removing) or rung is None:
        status = StepStatus.SET
    elif isinstance(task.what, Completion):
        status = StepStatus.ADVANCED if plan.item_id else StepStatus.FINISHED
    else:
        status = _STATUS[rung.status.value]
    if rung is None or status in (StepStatus.SET, StepStatus.FINISHED):
        return StepResult(project_id=task.project, status=status, reason=status.value, item_id=plan.item_id)
    return StepResult(
        project_id=task.project,
        status=status,
        reason=rung.reason.value,
        item_id=plan.item_id,
        alert_id=rung.alert_id,
        message=rung.message,
    )
