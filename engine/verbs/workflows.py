"""Workflows: what rings for projects, and moving them on. Every door and embedding programs call this.

A batch is one transaction of the store over the channels of many projects: all of it is stored or nothing. What is done
with each project is decided inside that transaction, from what it sees there, by pure functions: two batches, or a
batch and a trigger, never meet half way. A project for which nothing can be done is a refusal among the results and no
failure of the batch. Channels that run are told by the store's feed that they are behind, before anybody hears of it;
the hints (`new_alert`, ...) follow the commit. What belongs to another workspace does not exist.

Decided against: a command for each channel's mailbox (a thousand transactions, of which some may fail), and starting
the channels of projects that nobody follows (the store knows all that they would).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import structlog
import trio

from actors.ports import Clock, MachineFactory, NewId, OrdersOf
from actors.tracing import CURRENT
from engine.access.audit import AuditTrail, TrailPage
from engine.access.quotas import Quotas
from engine.access.roles import check
from engine.core.progress import NO_TRACKER, Removing, Ringing, Setting, Task, refused
from engine.core.workflow import Refused
from engine.input.commands import check_text
from engine.stores import Store
from engine.stores.workflows import ProjectBatch, StepAlertPage, StepAlertQuery, TrackerPage, TrackerQuery
from engine.verbs.workflow_hints import Hints
from engine.verbs.workflow_moves import decide_all
from protocol.errors import BadRequest, Busy, InternalError, Outdated, TocsinError, UnknownChannel
from protocol.model import ChannelKey, Principal, QuietedBy, Reason
from protocol.names import check_id
from protocol.workflows import (
    PROJECTS_MAX,
    Completion,
    Move,
    Refusal,
    StepResult,
    StepStatus,
    Tracker,
    TrackerInput,
    Workflow,
)

log = structlog.get_logger()
# Why the alert of a step did not ring, whatever became of the step.
_QUIET = frozenset(
    [Reason.DUPLICATE.value, Reason.COOLDOWN.value, Reason.REFRESHED.value, *(by.value for by in QuietedBy)]
)
_COUNTED = [status for status in StepStatus if status is not StepStatus.SET]


@dataclass(frozen=True)
class WorkflowKit:
    """What the verbs are handed. `start`: has a channel run, because something is due there; may raise Busy.

    `why_archived`: why nothing rings on a channel (it was archived); empty: it does. `suppressed` is told of each step
    that did not ring: workspace, channel, reason.
    """

    store: Store
    machine: MachineFactory
    orders: OrdersOf
    clock: Clock
    new_id: NewId
    answer_s: float
    quotas: Quotas
    hints: Hints
    trail: AuditTrail
    start: Callable[[ChannelKey], object]
    why_archived: Callable[[ChannelKey], str]
    suppressed: Callable[[str, str, str], None]


class Workflows:
    """The verbs. All raise TocsinError when a request as a whole is refused."""

    def __init__(self, kit: WorkflowKit) -> None:
        self._kit = kit
        self._counts = dict.fromkeys(
            ["batches", "projects_already", *(f"projects_{word.value}" for word in _COUNTED)], 0
        )

    async def generate(self, who: Principal, project_ids: Sequence[str]) -> list[StepResult]:
        """Rings for the current step of each project, one result per project, in order.

        A step whose alert is open is said once in its `alert_days`, and again when they have passed.
        """
        check(who, "trigger")
        return await self._batch(who, [(project, Ringing()) for project in project_ids])

    async def advance(self, who: Principal, wanted: Sequence[Completion], address: str = "") -> list[StepResult]:
        """Completes the current step of each project and rings for the next one; one result per project, in order.

        Say `item_id`: then the same request twice (after an answer that was lost) moves nothing twice.
        """
        check(who, "respond")
        for each in wanted:
            check_text(each.notes or "", "notes")
            if each.item_id is not None:
                check_id(each.item_id, "item_id")
        return await self._batch(who, [(each.project_id, each) for each in wanted], address)

    async def track(
        self, who: Principal, project_id: str, wanted: TrackerInput, expected: int | None, address: str = ""
    ) -> tuple[Tracker, Workflow | None]:
        """Puts a project on a workflow or on another step; the tracker afterwards.

        `expected`: the version of its tracker (0: it has none, None: any).

        Raises UnknownChannel, BadRequest, Outdated.
        """
        check(who, "edit")
        check_id(wanted.workflow_id, "workflow_id")
        for role, user in wanted.assignees.items():
            check_text(role, "assignees")
            check_id(user, "assignees")
        await self._change(who, project_id, Setting(wanted, expected), [wanted.workflow_id], address)
        return await self.tracker(who, project_id)

    async def untrack(self, who: Principal, project_id: str, expected: int | None, address: str = "") -> None:
        """Takes a project off its workflow; the alert of its step is resolved. Raises as `track`."""
        check(who, "edit")
        await self._change(who, project_id, Removing(expected), [], address)

    async def trackers(self, who: Principal, query: TrackerQuery) -> TrackerPage:
        """A page of trackers. Raises BadRequest."""
        check(who, "read")
        return await self._kit.store.trackers(_for(who, query))

    async def tracker(self, who: Principal, project_id: str) -> tuple[Tracker, Workflow | None]:
        """One project's tracker, and the definition that it follows. Raises UnknownChannel."""
        page = await self.trackers(who, TrackerQuery(workspace="", project_id=check_id(project_id, "project_id")))
        if not page.items:
            raise UnknownChannel(NO_TRACKER)
        return page.items[0], page.workflows.get(page.items[0].workflow_id)

    async def history(self, who: Principal, project_id: str, cursor: str | None, limit: int) -> TrailPage:
        """Who set, advanced and removed a project's tracker, newest first, also of one that is gone.

        Raises UnknownChannel, BadRequest.
        """
        check(who, "read")
        if not _may_see(who, check_id(project_id, "project_id")):
            raise UnknownChannel(NO_TRACKER)
        page = await self._kit.trail.of_tracker(who, project_id, cursor, limit)
        if not page.items and cursor is None:
            raise UnknownChannel(NO_TRACKER)
        return page

    async def alerts(self, who: Principal, query: StepAlertQuery) -> StepAlertPage:
        """A page of the alerts about steps, newest first. Raises BadRequest."""
        check(who, "read")
        return await self._kit.store.step_alerts(_for(who, query))

    def now_us(self) -> int:
        """The time by which steps are late."""
        return self._kit.clock()

    def statistics(self) -> Mapping[str, int]:
        """Counts since the start: batches, and projects by what became of them."""
        return dict(self._counts)

    async def _batch(
        self, who: Principal, asked: Sequence[tuple[str, Ringing | Completion]], address: str = ""
    ) -> list[StepResult]:
        if not 1 <= len(asked) <= PROJECTS_MAX:
            raise BadRequest(f"{len(asked)} projects at once are not allowed: send 1 to {PROJECTS_MAX}")
        self._kit.quotas.workspace_items(who.workspace, len(asked))
        now, refusals, tasks = self._kit.clock(), list[StepResult | None](), dict[str, Task]()
        for project, what in asked:
            refusal = self._refusal(who, check_id(project, "project_id"), tasks)
            refusals.append(refused(project, refusal) if refusal else None)
            if refusal is None:
                tasks[project] = self._task(who, project, what, now, address)
        done = iter(await self._move(who, list(tasks.values())) if tasks else [])
        self._counts["batches"] += 1
        self._count(who.workspace, [refusal for refusal in refusals if refusal is not None])
        return [refusal or next(done).result for refusal in refusals]

    def _count(self, workspace: str, results: Sequence[StepResult]) -> None:
        for result in results:
            if result.status is StepStatus.SET:
                # Somebody set one project on a workflow, or took it off: that is no batch.
                continue
            if result.reason in _QUIET:
                self._kit.suppressed(workspace, result.project_id, result.reason)
            is_behind = result.reason == Refusal.ALREADY.value
            self._counts["projects_already" if is_behind else f"projects_{result.status.value}"] += 1

    def _refusal(self, who: Principal, project: str, tasks: Mapping[str, Task]) -> Refused | None:
        if not _may_see(who, project):
            return Refused(Refusal.UNKNOWN_PROJECT, NO_TRACKER)
        if project in tasks:
            return Refused(Refusal.TWICE, "this project is named twice in the request; only the first counts")
        reason = self._kit.why_archived(ChannelKey(who.workspace, project))
        return Refused(Refusal.ARCHIVED, reason) if reason else None

    async def _change(
        self, who: Principal, project_id: str, what: Setting | Removing, workflows: Sequence[str], address: str
    ) -> None:
        if not _may_see(who, check_id(project_id, "project_id")):
            raise UnknownChannel(NO_TRACKER)
        task = self._task(who, project_id, what, self._kit.clock(), address)
        [done] = await self._move(who, [task], workflows)
        if done.result.status is StepStatus.REJECTED:
            raise _fault(done.result)

    def _task(
        self, who: Principal, project: str, what: Ringing | Completion | Setting | Removing, now: int, address: str
    ) -> Task:
        key = ChannelKey(who.workspace, project)
        kit = self._kit
        return Task(
            key=key, what=what, by=who.user, now=now, batch_id=kit.new_id(), orders=kit.orders(key), address=address
        )

    async def _move(self, who: Principal, tasks: Sequence[Task], workflows: Sequence[str] = ()) -> Sequence[Move]:
        """Has the tasks done, in their order. Raises StoreUnavailable, Busy."""
        kit = self._kit
        batch = ProjectBatch(
            workspace=who.workspace,
            projects=[task.project for task in tasks],
            # Asked here, where the request is: the store decides in a thread, or a loop, of its own.
            decide=functools.partial(decide_all, tasks, kit.machine, trace=CURRENT.get()),
            workflows=workflows,
        )

        def told(moves: Sequence[Move]) -> None:
            kit.hints.tell(who.workspace, moves)
            self._start_owing(tasks, moves)
            if not workflows:
                self._count(who.workspace, [one.result for one in moves])

        with trio.move_on_after(kit.answer_s):
            # Told by the store: what is stored after we have stopped waiting is just as true.
            return await kit.store.move_projects(batch, told)
        raise Busy(f"not stored within {kit.answer_s:g} s, or not known to be: send it again, with item_id")

    def _start_owing(self, tasks: Sequence[Task], moves: Sequence[Move]) -> None:
        left = list[str]()
        cause = ""
        for task, one in zip(tasks, moves, strict=True):
            # A silence that was stored while we waited for the writer: whoever looked then saw no alert here yet.
            is_outdated = self._kit.orders(task.key) is not task.orders
            if (one.is_owing or is_outdated) and one.commit is not None:
                try:
                    self._kit.start(one.commit.key)
                except TocsinError as fault:
                    # What is due comes when somebody uses the channel, or at the next start; the registry counts it.
                    left.append(one.commit.key.framework)
                    cause = fault.message
        if left:
            log.warning("workflow_channels_not_started", channels=len(left), first=left[0], cause=cause)


def _may_see(who: Principal, project: str) -> bool:
    return who.channels is None or project in who.channels


Query = TypeVar("Query", TrackerQuery, StepAlertQuery)


def _for(who: Principal, query: Query) -> Query:
    """The same question, of what `who` may see."""
    return msgspec.structs.replace(query, workspace=who.workspace, projects=who.channels)


def _fault(result: StepResult) -> TocsinError:
    """The error that a refusal is when it is the only answer."""
    message = result.message if isinstance(result.message, str) else ""
    match Refusal(result.reason):
        case Refusal.CONFLICT:
            return Outdated(message)
        case Refusal.UNKNOWN_PROJECT:
            return UnknownChannel(message)
        case Refusal.FAILED:
            return InternalError(message)
        case _:
            return BadRequest(message)
