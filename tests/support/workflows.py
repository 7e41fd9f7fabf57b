"""Workflows for tests: a small definition, stores that have it, and what is asked of projects."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.core.channel import machine_factory
from engine.core.progress import Ringing, Setting, Task
from engine.core.turn import Policy
from engine.stores import Store
from engine.stores.objects import ObjectChange
from engine.stores.workflows import ProjectBatch
from engine.verbs.workflow_moves import decide_all
from protocol.model import ChannelKey
from protocol.workflows import Completion, LineItem, Move, Phase, Section, TrackerInput, Workflow
from tests.support.stores import NOW, new_id

MACHINE = machine_factory(Policy())
_numbers = itertools.count(1)


def a_workflow(
    items: int = 3, *, inactive: Sequence[int] = (), workflow_id: str = "roofing", days: int = 2
) -> Workflow:
    """Items i0, i1 ... in two sections of one phase; those of even numbers are the foreman's."""
    made = [
        LineItem(
            id=f"i{number}",
            item_name=f"Step {number}",
            responsible_role="" if number % 2 else "foreman",
            alert_days=days,
            is_active=number not in inactive,
        )
        for number in range(items)
    ]
    sections = (
        Section(display_name="Start", items=tuple(made[: items // 2])),
        Section(display_name="End", items=tuple(made[items // 2 :])),
    )
    return Workflow(id=workflow_id, name="Roofing", phases=(Phase(phase_type="BUILD", sections=sections),))


async def keep(store: Store, workflow: Workflow, workspace: str = "acme") -> None:
    """Stores a definition."""
    body = msgspec.json.encode(workflow).decode()
    change = ObjectChange(
        workspace=workspace, kind="workflow", id=workflow.id, body=body, by="ed", at=NOW, verb="create_workflow"
    )
    await store.change_objects([change])


def a_task(project: str, what: Any, *, now: int = NOW, workspace: str = "acme") -> Task:
    return Task(key=ChannelKey(workspace, project), what=what, by="ann", now=now, batch_id=new_id(now))


def a_batch(tasks: Sequence[Task], workflows: Sequence[str] = (), workspace: str = "acme") -> ProjectBatch:
    return ProjectBatch(
        workspace=workspace,
        projects=[task.project for task in tasks],
        decide=functools.partial(decide_all, tasks, MACHINE),
        workflows=workflows,
    )


async def set_on(store: Store, projects: Sequence[str], item: str | None = None, **more: Any) -> Sequence[Move]:
    """Sets projects on the workflow."""
    wanted = TrackerInput(workflow_id="roofing", item_id=item, **more)
    return await store.move_projects(a_batch([a_task(each, Setting(wanted, 0)) for each in projects], ["roofing"]))


async def generate(store: Store, projects: Sequence[str], now: int = NOW) -> Sequence[Move]:
    return await store.move_projects(a_batch([a_task(each, Ringing(), now=now) for each in projects]))


async def advance(store: Store, projects: Sequence[str], now: int = NOW, **more: Any) -> Sequence[Move]:
    tasks = [a_task(each, Completion(project_id=each, **more), now=now) for each in projects]
    return await store.move_projects(a_batch(tasks))


def words(moves: Sequence[Move]) -> list[tuple[str, str, str | None]]:
    """Status, reason and current item of each project."""
    return [(move.result.status.value, move.result.reason, move.result.item_id) for move in moves]
