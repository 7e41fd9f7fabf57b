"""The part of a store's contract that is about workflows: where projects stand, what is decided, and lists of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from engine.pages import PAGE_DEFAULT
from protocol.model import Alert, AlertState
from protocol.workflows import Move, ProjectPlace, Tracker, Workflow


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch is decided on, as its own transaction sees it: by project, and the definitions by their ids."""

    places: Mapping[str, ProjectPlace]
    workflows: Mapping[str, Workflow]


# Called inside the transaction, perhaps in another thread: pure, and quick. What it is shown stays so until the commit;
# where a store has to try a transaction again it is called again, and only what it said last is kept.
Decide = Callable[[Ground], Sequence[Move]]


# Called on the loop once a batch is stored, after the feed, also if nobody waits for it any more; must not raise.
Told = Callable[[Sequence[Move]], None]


class ProjectBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow batch: which projects are read, which definitions besides those that they follow, and who decides."""

    workspace: str
    projects: Sequence[str]
    decide: Decide
    workflows: Sequence[str] = ()


class TrackerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which trackers of a workspace. `projects`: what the asker may see (None: all). At most one of the filters.

    `late_before_us`: those whose current step was to be done before then, the latest first; else in order of projects.
    """

    workspace: str
    projects: tuple[str, ...] | None = None
    project_id: str | None = None
    workflow_id: str | None = None
    item_id: str | None = None
    late_before_us: int | None = None
    cursor: str | None = None
    limit: int = PAGE_DEFAULT


class TrackerPage(msgspec.Struct, frozen=True, kw_only=True):
    """Trackers with the definitions that they follow, as far as there are any, and where the next page starts."""

    items: list[Tracker]
    workflows: dict[str, Workflow]
    next_cursor: str | None = None


class StepAlertQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts about steps, newest first. `projects`: what the asker may see (None: all)."""

    workspace: str
    projects: tuple[str, ...] | None = None
    project_id: str | None = None
    state: AlertState | None = None
    cursor: str | None = None
    limit: int = PAGE_DEFAULT


class StepAlertPage(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts about steps, newest first, and where the next page starts."""

    items: list[Alert]
    next_cursor: str | None = None


class WorkflowStore(Protocol):
    """What the engine needs of a store for workflows. Everything raises StoreUnavailable."""

    async def move_projects(self, batch: ProjectBatch, tell: Told | None = None) -> Sequence[Move]:
        """Has a batch decided and keeps all of it in one transaction; tells the feed. Raises CommitInvalid."""

    async def trackers(self, query: TrackerQuery) -> TrackerPage:
        """A page of trackers. Raises BadRequest for a bad cursor."""

    async def step_alerts(self, query: StepAlertQuery) -> StepAlertPage:
        """A page of the alerts about steps. Raises BadRequest for a bad cursor."""
