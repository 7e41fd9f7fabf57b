"""Which step comes next, what rings there, and what is refused: without a store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.progress import Removing, Ringing, Setting, Task, What, move
from engine.core.workflow import Asker, check_workflow, next_step, plan_setting, step_of, steps_of
from protocol.commands import CompleteStep, Ring
from protocol.effects import Recalled
from protocol.model import ChannelKey
from protocol.times import SECOND_US, rfc3339
from protocol.workflows import (
    Completion,
    LineItem,
    Move,
    Phase,
    ProjectPlace,
    Section,
    Tracker,
    TrackerInput,
    Workflow,
)
from tests.support.stores import NOW, new_id
from tests.support.workflows import MACHINE, a_workflow

DAY_US = 86_400 * SECOND_US
ANN = Asker("ann", "::1")


def a_tracker(item: str | None = "i0", **more: Any) -> Tracker:
    return Tracker(
        **{
            "project_id": "42", "workflow_id": "roofing", "item_id": item, "since": rfc3339(NOW), "late_at": None,
            "version": 3,
        } | more
    )  # fmt: skip


def moved(what: What, tracker: Tracker | None = None, workflow: Workflow | None = None) -> Move:
    """What becomes of a project that stands there."""
    place = None
    if tracker is not None:
        place = ProjectPlace(tracker=tracker, workflow=workflow, recalled=Recalled(epoch="e", offset=0))
    task = Task(key=ChannelKey("acme", "42"), what=what, by="ann", now=NOW, batch_id=new_id())
    return move(task, place, {workflow.id: workflow} if workflow else {}, MACHINE)


@given(active=st.lists(st.booleans(), min_size=1, max_size=12), start=st.integers(0, 11))
def test_the_next_step_is_the_first_active_one_behind_the_current(active: list[bool], start: int) -> None:
    start %= len(active)
    workflow = a_workflow(len(active), inactive=[number for number, is_active in enumerate(active) if not is_active])
    expected = next((f"i{n}" for n in range(start + 1, len(active)) if active[n]), None)
    following = next_step(workflow, f"i{start}")
    assert (following.item.id if following else None) == expected
    first = next_step(workflow)
    assert (first.item.id if first else None) == next((f"i{n}" for n in range(len(active)) if active[n]), None)


def test_behind_a_step_that_is_not_there_comes_none() -> None:
    assert next_step(a_workflow(3), "gone") is None


def test_steps_know_their_section_and_phase() -> None:
    assert [(step.item.id, step.section, step.phase) for step in steps_of(a_workflow(2))] == [
        ("i0", "Start", "BUILD"), ("i1", "End", "BUILD"),
    ]  # fmt: skip
    assert step_of(a_workflow(2), "i7") is None


def test_a_step_is_late_after_its_days_and_may_be_nobodys() -> None:
    item = LineItem(id="dig", item_name="Dig", alert_days=3)
    section = Section(display_name="Ground", items=(item,))
    workflow = Workflow(id="roofing", phases=(Phase(phase_type="BUILD", sections=(section,)),))
    plan = plan_setting(workflow, None, "42", TrackerInput(workflow_id="roofing"), ANN, NOW)
    assert plan.tracker is not None
    assert (plan.tracker.item_id, plan.tracker.late_at) == ("dig", rfc3339(NOW + 3 * DAY_US))
    rung = moved(Ringing(), plan.tracker, workflow)
    assert rung.commit is not None
    (ring,) = rung.commit.batch.commands
    assert isinstance(ring, Ring)
    assert (ring.message, ring.assigned_to, ring.suppression_s) == ("BUILD / Ground", None, 3 * 86_400.0)
    assert ring.labels == {"workflow": "roofing", "phase": "BUILD", "section": "Ground"}


def test_a_project_on_its_last_step_is_finished_by_completing_it() -> None:
    done = moved(Completion(project_id="42"), a_tracker("i2"), a_workflow(3))
    assert (done.result.status.value, done.result.item_id, done.result.alert_id) == ("finished", None, None)
    assert done.tracker is not None
    assert (done.tracker.item_id, done.tracker.late_at, done.tracker.version) == (None, None, 4)
    assert done.commit is None, "there was no alert to resolve"


def test_only_so_many_completed_steps_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.core.workflow.COMPLETED_MAX", 1)
    first = moved(Completion(project_id="42"), a_tracker("i0"), a_workflow(3)).tracker
    assert first is not None
    second = moved(Completion(project_id="42"), first, a_workflow(3)).tracker
    assert second is not None
    assert [done.item_id for done in second.completed] == ["i1"]


def test_assignees_change_without_touching_the_step() -> None:
    wanted = TrackerInput(workflow_id="roofing", assignees={"foreman": "gina"})
    changed = moved(Setting(wanted, 3), a_tracker("i1"), a_workflow(3))
    assert changed.tracker == replace(a_tracker("i1"), assignees={"foreman": "gina"}, version=4)
    assert changed.commit is None


def test_a_project_that_is_set_elsewhere_leaves_its_step() -> None:
    plan = plan_setting(
        a_workflow(3), a_tracker("i1"), "42", TrackerInput(workflow_id="roofing", item_id="i0"), ANN, NOW
    )
    assert plan.commands == (CompleteStep(step_id="i1", by="ann", address="::1"),)
    finished = plan_setting(
        a_workflow(3), a_tracker(None), "42", TrackerInput(workflow_id="roofing", item_id="i0"), ANN, NOW
    )
    assert finished.commands == ()


@pytest.mark.parametrize(
    ("what", "tracker", "workflow", "reason", "said"),
    [
        (Ringing(), None, a_workflow(), "unknown_project", "follows no workflow"),
        (Ringing(), a_tracker(), None, "unknown_workflow", "there is no workflow 'roofing'"),
        (Ringing(), a_tracker(None), a_workflow(), "finished", "finished since"),
        (Ringing(), a_tracker("gone"), a_workflow(), "unknown_item", "not in the workflow"),
        (Ringing(), a_tracker("i0"), a_workflow(inactive=[0]), "inactive", "not active"),
        (Removing(3), None, None, "unknown_project", "follows no workflow"),
        (Removing(2), a_tracker(), None, "conflict", "has version 3 now, not 2"),
        (Removing(0), a_tracker(), None, "conflict", "follows roofing already, version 3: with If-Match: "),
        (Setting(TrackerInput(workflow_id="roofing"), 1), None, a_workflow(), "conflict", "has no tracker now"),
        (Setting(TrackerInput(workflow_id="x"), None), None, a_workflow(), "unknown_workflow", "no workflow 'x'"),
        (
            Setting(TrackerInput(workflow_id="roofing"), 0), None, a_workflow(1, inactive=[0]), "unknown_item",
            "no active line item",
        ),
        (
            Setting(TrackerInput(workflow_id="roofing", item_id="i9"), 0), None, a_workflow(), "unknown_item",
            "has no line item 'i9'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_with_its_reason(
    what: What, tracker: Tracker | None, workflow: Workflow | None, reason: str, said: str
) -> None:
    refused = moved(what, tracker, workflow)
    assert (refused.result.status.value, refused.result.reason) == ("rejected", reason)
    assert said in str(refused.result.message)
    assert (refused.commit, refused.tracker, refused.removed, refused.act) == (None,) * 4


def test_a_project_that_leaves_its_workflow_takes_its_tracker_along() -> None:
    gone = moved(Removing(None), a_tracker("i1"), a_workflow())
    assert (gone.removed, gone.result.status.value) == ("42", "set")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "trackers"}, "is a word of the API"),
        ({"phases": (Phase(phase_type="BUILD", sections=()),)}, "there is no line item"),
        ({"phases": a_workflow(501).phases}, "ITEMS_MAX (500) is the limit"),
        (
            {"phases": a_workflow().phases * 2},
            "two line items have the id 'i0'; each needs its own, such as 'i0-2'",
        ),
    ],
)
def test_a_definition_that_cannot_work_is_refused_with_an_example(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r"id|phases") as fault:
        check_workflow(replace(a_workflow(), **changes))
    assert said in str(fault.value)


def test_a_definition_of_many_items_is_fine() -> None:
    check_workflow(a_workflow(500))
