"""Definitions of workflows as objects: kept with versions and history, changed by who may edit, read by all.

Nobody keeps them in memory: a batch reads those that its projects follow, within its own transaction.
"""

from __future__ import annotations

from engine.core.workflow import check_workflow
from engine.shelf.kinds import Kind
from protocol.errors import BadRequest
from protocol.model import Principal
from protocol.names import check_id
from protocol.workflows import Workflow

# The name that the store's statements know them by.
WORKFLOW = "workflow"


def workflow_kind(workflows_max: int) -> Kind[Workflow]:
    """What a workflow is as an object."""
    return Kind(
        name=WORKFLOW,
        type=Workflow,
        objects_max=workflows_max,
        setting="objects.workflows_max",
        prepare=checked_workflow,
    )


def checked_workflow(_: Principal, workflow: Workflow) -> Workflow:
    """A definition as it is kept. Raises BadRequest that names what cannot work."""
    try:
        check_workflow(workflow)
    except ValueError as fault:
        raise BadRequest(str(fault)) from fault
    for phase in workflow.phases:
        for section in phase.sections:
            for item in section.items:
                check_id(item.id, "phases: the line item id")
    return workflow
