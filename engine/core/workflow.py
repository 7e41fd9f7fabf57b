"""Which step of a workflow comes next, what rings there, and what a batch makes of a project.

The next step is the stored definition's: the first active line item after the current one, in the order in which they
stand. Nobody who asks can name it. A step rings as one alert for its project and step, of severity `warning` (the
reference's MEDIUM), and its suppression window is `alert_days`: inside it the step is said once, after it the step is
late and rings again. When a step is completed its alert is resolved and its window ends, so that a project which is set
back rings again at once. The alerts themselves are decided by the channel's own machine, as all others are: silences,
windows and receipts mean the same for them.

Decided against: escalating a late step's severity by itself (that is a matter of the escalation chain), and ringing for
a step that is not active (nobody is to do it; completing it moves the project on).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from protocol.commands import Command, CompleteStep, Ring
from protocol.model import Severity
from protocol.times import SECOND_US, rfc3339
from protocol.workflows import (
    ALERT_TYPE,
    COMPLETED_MAX,
    ITEMS_MAX,
    Completed,
    Completion,
    LineItem,
    Refusal,
    Tracker,
    TrackerInput,
    Workflow,
)

DAY_S = 86_400
# Names that stand where a workflow's id stands in the addresses of the API.
RESERVED_IDS = frozenset({"trackers", "generate", "advance", "alerts", "bulk"})


class PlacedItem(NamedTuple):
    """A line item and where it stands."""

    item: LineItem
    section: str
    phase: str


class Asker(NamedTuple):
    """Who asks, and from where."""

    by: str
    address: str


class Refused(Exception):
    """Nothing is done for a project; the reason and a sentence."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Plan(NamedTuple):
    """What is to be done on a project's channel, and its tracker afterwards (None: as it is)."""

    commands: tuple[Command, ...]
    tracker: Tracker | None
    # What is current afterwards; None: the project is finished.
    item_id: str | None


def steps_of(workflow: Workflow) -> Iterator[PlacedItem]:
    """All line items, in order."""
    for phase in workflow.phases:
        for section in phase.sections:
            for item in section.items:
                yield PlacedItem(item, section.display_name, phase.phase_type)


def step_of(workflow: Workflow, item_id: str) -> PlacedItem | None:
    """The step of this id."""
    return next((step for step in steps_of(workflow) if step.item.id == item_id), None)


def next_step(workflow: Workflow, item_id: str | None = None) -> PlacedItem | None:
    """The first active step after this one (None: of all); None: there is none."""
    steps = steps_of(workflow)
    if item_id is not None:
        for step in steps:
            if step.item.id == item_id:
                break
    return next((step for step in steps if step.item.is_active), None)


def check_workflow(workflow: Workflow) -> None:
    """Raises ValueError that names what cannot work, and says what would."""
    if workflow.id in RESERVED_IDS:
        raise ValueError(f"id {workflow.id!r} is a word of the API; use another, for example 'roofing'")
    steps = list(steps_of(workflow))
    if not steps:
        raise ValueError("phases: there is no line item; give at least one section with one item")
    if len(steps) > ITEMS_MAX:
        raise ValueError(f"phases: {len(steps)} line items, ITEMS_MAX ({ITEMS_MAX}) is the limit; split the workflow")
    seen: set[str] = set()
    for step in steps:
        if step.item.id in seen:
            raise ValueError(
                f"phases: two line items have the id {step.item.id!r}; each needs its own, such as "
                f"{step.item.id + '-2'!r}"
            )
        seen.add(step.item.id)


def plan_setting(
    workflow: Workflow, before: Tracker | None, project_id: str, wanted: TrackerInput, asker: Asker, now: int
) -> Plan:
    """A project is set on a step, or its assignees change. The alert of a step that it leaves is resolved. Nothing
    rings: that is for whoever generates. Raises Refused."""
    same = before is not None and before.workflow_id == workflow.id and wanted.item_id in (None, before.item_id)
    if before is not None and same:
        kept = replace(before, assignees=wanted.assignees, version=before.version + 1)
        return Plan((), kept, kept.item_id)
    step = next_step(workflow) if wanted.item_id is None else step_of(workflow, wanted.item_id)
    if step is None:
        what = "has no active line item" if wanted.item_id is None else f"has no line item {wanted.item_id!r}"
        raise Refused(Refusal.UNKNOWN_ITEM, f"the workflow {workflow.id!r} {what}")
    blank = Tracker(project_id=project_id, workflow_id="", item_id=None, since="", late_at=None, version=0)
    tracker = replace(before or blank, workflow_id=workflow.id, assignees=wanted.assignees)
    return Plan(leave(before, asker), _on(tracker, step, now), step.item.id)


