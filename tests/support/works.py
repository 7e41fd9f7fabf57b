"""Jobs, queues and schedules behind their doors, without an engine: a store in memory, workers on demand, HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import trio

from engine.access.audit import AuditTrail
from engine.access.revocation import Revocations
from engine.cache.cache import Cache
from engine.cache.jobs import cache_schedules
from engine.cache.memory import Memory
from engine.http.jobs import job_routes, queue_metrics_router
from engine.http.operators import PeerAddress
from engine.http.schedules import schedule_routes
from engine.ids import IdSource
from engine.jobs.handed import HandOver, generate_kind, ring_kind
from engine.jobs.kinds import Done, Kind
from engine.jobs.own import Given, follow_schedules, schedule_kind
from engine.jobs.schedules import ScheduleVerbs
from engine.jobs.verbs import JobVerbs
from engine.jobs.works import Works, build_works
from engine.sections.jobs import Jobs, ScheduleSetting
from engine.shelf.catalogue import ShelfKit
from engine.shelf.live import LiveObjects, ObjectFigures
from engine.shelf.objects import Shelf
from engine.stores import Store
from engine.stores.workflows import TrackerPage, TrackerQuery
from protocol.items import ItemResult, TriggerInput
from protocol.jobs import Claimed, NewJob, Queue
from protocol.limits import Limit
from protocol.model import Principal, Reason, Status
from protocol.workflows import StepResult, StepStatus, Tracker
from tests.support.http_api import client_of, make_app
from tests.support.http_service import FakeService
from tests.support.jobs import clock, job_store

# Hours pass quickly if nobody looks meanwhile.
QUIET = Jobs(poll_s=60.0, sweep_s=300.0, lease_s=600.0)
RUNG = ItemResult(status=Status.FIRED, reason=Reason.FIRED)
BUSY = ItemResult(status=Status.REJECTED, reason=Reason.BUSY)


class Word(msgspec.Struct, frozen=True):
    """What the kind `say` is given."""

    text: str = ""


@dataclass
class Workshop:
    """All of it. `doing` is what a job of the kind `say` does; `rung` and `generated` are who asked for what."""

    store: Store
    refused: list[Limit] = field(default_factory=list)
    rung: list[tuple[Principal, Sequence[TriggerInput]]] = field(default_factory=list)
    generated: list[tuple[Principal, Sequence[str]]] = field(default_factory=list)
    # What ringing answers, in turn; RUNG when there is no more.
    answers: list[ItemResult | Exception] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    trackers: list[str] = field(default_factory=list)
    # Projects that are refused, and why.
    refuses: dict[str, str] = field(default_factory=dict)
    doing: Callable[[Claimed, Word], Awaitable[Any]] | None = None
    most: int = 3
    settings: Sequence[ScheduleSetting] = ()

    def __post_init__(self) -> None:
        self.revocations = Revocations()
        self.ring = ring_kind(self._ring, self.revocations.covers)
        self.generate = generate_kind(self._generate, self._trackers, self.revocations.covers)
        say = Kind(name="say", queue=Queue.NOTIFICATION, args=Word, run=self._say)
        kinds = [self.ring, self.generate, say]
        self.works: Works = build_works(
            self.store, QUIET, clock, kinds, cache_schedules(Cache(Memory(0, 0))), self.settings, "acme"
        )
        self.trail = AuditTrail(self.store, clock, 10.0)
        self.jobs = JobVerbs(self.store, self.works.kinds, self.works.counts, self.trail)
        figures = ObjectFigures()
        self.live = LiveObjects(self.store, figures)
        given = Given(self.works.scheduler.schedules)
        kind = schedule_kind(given, self.works.kinds, 3, clock)
        follow = follow_schedules(self.works.scheduler, self.works.kinds, given, kind, figures)
        self.live.follow(kind.name, follow)
        kit = ShelfKit(self.store, clock, IdSource(clock), 10.0, self.live, self.refused.append)
        shelf = Shelf(kind, kit)
        self.schedules = ScheduleVerbs(shelf, self.store, self.works.scheduler, self.trail, clock)
        self._ids = iter(range(10_000))
        self.handed = HandOver(
            self.store, self.ring, self.generate, lambda: str(next(self._ids)), self.most, self.refused.append
        )

    async def _say(self, claimed: Claimed, args: Word) -> Any:
        return Done(result=args.text) if self.doing is None else await self.doing(claimed, args)

    async def _ring(self, who: Principal, inputs: Sequence[TriggerInput]) -> list[ItemResult]:
        self.rung.append((who, inputs))
        return [self._answer() for _ in inputs]

    def _answer(self) -> ItemResult:
        answer = self.answers.pop(0) if self.answers else RUNG
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _generate(self, who: Principal, projects: Sequence[str]) -> list[StepResult]:
        if self.faults:
            raise self.faults.pop(0)
        self.generated.append((who, projects))
        return [
            StepResult(project_id=each, status=StepStatus.REJECTED, reason=self.refuses[each])
            if each in self.refuses
            else StepResult(project_id=each, status=StepStatus.FIRED, reason="fired")
            for each in projects
        ]

    async def _trackers(self, who: Principal, query: TrackerQuery) -> TrackerPage:
        start = int(query.cursor or 0)
        names = self.trackers[start : start + 2]
        items = [Tracker(project_id=name, workflow_id="w", item_id="i", since="", late_at=None) for name in names]
        more = start + 2 < len(self.trackers)
        return TrackerPage(items=items, workflows={}, next_cursor=str(start + 2) if more else None)

    async def work(self, seconds: float = 0.5) -> None:
        """Has the workers work so long, and schedules fire."""

        async def work(task_status: trio.TaskStatus[None]) -> None:
            await self.works.workers.run(task_status)

        async def fire(task_status: trio.TaskStatus[None]) -> None:
            await self.works.scheduler.run(task_status)

        async with trio.open_nursery() as nursery:
            await nursery.start(work)
            await nursery.start(fire)
            await trio.sleep(seconds)
            nursery.cancel_scope.cancel()

    async def put(self, **changes: Any) -> int:
        """One job of the kind `say`; its number."""
        changes = {"queue": Queue.NOTIFICATION, "kind": "say", "workspace": "acme", "attempts_max": 1} | changes
        [made] = await self.store.enqueue([NewJob(**changes)])
        return made.id

    def client(self, *people: Principal) -> httpx.AsyncClient:
        """As `tests.support.shelves.Desk.client`."""
        service = FakeService()
        service.principals = {f"{each.user}:{each.role}@{each.workspace}": each for each in people}
        app = make_app(
            service,
            routes=[*job_routes(self.jobs, PeerAddress()), *schedule_routes(self.schedules, PeerAddress())],
            routers=[queue_metrics_router(self.jobs, service)],
            handed=self.handed,
        )
        return client_of(app, headers={"Authorization": f"Bearer {next(iter(service.principals), '')}"})


@asynccontextmanager
async def a_workshop(**changes: Any) -> AsyncIterator[Workshop]:
    async with job_store() as store:
        workshop = Workshop(store, **changes)
        await workshop.live.load()
        yield workshop
