"""Does jobs: claims what is due, has it done, settles what came of it, and keeps its leases meanwhile.

Owns: the jobs in hand, each a task with a deadline; how many there may be of each queue; what is done and not yet
settled. Talks to: the store (claim, renew, settle, sweep), the desk (what a job means). Waits for: the bell (a commit
has made new jobs), the moment when the next delayed one is due, and a second at most, whatever else is said. Whatever
happens in a job stays in it: it is a failed attempt. If this crashes, or the process does, its leases end and any
node's sweep gives the jobs to somebody else; what was done twice then is for the desk to make harmless.

Stopped, it claims nothing more, gives what is in hand some seconds, and hands the rest back with its attempt. A slot is
free when its settlement has been answered, not before: so nothing here grows beyond the slots. Decided against: a task
for each slot (it would claim singly), a lease for each job renewed by its own task (a statement each).
"""

from __future__ import annotations

import random
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import structlog
import trio

from actors.ports import Clock, JobBoard, JobDesk, JobObserver
from actors.supervisor import Started
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Lease, Queue, Settlement, Verdict
from protocol.times import SECOND_US

log = structlog.get_logger()

# A traceback is for reading, not for keeping: its end says most.
TRACEBACK_MAX_CHARS = 8_000


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds of one node's workers."""

    slots: Mapping[Queue, int]
    # A node that is gone is noticed so long after it last renewed.
    lease_s: float = 30.0
    renew_s: float = 10.0
    # Without an answer to a renewal for so long, what is in hand is given up, well before somebody else may have it.
    give_up_s: float = 20.0
    sweep_s: float = 5.0
    sweep_max: int = 500
    # The bell may be another node's: however quiet it is, look so often.
    poll_s: float = 1.0
    # Completions of so many, or of so long a time, are one transaction.
    settle_max: int = 100
    settle_s: float = 0.005
    # At a stop: for what is in hand, and then for the store to take it back.
    grace_s: float = 6.0
    hand_back_s: float = 2.0


class _End(Enum):
    """Why a job was cancelled; none of these: its deadline."""

    LOST = "lost"
    RELEASED = "released"


@dataclass(eq=False)
class _Hand:
    """A job in hand."""

    claimed: Claimed
    began: float
    scope: trio.CancelScope
    end: _End | None = None

    def stop(self, end: _End) -> None:
        self.end = self.end or end
        self.scope.cancel()


