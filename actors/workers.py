"""Finds jobs for this node: claims what is due, has it done, and takes over what other nodes have lost.

Owns: whether anything is claimed, and when the next look is. Talks to: the store (claim, sweep), `actors.hands`, which
does what was claimed, and whoever tells other nodes of what is too much for this one. Waits for: the bell (a commit has
made new jobs, a slot is free), the moment when the next delayed one is due, and `poll_s` at most, whatever else is
said. If this crashes, or the process does, its leases end and any node's sweep gives the jobs to somebody else; what
was done twice then is for the desk to make harmless.

Stopped, it claims nothing more, gives what is in hand some seconds, and hands the rest back with its attempt. Decided
against: a task for each slot (it would claim singly).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog
import trio

from actors.bell import Bell
from actors.hands import Hands, WorkerLimits
from actors.ports import Clock, JobBoard, JobDesk, JobObserver
from actors.supervisor import Started
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Queue
from protocol.times import SECOND_US

log = structlog.get_logger()

# By our clock the next job may be due already and by the store's not yet: no busy loop until they agree.
LOOK_AGAIN_S = 0.005


class Workers:
    """All workers of a node."""

    def __init__(
        self, board: JobBoard, desk: JobDesk, observer: JobObserver, clock: Clock, node: str, limits: WorkerLimits
    ) -> None:
        self._board = board
        self._observer = observer
        self._clock = clock
        self._node = node
        self._limits = limits
        # Whom to tell of queues of which this node had no slot left for more; the others have.
        self.on_more: Callable[[frozenset[Queue]], None] = lambda queues: None
        self._bell = Bell()
        self._hands = Hands(board, desk, observer, node, limits, self._bell.ring)
        # Held while the store is giving something out that is not in hand yet.
        self._claiming = trio.Lock()
        # When the grace of what is in hand is over; None: it has not begun.
        self._grace_ends: float | None = None

    def rest(self) -> None:
        """Claims nothing more; what is in hand has its grace from now on: others may have to be stopped first."""
        if self._grace_ends is None:
            self._grace_ends = trio.current_time() + self._limits.grace_s

    def resume(self) -> None:
        """Claims again."""
        self._grace_ends = None
        self._bell.ring()

    def ring(self, queues: frozenset[Queue]) -> None:
        """There may be something to do."""
        if any(self._limits.slots.get(queue) for queue in queues):
            self._bell.ring()

    def has_room(self, queue: Queue) -> bool:
        """Whether something new in this queue is looked for here at once."""
        return queue in self._free_slots()

    @property
    def active(self) -> Counter[Queue]:
        """How many jobs of each queue are in hand."""
        return self._hands.active

    async def run(self, status: Started) -> None:
        """Works until cancelled; then finishes or hands back what is in hand."""
        async with trio.open_nursery() as tasks:
            hands = await tasks.start(self._hands.run)
            try:
                async with trio.open_nursery() as looking:
                    looking.start_soon(self._sweep_for_ever)
                    status.started()
                    await self._claim_for_ever(hands)
            finally:
                # Bounded by the grace and `hand_back_s`: what the store has given out is finished or given back.
                with trio.CancelScope(shield=True):
                    await self._hands.hand_back(self._grace_ends or trio.current_time() + self._limits.grace_s)
                hands.cancel_scope.cancel()

    async def _claim_for_ever(self, hands: trio.Nursery) -> None:
        while True:
            # However much there is to do: who was stopped claims no more. (A claim itself cannot be cancelled.)
            await trio.lowlevel.checkpoint()
            wanted = self._free_slots()
            if not wanted:
                await self._bell.wait(self._limits.poll_s)
                continue
            # Rung from here on: there is more than this claim can see.
            self._bell.clear()
            async with self._claiming:
                asked = trio.current_time()
                claimed = await self._claim(wanted)
                for one in claimed or ():
                    self._observer.started(one.queue, max(0, self._clock() - one.waiting_since) / SECOND_US)
                    self._hands.take_up(one, asked, hands)
            if claimed is None:
                await self._bell.wait(self._limits.poll_s)
            elif more := _filled(claimed, wanted):
                self.on_more(more)
            elif not self._bell.is_rung:
                await self._bell.wait(await self._quiet_s())

    def _free_slots(self) -> dict[Queue, int]:
        if self._grace_ends is not None:
            return {}
        active = self.active
        return {queue: slots - active[queue] for queue, slots in self._limits.slots.items() if slots > active[queue]}

    async def _claim(self, wanted: Mapping[Queue, int]) -> Sequence[Claimed] | None:
        """None: the store did not answer."""
        claimed: Sequence[Claimed] | None = None
        try:
            # Not to be cancelled half-way: what the store has given out must be taken up, or it is lost for a lease.
            with trio.move_on_after(self._limits.give_up_s, shield=True):
                shares = self._limits.shares(self._hands.targets)
                claimed = await self._board.claim(self._node, wanted, self._limits.lease_s, shares)
        except StoreUnavailable as fault:
            log.warning("claim_postponed", cause=str(fault))
        return claimed

    async def _quiet_s(self) -> float:
        """How long to wait if nobody rings."""
        longest = self._limits.poll_s * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, no secret
        try:
            due = await self._board.next_due()
        except StoreUnavailable:
            return longest
        return longest if due is None else min(longest, max(LOOK_AGAIN_S, (due - self._clock()) / SECOND_US))

    async def _sweep_for_ever(self) -> None:
        while True:
            await trio.sleep(self._limits.sweep_s)
            # Ours first: if the clock was set forward, or we were stopped, our leases have ended and we have not. What
            # was being given to us just then is ours, too.
            async with self._claiming:
                pass
            if self.active and not await self._hands.keep_leases():
                continue
            try:
                swept = await self._board.sweep(self._limits.sweep_max)
            except StoreUnavailable as fault:
                log.warning("sweep_postponed", cause=str(fault))
                continue
            if swept.brought_back:
                log.warning("clock_was_ahead", jobs=swept.brought_back)
                self._bell.ring()
            if swept.again or swept.failed:
                log.warning("lost_jobs_swept", again=swept.again, failed=swept.failed)
                self._observer.swept(swept)
                self._bell.ring()


def _filled(claimed: Sequence[Claimed], wanted: Mapping[Queue, int]) -> frozenset[Queue]:
    """The queues that gave all that was asked for: there may be more."""
    given = Counter(one.queue for one in claimed)
    return frozenset(queue for queue, count in wanted.items() if given[queue] >= count)
