"""Workflows in the store: `progress` moves projects, `trackers` lists them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from engine.stores import CommittedEvents
from engine.stores.tables.progress import Streamed, move_projects
from engine.stores.tables.readers import Readers
from engine.stores.tables.trackers import step_alerts, trackers
from engine.stores.tables.writer import Writer
from engine.stores.workflows import ProjectBatch, StepAlertPage, StepAlertQuery, Told, TrackerPage, TrackerQuery
from protocol.errors import StoreUnavailable
from protocol.model import ChannelKey
from protocol.workflows import Move


class WorkflowTables:
    """The part of `TableStore` that is `engine.stores.workflows.WorkflowStore`."""

    epoch: str
    _writer: Writer
    _readers: Readers
    _clock: Callable[[], int]

    async def move_projects(self, batch: ProjectBatch, tell: Told | None = None) -> Sequence[Move]:
        """Decides and keeps a batch in one transaction. Raises StoreUnavailable, CommitInvalid."""
        job = partial(move_projects, batch=batch, epoch=self.epoch, now_us=self._clock())
        try:
            streamed = await self._writer.run(job, lambda streamed: self._tell(streamed, tell), batch.workspace)
        except StoreUnavailable:
            if self._writer.may_lose_answers:
                self._have_looked(batch)
            raise
        return streamed.moves

    async def trackers(self, query: TrackerQuery) -> TrackerPage:
        """A page of trackers. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(trackers, query=query), workspace=query.workspace)

    async def step_alerts(self, query: StepAlertQuery) -> StepAlertPage:
        """A page of the alerts about steps. Raises BadRequest, StoreUnavailable."""
        return await self._readers.read(partial(step_alerts, query=query), workspace=query.workspace)

    def _have_looked(self, batch: ProjectBatch) -> None:
        """It may have happened all the same, and then nobody is told: whoever follows these projects looks."""
        if self._writer.feed:
            moved = tuple(ChannelKey(batch.workspace, project) for project in batch.projects)
            self._writer.feed([CommittedEvents(batch.workspace, (), moved)])

    def _tell(self, streamed: Streamed, tell: Told | None) -> None:
        if streamed.told and self._writer.feed:
            self._writer.feed(streamed.told)
        self._writer.ring(move.commit.decision.jobs for move in streamed.moves if move.commit)
        if tell is not None:
            tell(streamed.moves)
