"""Jobs in hand: each is done in a task of its own with a deadline, settled together with others, its lease kept.

Owns: the jobs in hand, what is done and not yet settled, and when each lease was last asked for. Talks to: the desk
(what a job means), the store (renew, settle). Waits for the store, never for a job: whatever happens in one stays in it
and is a failed attempt. A job is in hand until its settlement has been answered, so nothing here grows beyond what was
claimed. Without a renewal for too long it is given up, before somebody else may have it; past its deadline it is not
renewed, so that one that cannot be stopped is somebody's again. If this crashes all is forgotten, and the leases end.

Decided against: a lease for each job renewed by its own task (a statement each).
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import structlog
import trio

from actors.bell import Bell
from actors.ports import JobBoard, JobDesk, JobObserver
from protocol.errors import StoreUnavailable
from protocol.jobs import Claimed, Held, Lease, Queue, Settlement, Shares, Verdict

log = structlog.get_logger()

# A traceback is for reading, not for keeping: its end says most.
TRACEBACK_MAX_CHARS = 8_000
# A settlement that the store did not take is tried again: after this, then twice as long, up to the pause of a poll.
SETTLE_AGAIN_S = 0.05


@dataclass(frozen=True)
class WorkerLimits:
    """Bounds of one node's workers."""

    slots: Mapping[Queue, int]
    # One target that hangs holds no more; the others of its queue are reached meanwhile.
    target_slots: int = 4
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

    def shares(self, in_hand: Mapping[Held, int]) -> Shares:
        """What is left to targets: half of a queue to one workspace, and of 8 slots one to what has no target."""
        return Shares(
            each=self.target_slots,
            of_workspace={queue: max(1, slots // 2) for queue, slots in self.slots.items()},
            of_all={queue: slots - slots // 8 for queue, slots in self.slots.items()},
            in_hand=in_hand,
        )


class _End(Enum):
    """Why a job was cancelled; none of these: its deadline."""

    LOST = "lost"
    RELEASED = "released"


@dataclass(eq=False)
class _Hand:
    """A job in hand. `kept`: when its lease was last asked for, by the clock that cannot be set."""

    claimed: Claimed
    began: float
    kept: float
    scope: trio.CancelScope
    is_over: bool = False
    end: _End | None = None

    def stop(self, end: _End) -> None:
        self.end = self.end or end
        self.scope.cancel()

    @property
    def is_overdue(self) -> bool:
        return not self.is_over and self.scope.cancel_called


class Hands:
    """All jobs that a node has in hand."""

    def __init__(
        self,
        board: JobBoard,
        desk: JobDesk,
        observer: JobObserver,
        node: str,
        limits: WorkerLimits,
        on_free: Callable[[], None],
    ) -> None:
        self._board = board
        self._desk = desk
        self._observer = observer
        self._node = node
        self._limits = limits
        self._on_free = on_free
        self._hands: dict[Lease, _Hand] = {}
        self._done: list[tuple[_Hand, Settlement]] = []
        self._has_done = Bell()
        self._is_idle = trio.Event()

    @property
    def active(self) -> Counter[Queue]:
        """How many jobs of each queue are in hand."""
        return Counter(hand.claimed.queue for hand in self._hands.values())

    @property
    def targets(self) -> Counter[Held]:
        """How many jobs of each target are in hand."""
        those = (hand.claimed for hand in self._hands.values())
        return Counter(Held(one.queue, one.workspace, one.target) for one in those if one.target is not None)

    async def run(self, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Settles and renews until the nursery that it starts with, where the jobs are done, is cancelled."""
        try:
            # Outlasts the claiming: what is in hand is finished, settled or handed back before this is cancelled.
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._settle_for_ever)
                    task_status.started(nursery)
                    await self._keep_for_ever()
        finally:
            # Their tasks are gone. Remembered, they would take up slots and be renewed, and nobody would do them.
            self._hands.clear()
            self._done.clear()
            self._is_idle.set()

    def take_up(self, claimed: Claimed, asked: float, nursery: trio.Nursery) -> None:
        """Has a job done whose lease was asked for at `asked`."""
        now = trio.current_time()
        scope = trio.CancelScope(deadline=now + claimed.deadline_s)
        hand = self._hands[claimed.lease] = _Hand(claimed, now, asked, scope)
        nursery.start_soon(self._do, hand)

    async def hand_back(self, grace_ends: float) -> None:
        """Gives what is in hand its grace, then cancels it, and waits until the store has taken it back."""
        with trio.CancelScope(deadline=grace_ends):
            await self._all_settled()
        for hand in self._hands.values():
            hand.stop(_End.RELEASED)
        with trio.move_on_after(self._limits.hand_back_s):
            await self._all_settled()
        if self._hands:
            log.error("jobs_not_handed_back", jobs=len(self._hands), until_lease_ends_s=self._limits.lease_s)

    async def keep_leases(self) -> bool:
        """Renews what is in hand, and stops what is ours no more; False: the store did not answer."""
        asked, limits = trio.current_time(), self._limits
        held = {lease: hand for lease, hand in self._hands.items() if not hand.is_overdue}
        oldest = min((hand.kept for hand in held.values()), default=asked)
        # Who was stopped for longer than a lease asks all the same, and briefly: perhaps nobody has missed us.
        patience_ends = max(oldest + limits.give_up_s, asked + (limits.lease_s - limits.give_up_s) / 2)
        try:
            with trio.fail_at(patience_ends):
                lost = await self._board.renew(self._node, list(held), limits.lease_s)
        except (StoreUnavailable, trio.TooSlowError) as fault:
            log.warning("leases_not_renewed", jobs=len(held), cause=str(fault))
            self._give_up()
            return False
        for hand in held.values():
            hand.kept = asked
        for lease in lost:
            held[lease].stop(_End.LOST)
        return True

    def _give_up(self) -> None:
        now = trio.current_time()
        for hand in self._hands.values():
            if now - hand.kept >= self._limits.give_up_s:
                hand.stop(_End.LOST)

    async def _keep_for_ever(self) -> None:
        while True:
            await self.keep_leases()
            await trio.sleep(self._limits.renew_s)

    async def _do(self, hand: _Hand) -> None:
        """The boundary: whatever a job does, it ends here."""
        settlement: Settlement | None = None
        try:
            with hand.scope:
                settlement = await self._desk.do(hand.claimed)
        except BaseException as fault:
            if _is_ours(fault):
                raise
            settlement = self._failed(hand, fault)
        hand.is_over = True
        settlement = settlement or self._cut_short(hand)
        if settlement is None:
            self._observer.lost(hand.claimed.queue)
            self._free(hand)
        else:
            self._done.append((hand, settlement))
            self._has_done.ring()

    def _failed(self, hand: _Hand, fault: BaseException) -> Settlement | None:
        log.warning("job_failed", job=hand.claimed.lease.job, kind=hand.claimed.kind, exc_info=fault)
        if hand.end is not None:
            # It was being stopped: what it raises then is not the job's failure.
            return None
        text = "".join(traceback.format_exception(fault))[-TRACEBACK_MAX_CHARS:]
        return self._desk.failed(hand.claimed, _said(fault), text)

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
        self._on_free()

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
                await trio.sleep(min(self._limits.poll_s, SETTLE_AGAIN_S * 2 ** min(failures - 1, 10)))

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

    async def _all_settled(self) -> None:
        while self._hands:
            self._is_idle = trio.Event()
            await self._is_idle.wait()


def _is_ours(fault: BaseException) -> bool:
    """Whether it is no failure of a job: Ctrl-C, or the end of all jobs. (A job may raise `SystemExit`, and asyncio's
    `CancelledError`, which is no `Exception` either.)"""
    ours = (trio.Cancelled, KeyboardInterrupt)
    return isinstance(fault, ours) or (isinstance(fault, BaseExceptionGroup) and fault.subgroup(ours) is not None)


def _said(fault: BaseException) -> str:
    """What it says of itself, if it can."""
    name = type(fault).__name__
    try:
        return f"{name}: {fault}"
    except Exception:
        return f"{name}, which cannot say what it is about"