def leave(tracker: Tracker | None, asker: Asker) -> tuple[Command, ...]:
    """What is to be done on the channel of a project that leaves its step without completing it."""
    if tracker is None or tracker.item_id is None:
        return ()
    return (CompleteStep(step_id=tracker.item_id, by=asker.by, address=asker.address),)


def plan_ringing(workflow: Workflow, tracker: Tracker) -> Plan:
    """The alert of the current step. Raises Refused."""
    step = _current(workflow, tracker)
    if not step.item.is_active:
        raise Refused(Refusal.INACTIVE, f"the current step {step.item.id!r} is not active; complete it to go on")
    return Plan((_ring(workflow, tracker, step),), None, step.item.id)


def plan_completion(workflow: Workflow, tracker: Tracker, wanted: Completion, asker: Asker, now: int) -> Plan:
    """The current step is done, and the next one rings. Raises Refused; `already` if the step was done before."""
    item_id = wanted.item_id
    if item_id is not None and tracker.item_id != item_id:
        if any(done.item_id == item_id for done in tracker.completed):
            raise Refused(Refusal.ALREADY, f"{item_id!r} is done; the current step is {tracker.item_id!r}")
        raise Refused(Refusal.UNKNOWN_ITEM, f"{item_id!r} is not the current step: that is {tracker.item_id!r}")
    step = _current(workflow, tracker)
    done = Completed(item_id=step.item.id, item_name=step.item.item_name, at=rfc3339(now), by=asker.by)
    tracker = replace(tracker, completed=(*tracker.completed, done)[-COMPLETED_MAX:])
    commands: tuple[Command, ...] = (
        CompleteStep(step_id=step.item.id, by=asker.by, notes=wanted.notes, address=asker.address),
    )
    following = next_step(workflow, step.item.id)
    if following is None:
        ended = replace(tracker, item_id=None, since=rfc3339(now), late_at=None, version=tracker.version + 1)
        return Plan(commands, ended, None)
    tracker = _on(tracker, following, now)
    return Plan((*commands, _ring(workflow, tracker, following)), tracker, following.item.id)


def _current(workflow: Workflow, tracker: Tracker) -> PlacedItem:
    if tracker.item_id is None:
        raise Refused(Refusal.FINISHED, f"the project is finished since {tracker.since}")
    step = step_of(workflow, tracker.item_id)
    if step is None:
        raise Refused(
            Refusal.UNKNOWN_ITEM,
            f"the current step {tracker.item_id!r} is not in the workflow {workflow.id!r} any more; "
            "set the project's tracker to one that is",
        )
    return step


def _on(tracker: Tracker, step: PlacedItem, now: int) -> Tracker:
    late_at = now + step.item.alert_days * DAY_S * SECOND_US
    return replace(
        tracker, item_id=step.item.id, since=rfc3339(now), late_at=rfc3339(late_at), version=tracker.version + 1
    )


def _ring(workflow: Workflow, tracker: Tracker, step: PlacedItem) -> Ring:
    role = step.item.responsible_role
    labels = {"workflow": workflow.id, "phase": step.phase, "section": step.section}
    return Ring(
        alert_type=ALERT_TYPE,
        severity=Severity.WARNING,
        title=step.item.item_name,
        message=f"{step.phase} / {step.section}" + (f": {role}" if role else ""),
        labels=labels | ({"responsible_role": role} if role else {}),
        project_id=tracker.project_id,
        assigned_to=tracker.assignees.get(role),
        step_id=step.item.id,
        suppression_s=float(step.item.alert_days * DAY_S),
    )
