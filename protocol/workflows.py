"""Workflows: what is to be done on a project, step by step, and how far each project has come.

A workflow is phases of sections of line items, done in the order in which they stand. A project follows one workflow;
its tracker says which line item is current, since when, and who has which role there. The names are the reference's.
A project is a framework: its channel is `alerts:<project>`, also called `project:<id>`. Times are RFC 3339.
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from protocol.effects import Commit, Recalled
from protocol.fields import TITLE_MAX_CHARS, Id, Label, Text, Title

# The longest that anybody waits before a step rings again; a suppression window is at most that long as well.
ALERT_DAYS_MAX = 366
# A building project of the reference has about 100 line items. All of a definition is read for each batch.
ITEMS_MAX = 500
PHASES_MAX = 50
SECTIONS_MAX = 100
ROLES_MAX = 100
# Of one batch. About a fifth of a second of the store's writer, for which everybody else's commits wait.
PROJECTS_MAX = 2_000
# What a tracker remembers: the whole workflow once, if nobody sets the project back.
COMPLETED_MAX = ITEMS_MAX
# The reference's words for an alert of a workflow.
ALERT_TYPE = "Work Flow Line Item"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=TITLE_MAX_CHARS)]


class _Part(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people write: an unknown field is a slip of the pen."""


class LineItem(_Part, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step. `alert_days`: how long it may take; it is late after that, and rings again whenever so long has passed.

    One that is not active is passed over when projects advance, and does not ring.
    """

    id: Id
    item_name: Name
    responsible_role: Label = ""
    alert_days: Annotated[int, msgspec.Meta(ge=0, le=ALERT_DAYS_MAX)] = 1
    is_active: bool = True


class Section(_Part, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Line items that belong together."""

    display_name: Name
    items: Annotated[tuple[LineItem, ...], msgspec.Meta(max_length=ITEMS_MAX)]


class Phase(_Part, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sections of one kind of work."""

    phase_type: Name
    sections: Annotated[tuple[Section, ...], msgspec.Meta(max_length=SECTIONS_MAX)]


class Workflow(_Part, frozen=True, gc=False, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A definition: at most 500 line items in all, each with an id that is its own within the workflow."""

    id: Id
    name: Title = ""
    phases: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1, max_length=PHASES_MAX)]


class Completed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A line item that was done on a project: which, when, by whom."""

    item_id: str
    item_name: str
    at: str
    by: str


class Tracker(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far a project has come. `item_id` null: it is finished, at `since`. `late_at`: when the step is late.

    `assignees`: who has which responsible role on this project. `completed`: what was done, oldest first.
    """

    project_id: str
    workflow_id: str
    item_id: str | None
    since: str
    late_at: str | None
    assignees: dict[str, str] = {}
    completed: tuple[Completed, ...] = ()
    version: int = 1


class Refusal(enum.Enum):
    """Why nothing was done for a project: one word for reply and metric."""

    UNKNOWN_PROJECT = "unknown_project"
    UNKNOWN_WORKFLOW = "unknown_workflow"
    UNKNOWN_ITEM = "unknown_item"
    ALREADY = "already"
    FINISHED = "finished"
    INACTIVE = "inactive"
    TWICE = "twice"
    CONFLICT = "conflict"
    ARCHIVED = "archived"
    FAILED = "failed"


class StepStatus(enum.Enum):
    """What became of one project of a batch."""

    FIRED = "fired"
    REPEATED = "repeated"
    SUPPRESSED = "suppressed"
    ADVANCED = "advanced"
    FINISHED = "finished"
    SET = "set"
    REJECTED = "rejected"


class StepResult(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One project of a batch. `item_id`: what is current now (null: finished, or not known); `alert_id`: its alert.

    `reason`: why its alert rang or did not (`fired`, `duplicate`, `silenced`, ...), or why nothing was done.
    """

    project_id: str
    status: StepStatus
    reason: str
    item_id: str | None = None
    alert_id: str | None = None
    message: str | msgspec.UnsetType = msgspec.UNSET


class Completion(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A step to be completed. `item_id`, if it is given, must be the current one: so the same twice does no harm."""

    project_id: Id
    item_id: Id | None = None
    notes: Text | None = None


class TrackerInput(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A project is set on a workflow. `item_id`: the step that is current (without: as it was, else the first active).

    `assignees`: who has which responsible role there; whose role it is gets the alert of a step.
    """

    workflow_id: Id
    item_id: Id | None = None
    assignees: Annotated[dict[Label, Id], msgspec.Meta(max_length=ROLES_MAX)] = {}


class ProjectPlace(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where a project stands, as the transaction that will move it sees it.

    `recalled` has the rows of alerts of steps only: nothing else of its channel is decided there.
    """

    tracker: Tracker
    workflow: Workflow | None
    recalled: Recalled


class TrackerAct(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of a tracker's history: who changed it how, in which words, from which address, and what is different.

    `before`, `after`: `version` (0: no tracker), `workflow_id`, `item_id` (None: finished), `assignees.<role>`.
    """

    at: int
    by: str
    verb: str
    target: str
    address: str
    notes: str | None = None
    before: dict[str, str | int | None] = {}
    after: dict[str, str | int | None] = {}


class Move(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What was decided about a project: what its channel keeps, and its tracker afterwards (None: as it was).

    `removed`: the project whose tracker goes. `act` is put on record with what it is about. `is_owing`: its channel
    will have something to do when time has passed that nobody else starts it for.
    """

    result: StepResult
    commit: Commit | None = None
    tracker: Tracker | None = None
    removed: str | None = None
    act: TrackerAct | None = None
    is_owing: bool = False
