"""The part of the store that is `engine.stores.jobs.JobStore`: who writes, who reads, whom to wake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import trio

from engine.stores.jobs import (
    REDRIVEN_TOGETHER,
    Doorbell,
    Enqueued,
    JobQuery,
    KeptJobs,
    QueueCounts,
    ScheduleState,
)
from engine.stores.tables import job_claims as claims
from engine.stores.tables import job_ends as ends
from engine.stores.tables import job_lists as lists
from engine.stores.tables import jobs as jobs_table
from engine.stores.tables import schedules as schedules_table
from engine.stores.tables.connection import Connection
from engine.stores.tables.delivery_lines import Ended
from engine.stores.tables.readers import Readers
from engine.stores.tables.writer import Writer, only_one
from protocol.jobs import A_FEW_EACH, Claimed, Job, Lease, NewJob, Queue, Settlement, Shares, Swept

T = TypeVar("T")


class _DueSeen(NamedTuple):
    """When the next delayed job is due, as it was after so many changes."""

    changes: int = -1
    due: int | None = None


class JobTables:
    """Each method is one read, or in one transaction of the writer; what workers ask all the time shares one."""

    _writer: Writer
    _readers: Readers
    _clock: Callable[[], int]
    _deliveries_ended: Ended
    _due_seen = _DueSeen()

    def set_doorbell(self, ring: Doorbell) -> None:
        """Whom to tell that there are new jobs."""
        self._writer.doorbell = ring

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Puts jobs into their queues. Raises StoreUnavailable."""
        job = partial(jobs_table.enqueue, jobs=jobs, now=self._clock())
        workspace = only_one(each.workspace for each in jobs)
        return await self._writer.join(job, lambda _: self._writer.ring([jobs]), workspace)

    async def hand_over(self, job: NewJob, prefix: str, most: int) -> Enqueued | None:
        """Puts a job into its queue, once for its key. Raises StoreUnavailable."""
        change = partial(jobs_table.hand_over, job=job, prefix=prefix, most=most, now=self._clock())

        def tell(put: Enqueued | None) -> None:
            self._writer.ring([[job]] if put and put.is_new else [])

        return await self._writer.run(change, tell, job.workspace)

    async def claim(
        self, node: str, wanted: Mapping[Queue, int], lease_s: float, shares: Shares = A_FEW_EACH
    ) -> list[Claimed]:
        """Due jobs, for this node. Raises StoreUnavailable."""
        by, now = claims.Claimer(node, lease_s, shares), self._clock()

        def job(connection: Connection) -> tuple[claims.Claims, int]:
            groups = self._writer.groups_told
            return claims.claim(connection, by, wanted, now), groups

        def tell(found: tuple[claims.Claims, int]) -> None:
            # What was committed beside this claim, and told already, may have put a job off that it has not seen.
            if self._writer.is_in_order or found[1] == self._writer.groups_told:
                self._due_seen = _DueSeen(self._writer.changes, found[0].next_due)

        found, _ = await self._writer.join(job, tell)
        return found.claimed

    async def renew(self, node: str, leases: Sequence[Lease], lease_s: float) -> list[Lease]:
        """Keeps leases; those that are lost. Raises StoreUnavailable."""
        now = self._clock()
        return await self._writer.join(partial(jobs_table.renew, node=node, leases=leases, lease_s=lease_s, now=now))

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Ends claims. Raises StoreUnavailable."""
        job = partial(ends.settle, settlements=settlements, now=self._clock())

        def tell(settled: ends.Settled) -> None:
            self._told(settled)
            self._writer.ring(one.follow for one in settlements)

        return (await self._writer.join(job, tell)).held

    async def sweep(self, limit: int) -> Swept:
        """Takes jobs from those whose lease has ended. Raises StoreUnavailable."""
        job = partial(ends.sweep, limit=limit, now=self._clock())
        swept, _ = await self._writer.run(job, lambda done: self._told(done[1]))
        return swept

    async def next_due(self) -> int | None:
        """When the next delayed job is due; no reader is asked if nothing has changed since a claim, which saw it too.

        Workers ask after each claim: through a reader's thread that was half of what a job cost. Raises
        StoreUnavailable.
        """
        if self._due_seen.changes == self._writer.changes:
            await trio.lowlevel.checkpoint()
            return self._due_seen.due
        return await self._readers.read(jobs_table.next_due)

    async def job(self, workspace: str | None, number: int) -> Job | None:
        """One job. Raises StoreUnavailable."""
        return await self._readers.read(partial(lists.job, workspace=workspace, number=number), workspace=workspace)

    async def jobs(self, query: JobQuery) -> list[Job]:
        """A page of jobs. Raises StoreUnavailable."""
        return await self._readers.read(partial(lists.jobs, query=query), workspace=query.workspace)

    async def cancel(self, workspace: str | None, number: int) -> Job | None:
        """Ends a job that has not ended. Raises StoreUnavailable."""
        return await self._change(workspace, number, ends.cancel, self._told)

    async def redrive(self, workspace: str | None, number: int) -> Job | None:
        """Has an ended job done once more. Raises StoreUnavailable."""
        job = await self._change(workspace, number, ends.redrive, lambda _: None)
        if job is not None:
            self._writer.ring_of([job.queue])
        return job

    async def redrive_failed(self, queue: Queue, limit: int) -> int:
        """Has failed jobs of a queue done once more. Raises StoreUnavailable."""
        failed_until = self._clock()
        count = 0
        while count < limit:
            most = min(REDRIVEN_TOGETHER, limit - count)
            job = partial(ends.redrive_failed, queue=queue, limit=most, until=failed_until, now=self._clock())
            again = await self._writer.run(job, lambda some: self._writer.ring_of([queue] if some else []))
            if not again:
                break
            count += again
        return count

    async def pause(self, queue: Queue, is_paused: bool) -> None:
        """Whether jobs of this queue are claimed. Raises StoreUnavailable."""
        at = self._clock() if is_paused else None
        await self._writer.run(partial(jobs_table.pause, queue=queue, paused_at=at))
        if not is_paused:
            self._writer.ring_of([queue])

    async def limit(self, queue: Queue, most: int | None) -> None:
        """At most so many jobs of this queue at a time. Raises StoreUnavailable."""
        job = partial(jobs_table.limit, queue=queue, most=most)
        await self._writer.run(job, lambda _: self._writer.ring_of([queue]))

    async def queue_counts(self) -> dict[Queue, QueueCounts]:
        """How each queue stands. Raises StoreUnavailable."""
        return await self._readers.read(partial(lists.queue_counts, now=self._clock()))

    async def prune(self, kept: Mapping[Queue, KeptJobs], limit: int) -> int:
        """Deletes ended jobs that are kept no longer. Raises StoreUnavailable."""
        return await self._writer.run(partial(ends.prune, kept=kept, limit=limit, now=self._clock()))

    async def schedules(self, names: Sequence[str] | None = None) -> dict[str, ScheduleState]:
        """What is known of these schedules, or of all. Raises StoreUnavailable."""
        return await self._readers.read(partial(lists.schedules, names=names))

    async def forget_schedule(self, name: str) -> None:
        """There is no such schedule any more. Raises StoreUnavailable."""
        await self._writer.run(partial(schedules_table.forget_schedule, name=name))

    async def add_schedule(self, name: str, since: int) -> ScheduleState:
        """Makes a schedule known. Raises StoreUnavailable."""
        return await self._writer.run(partial(schedules_table.add_schedule, name=name, since=since))

    async def fire(self, name: str, last_fire: int, fire: int, jobs: Sequence[NewJob], skipped: int = 0) -> int | None:
        """Moves a schedule on and enqueues its jobs. Raises StoreUnavailable."""
        job = partial(
            schedules_table.fire,
            name=name,
            last_fire=last_fire,
            fire=fire,
            jobs=jobs,
            skipped=skipped,
            now=self._clock(),
        )
        return await self._writer.run(job, lambda made: self._writer.ring([jobs] if made else []))

    async def pause_schedule(self, name: str, is_paused: bool) -> bool:
        """Whether it fires by itself. Raises StoreUnavailable."""
        at = self._clock() if is_paused else None
        return await self._writer.run(partial(schedules_table.pause_schedule, name=name, paused_at=at))

    def _told(self, settled: ends.Settled) -> None:
        """On the loop, after the commit."""
        self._deliveries_ended.update(settled.ended)
        self._writer.ring_of(settled.freed)

    async def _change(
        self,
        workspace: str | None,
        number: int,
        change: Callable[[Connection, int, int], T],
        tell: Callable[[T], None],
    ) -> Job | None:
        now = self._clock()

        def job(connection: Connection) -> tuple[Job | None, T] | None:
            if lists.job(connection, workspace, number) is None:
                return None
            done = change(connection, number, now)
            return lists.job(connection, workspace, number), done

        found = await self._writer.run(job, lambda done: None if done is None else tell(done[1]), workspace)
        return None if found is None else found[0]
