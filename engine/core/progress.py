"""One project of a workflow batch: its plan, carried out by its channel's machine.

The machine is built from the rows of the project's steps, decides one batch, and is thrown away: whoever runs the
channel recalls what this has changed. So a step's alert goes through the very same decisions as every other one.
Decided against: rules of our own for these alerts (a silence that holds for all but them would surprise everybody).
"""

from __future__ import annotations

import msgspec

from actors.ports import MachineFactory
from engine.core.workflow import Plan, Refused, plan_completion, plan_ringing
from protocol.commands import Batch
from protocol.effects import Commit
from protocol.messages import ItemResult
from protocol.model import ChannelKey
from protocol.orders import NO_ORDERS, Orders
from protocol.workflows import Completion, Move, ProjectPlace, Refusal, StepResult, StepStatus

_STATUS = {status.value: status for status in StepStatus}


class Task(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is asked of one project. `batch_id` names what its channel decides; `completes`: else it only rings."""

    workspace: str
    wanted: Completion
    completes: bool
    by: str
    now: int
    batch_id: str
    orders: Orders = NO_ORDERS

    @property
    def key(self) -> ChannelKey:
        """The project's channel."""
        return ChannelKey(self.workspace, self.wanted.project_id)


def move(task: Task, place: ProjectPlace | None, machine: MachineFactory) -> Move:
    """What becomes of a project; `place`: where it stands (None: there is no such project)."""
    try:
        if place is None:
            raise Refused(Refusal.UNKNOWN_PROJECT, "this project has no tracker; set it on a workflow first")
        plan = _plan(task, place)
    except Refused as refusal:
        return Move(result=refused(task.wanted.project_id, refusal, place))
    decider = machine(task.key, place.recalled, task.orders)
    batch = Batch(task.batch_id, task.now, plan.commands, task.orders)
    decision = decider.decide(batch)
    commit = Commit(task.key, place.recalled.offset, batch, decision) if decision.is_durable else None
    result = _result(task, plan, decision.results[-1])
    return Move(result=result, commit=commit, tracker=plan.tracker, is_due=decider.next_due() is not None)


def refused(project_id: str, refusal: Refused, place: ProjectPlace | None = None) -> StepResult:
    """The answer for a project for which nothing is done."""
    return StepResult(
        project_id=project_id,
        status=StepStatus.REJECTED,
        reason=refusal.reason.value,
        item_id=place.tracker.item_id if place else None,
        message=str(refusal),
    )


def _plan(task: Task, place: ProjectPlace) -> Plan:
    tracker, wanted = place.tracker, task.wanted
    if place.workflow is None:
        raise Refused(Refusal.UNKNOWN_WORKFLOW, f"there is no workflow {tracker.workflow_id!r} any more")
    if task.completes:
        return plan_completion(place.workflow, tracker, wanted.item_id, task.by, wanted.notes, task.now)
    return plan_ringing(place.workflow, tracker)


def _result(task: Task, plan: Plan, rung: ItemResult) -> StepResult:
    """The last command's answer: that of the ring or, of a project that is finished now, of the completion."""
    if plan.item_id is None:
        return StepResult(
            project_id=task.wanted.project_id, status=StepStatus.FINISHED, reason=StepStatus.FINISHED.value
        )
    return StepResult(
        project_id=task.wanted.project_id,
        status=StepStatus.ADVANCED if task.completes else _STATUS[rung.status.value],
        reason=rung.reason.value,
        item_id=plan.item_id,
        alert_id=rung.alert_id,
        message=rung.message,
    )