@dataclass
class _Bell:
    """An event that can be set again."""

    event: trio.Event = field(default_factory=trio.Event)

    def ring(self) -> None:
        self.event.set()

    async def wait(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await self.event.wait()
        self.event = trio.Event()


class Workers:
    """All workers of a node."""

    def __init__(
        self, board: JobBoard, desk: JobDesk, observer: JobObserver, clock: Clock, node: str, limits: WorkerLimits
    ) -> None:
        self._board = board
        self._desk = desk
        self._observer = observer
        self._clock = clock
        self._node = node
        self._limits = limits
        self._bell = _Bell()
        self._hands: dict[Lease, _Hand] = {}
        self._done: list[tuple[_Hand, Settlement]] = []
        self._has_done = _Bell()
        self._is_idle = trio.Event()
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

    @property
    def active(self) -> Counter[Queue]:
        """How many jobs of each queue are in hand."""
        return Counter(hand.claimed.queue for hand in self._hands.values())

    async def run(self, status: Started) -> None:
        """Works until cancelled; then finishes or hands back what is in hand."""
        async with trio.open_nursery() as tasks:
            hands = await tasks.start(self._hold_hands)
            try:
                async with trio.open_nursery() as looking:
                    looking.start_soon(self._sweep_for_ever)
                    status.started()
                    await self._claim_for_ever(hands)
            finally:
                with trio.CancelScope(shield=True):
                    await self._hand_back()
                hands.cancel_scope.cancel()

    async def _hold_hands(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Where jobs are done and settled, and leases kept: outlasts the claiming until all is handed back."""
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._settle_for_ever)
                task_status.started(nursery)
                await self._renew_for_ever()

    async def _claim_for_ever(self, hands: trio.Nursery) -> None:
        while True:
            claimed: Sequence[Claimed] = ()
            active = self.active
            wanted = {queue: slots - active[queue] for queue, slots in self._limits.slots.items()}
            if self._grace_ends is None and any(count > 0 for count in wanted.values()):
                # Rung from here on: there is more than this claim can see.
                self._bell = _Bell()
                claimed = await self._claim(wanted)
                for one in claimed:
                    self._take_up(one, hands)
            if not claimed:
                await self._bell.wait(await self._quiet_s())

    async def _claim(self, wanted: Mapping[Queue, int]) -> Sequence[Claimed]:
        claimed: Sequence[Claimed] = ()
        try:
            # Not to be cancelled half-way: what the store has given out must be taken up, or it is lost for a lease.
            with trio.move_on_after(self._limits.give_up_s, shield=True):
                claimed = await self._board.claim(self._node, wanted, self._limits.lease_s)
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
        return longest if due is None else min(longest, max(0.0, (due - self._clock()) / SECOND_US))

    def _take_up(self, claimed: Claimed, hands: trio.Nursery) -> None:
        waited_s = max(0, self._clock() - claimed.waiting_since) / SECOND_US
        self._observer.started(claimed.queue, waited_s)
        scope = trio.CancelScope(deadline=trio.current_time() + claimed.deadline_s)
        hand = self._hands[claimed.lease] = _Hand(claimed, trio.current_time(), scope)
        hands.start_soon(self._do, hand)

    async def _do(self, hand: _Hand) -> None:
        """The boundary: whatever a job does, it ends here."""
        settlement: Settlement | None = None
        try:
            with hand.scope:
                settlement = await self._desk.do(hand.claimed)
        except Exception as fault:
            log.warning("job_failed", job=hand.claimed.lease.job, kind=hand.claimed.kind, exc_info=fault)
            text = "".join(traceback.format_exception(fault))[-TRACEBACK_MAX_CHARS:]
            settlement = self._desk.failed(hand.claimed, f"{type(fault).__name__}: {fault}", text)
        if settlement is None:
            settlement = self._cut_short(hand)
        if settlement is None:
            self._observer.lost(hand.claimed.queue)
            self._free(hand)
        else:
            self._done.append((hand, settlement))
            self._has_done.ring()

    def _cut_short(self, hand: _Hand) -> Settlement | None:
        """What becomes of a job that was cancelled; None: it is not ours any more."""
        if hand.end is _End.LOST:
            return None
        if hand.end is _End.RELEASED:
            return Settlement(lease=hand.claimed.lease, verdict=Verdict.RELEASED)
        return self._desk.failed(hand.claimed, f"deadline: it took longer than {hand.claimed.deadline_s} s")

    def _free(self, hand: _Hand) -> None:
        del self._hands[hand.claimed.lease]
        if not self._hands:
            self._is_idle.set()
        self._bell.ring()

    async def _settle_for_ever(self) -> None:
        failures = 0
        while True:
            if not self._done:
                await self._has_done.wait(self._limits.poll_s)
                continue
            if len(self._done) < min(self._limits.settle_max, len(self._hands)):
                # Others are still at it: those who end within this moment go into the same transaction.
                await trio.sleep(self._limits.settle_s)
            failures = 0 if await self._settle() else failures + 1
            if failures:
                await trio.sleep(min(self._limits.poll_s, 0.05 * 2 ** min(failures, 10)))

    async def _settle(self) -> bool:
        batch = self._done[: self._limits.settle_max]
        try:
            held = await self._board.settle([settlement for _, settlement in batch])
        except StoreUnavailable as fault:
            log.warning("settlement_postponed", jobs=len(batch), cause=str(fault))
            return False
        del self._done[: len(batch)]
        for (hand, settlement), is_held in zip(batch, held, strict=True):
            if is_held:
                self._observer.ended(hand.claimed, settlement.verdict, trio.current_time() - hand.began)
            else:
                self._observer.lost(hand.claimed.queue)
            self._free(hand)
        return True

    async def _renew_for_ever(self) -> None:
        kept = trio.current_time()
        while True:
            try:
                with trio.fail_after(self._limits.give_up_s):
                    lost = await self._board.renew(self._node, list(self._hands), self._limits.lease_s)
            except (StoreUnavailable, trio.TooSlowError) as fault:
                log.warning("leases_not_renewed", jobs=len(self._hands), cause=str(fault))
                lost = list(self._hands) if trio.current_time() - kept >= self._limits.give_up_s else []
            else:
                kept = trio.current_time()
            for lease in lost:
                if lease in self._hands:
                    self._hands[lease].stop(_End.LOST)
            await trio.sleep(self._limits.renew_s)

    async def _sweep_for_ever(self) -> None:
        while True:
            await trio.sleep(self._limits.sweep_s)
            try:
                swept = await self._board.sweep(self._limits.sweep_max)
            except StoreUnavailable as fault:
                log.warning("sweep_postponed", cause=str(fault))
                continue
            if swept.again or swept.failed:
                log.warning("lost_jobs_swept", again=swept.again, failed=swept.failed)
                self._observer.swept(swept)
                self._bell.ring()

    async def _hand_back(self) -> None:
        """Gives what is in hand its grace, then cancels it, and waits until the store has taken it back."""
        ends = self._grace_ends or trio.current_time() + self._limits.grace_s
        with trio.CancelScope(deadline=ends):
            await self._all_settled()
        for hand in self._hands.values():
            hand.stop(_End.RELEASED)
        with trio.move_on_after(self._limits.hand_back_s):
            await self._all_settled()
        if self._hands:
            log.error("jobs_not_handed_back", jobs=len(self._hands), until_lease_ends_s=self._limits.lease_s)

    async def _all_settled(self) -> None:
        while self._hands:
            self._is_idle = trio.Event()
            await self._is_idle.wait()
