"""Any order of enqueueing, claiming, renewing, settling, sweeping, cancelling, redriving, restarts and clocks that are
set: the store does what a naive model does, which has no indexes, no statements and no transactions."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.retry import after_failure
from engine.stores import Store, open_store
from engine.stores.jobs import KeptJobs
from engine.stores.tables import job_claims
from engine.stores.tables.job_ends import BEHIND_MAX_US
from engine.stores.tables.jobs import AHEAD_US
from protocol.jobs import Held, JobState, Lease, NewJob, Queue, Settlement, Shares, Verdict
from protocol.times import SECOND_US
from tests.support.stores import NOW

LEASE_S = 30.0
QUEUES = (Queue.ALERT, Queue.NOTIFICATION)
KEPT_S = 300
OPEN = (JobState.DELAYED, JobState.WAITING, JobState.ACTIVE)
ENDS = {
    Verdict.COMPLETED: JobState.COMPLETED,
    Verdict.FAILED: JobState.FAILED,
    Verdict.DISCARDED: JobState.DISCARDED,
}
# Most of it happens in one queue, so that it meets.
queues = st.sampled_from([Queue.ALERT, Queue.ALERT, Queue.ALERT, Queue.NOTIFICATION])
prios, nodes = st.integers(0, 3), st.sampled_from(["n1", "n2"])
seconds = st.integers(0, 90)
whoms = st.sampled_from([None, "x", "x", "x", "y"])


@dataclass
class Thing:
    """A job, as the model has it."""

    id: int
    queue: Queue
    prio: int
    run_at: int
    attempts_max: int
    key: str | None
    target: str | None = None
    state: JobState = JobState.WAITING
    attempt: int = 0
    number: int = 0
    node: str = ""
    until: int = 0
    ended: int = 0
    behind: int | None = None

    @property
    def place(self) -> tuple[int, int]:
        return (self.since + self.prio * 60 * SECOND_US, self.id)

    def __post_init__(self) -> None:
        # From when on its waiting counts.
        self.since = self.put_at = self.run_at

    def bring_back(self, now: int) -> None:
        """It was put off while the clock was ahead: it waits as long as was meant, from now on."""
        if self.state is JobState.DELAYED and (ahead := self.put_at - now) > AHEAD_US:
            self.run_at, self.since, self.put_at = self.run_at - ahead, self.since - ahead, now

    def go_on(self, run_at: int, now: int, behind: int | None = None, keeps_age: bool = False) -> None:
        self.behind = behind
        self.put_at = now
        self.run_at = max(run_at, now) if behind is None else now + BEHIND_MAX_US
        self.since = self.since if keeps_age else self.run_at
        self.state = JobState.DELAYED if self.run_at > now else JobState.WAITING


class OnLoop:
    """A store on a trio loop in a thread, called from without."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self._url, self._clock = url, clock
        self._up: SimpleQueue[Any] = SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))
        self._thread.start()
        self._token, self._end, self.store = self._up.get(timeout=170)

    async def _main(self) -> None:
        async with open_store(self._url, clock=self._clock) as store:
            end = trio.Event()
            self._up.put((trio.lowlevel.current_trio_token(), end, store))
            await end.wait()

    def call(self, ask: Callable[[Store], Awaitable[Any]]) -> Any:
        async def on_loop() -> Any:
            return await ask(self.store)

        return trio.from_thread.run(on_loop, trio_token=self._token)

    def close(self) -> None:
        trio.from_thread.run_sync(self._end.set, trio_token=self._token)
        self._thread.join()


class Jobs(RuleBasedStateMachine):
    """The store in memory; `JobsInAFile` has it in a file, which is closed and opened again."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.things: dict[int, Thing] = {}
        self.paused: set[Queue] = set()
        self.leases: list[Lease] = []
        self.folder = tempfile.TemporaryDirectory()
        self.loop = self.open()

    @property
    def url(self) -> str:
        return "memory:"

    def open(self) -> OnLoop:
        return OnLoop(self.url, lambda: self.now)

    def call(self, ask: Callable[[Store], Awaitable[Any]]) -> Any:
        return self.loop.call(ask)

    def teardown(self) -> None:
        self.loop.close()
        self.folder.cleanup()

    def held(self, key: str | None) -> Thing | None:
        """The job that has this key now."""
        of_key = (each for each in self.things.values() if key is not None and each.key == key and each.state in OPEN)
        return next(of_key, None)

    def end(self, thing: Thing, state: JobState) -> None:
        thing.state, thing.ended = state, self.now
        for each in self.things.values():
            if each.behind == thing.id and each.state is JobState.DELAYED:
                each.go_on(self.now, self.now)

    def named(self, name: int | str | None) -> int | None:
        """The job of this number or key, if it has not ended."""
        one = self.things.get(name) if isinstance(name, int) else self.held(name)
        return one.id if one is not None and one.state in OPEN else None

    @initialize(some=st.lists(st.tuples(prios, whoms), min_size=3, max_size=9))
    def start_with(self, some: list[tuple[int, str | None]]) -> None:
        for prio, whom in some:
            self.enqueue(Queue.ALERT, prio, 0, None, 3, whom)

    @rule(
        queue=queues,
        prio=prios,
        delay=seconds,
        key=st.sampled_from([None, "a", "b"]),
        most=st.integers(1, 3),
        whom=whoms,
    )
    def enqueue(self, queue: Queue, prio: int, delay: int, key: str | None, most: int, whom: str | None) -> None:
        run_at = self.now + delay * SECOND_US
        job = NewJob(queue=queue, kind="noop", prio=prio, run_at=run_at, attempts_max=most, key=key, target=whom)
        (made,) = self.call(lambda store: store.enqueue([job]))
        if other := self.held(key):
            assert made == (other.id, False)
            return
        assert made.is_new
        assert made.id not in self.things
        self.things[made.id] = thing = Thing(made.id, queue, prio, run_at, most, key, whom)
        thing.go_on(run_at, self.now)

    @rule(node=nodes, wanted=st.dictionaries(queues, st.integers(0, 3) | st.just(2), min_size=1))
    def claim(self, node: str, wanted: dict[Queue, int]) -> None:
        held = Counter(
            Held(each.queue, "", each.target)
            for each in self.things.values()
            if each.state is JobState.ACTIVE and each.node == node and each.target is not None
        )
        shares = Shares(each=2, in_hand=held)
        claimed = self.call(lambda store: store.claim(node, wanted, LEASE_S, shares))
        for thing in self.things.values():
            if thing.state is JobState.DELAYED and thing.run_at <= self.now:
                thing.state = JobState.WAITING
        expected: list[Thing] = []
        for queue, count in wanted.items():
            waiting = [each for each in self.things.values() if each.state is JobState.WAITING and each.queue is queue]
            taken = 0
            for each in [] if queue in self.paused else sorted(waiting, key=lambda each: each.place):
                place = None if each.target is None else Held(queue, "", each.target)
                if taken < count and (place is None or held[place] < shares.each):
                    taken += 1
                    expected.append(each)
                    held.update([place] if place else [])
        for thing in expected:
            thing.state, thing.attempt, thing.number = JobState.ACTIVE, thing.attempt + 1, thing.number + 1
            thing.node, thing.until = node, self.now + int(LEASE_S * SECOND_US)
        leases = [Lease(each.id, each.number) for each in expected]
        assert [(each.lease, each.attempt) for each in claimed] == [
            (lease, each.attempt) for lease, each in zip(leases, expected, strict=True)
        ]
        assert not set(leases) & set(self.leases), "a lease was given out twice"
        self.leases += leases

    def is_held(self, lease: Lease) -> bool:
        thing = self.things.get(lease.job)
        return thing is not None and thing.state is JobState.ACTIVE and thing.number == lease.number

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), node=nodes)
    def renew(self, data: st.DataObject, node: str) -> None:
        leases = data.draw(st.lists(st.sampled_from(self.leases), max_size=4, unique=True))
        lost = self.call(lambda store: store.renew(node, leases, LEASE_S))
        kept = [lease for lease in leases if self.is_held(lease) and self.things[lease.job].node == node]
        assert lost == [lease for lease in leases if lease not in kept]
        for lease in kept:
            self.things[lease.job].until = self.now + int(LEASE_S * SECOND_US)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), verdicts=st.lists(st.sampled_from(Verdict), min_size=1, max_size=4), delay=seconds)
    def settle(self, data: st.DataObject, verdicts: list[Verdict], delay: int) -> None:
        leases = data.draw(st.lists(st.sampled_from(self.leases), min_size=1, max_size=len(verdicts), unique=True))
        run_at = self.now + delay * SECOND_US
        names = st.sampled_from([None, "a", "b", *self.things])
        batch = [
            Settlement(lease=lease, verdict=of, run_at=run_at, behind=None if of in ENDS else data.draw(names))
            for lease, of in zip(leases, verdicts, strict=False)
        ]
        held = [self.is_held(one.lease) for one in batch]
        assert self.call(lambda store: store.settle(batch)) == held
        counted = [one for one, is_held in zip(batch, held, strict=True) if is_held]
        for one in counted:
            if one.verdict in ENDS:
                self.end(self.things[one.lease.job], ENDS[one.verdict])
        for one in counted:
            if one.verdict not in ENDS:
                thing, ahead = self.things[one.lease.job], self.named(one.behind)
                thing.attempt -= one.verdict in (Verdict.SNOOZED, Verdict.RELEASED)
                thing.go_on(run_at, self.now, None if ahead == thing.id else ahead, one.verdict is Verdict.RELEASED)

    @precondition(lambda self: sum(self.is_held(lease) for lease in self.leases) > 1)
    @rule(data=st.data(), looks=st.booleans())
    def wait_for_another(self, data: st.DataObject, looks: bool) -> None:
        """One waits for another, which ends. If it has begun again by itself meanwhile, it is left alone."""
        mine = [lease for lease in self.leases if self.is_held(lease)]
        ahead, behind = data.draw(st.permutations(mine))[:2]
        self.put_off(behind, ahead.job)
        if looks:
            self.now += BEHIND_MAX_US
            self.claim("n1", dict.fromkeys(QUEUES, 3))
        assert self.call(lambda store: store.settle([Settlement(lease=ahead, verdict=Verdict.COMPLETED)])) == [True]
        self.end(self.things[ahead.job], JobState.COMPLETED)
        self.each_job_is_as_the_model_has_it()

    def put_off(self, lease: Lease, ahead: int) -> None:
        one = Settlement(lease=lease, verdict=Verdict.SNOOZED, behind=ahead)
        assert self.call(lambda store: store.settle([one])) == [True]
        self.things[lease.job].attempt -= 1
        self.things[lease.job].go_on(self.now, self.now, ahead)

    @rule()
    def sweep(self) -> None:
        lost = [each for each in self.things.values() if each.state is JobState.ACTIVE and each.until <= self.now]
        swept = self.call(lambda store: store.sweep(100))
        for each in self.things.values():
            each.bring_back(self.now)
        for thing in lost:
            then = after_failure(thing.id, thing.attempt, thing.attempts_max, self.now)
            if then.verdict is Verdict.FAILED:
                self.end(thing, JobState.FAILED)
            else:
                thing.go_on(then.run_at, self.now)
        failed = sum(each.state is JobState.FAILED for each in lost)
        assert (swept.again, swept.failed) == (len(lost) - failed, failed)

    @precondition(lambda self: any(each.state is JobState.ACTIVE for each in self.things.values()))
    @rule(node=nodes)
    def lose_and_claim_again(self, node: str) -> None:
        self.now += int(LEASE_S * SECOND_US)
        self.sweep()
        self.now += 10 * SECOND_US
        self.claim(node, dict.fromkeys(QUEUES, 3))

    @property
    def outdated(self) -> list[Lease]:
        """Leases that were lost, of jobs that are under a newer one now."""
        active = {each.id for each in self.things.values() if each.state is JobState.ACTIVE}
        return [lease for lease in self.leases if lease.job in active and not self.is_held(lease)]

    @precondition(lambda self: self.outdated)
    @rule(data=st.data())
    def renew_what_was_lost(self, data: st.DataObject) -> None:
        """The newer lease of the same job, of the same node, is not kept by it: it ends when it would have."""
        lease = data.draw(st.sampled_from(self.outdated))
        thing = self.things[lease.job]
        self.now = max(self.now, thing.until - SECOND_US)
        assert self.call(lambda store: store.renew(thing.node, [lease], LEASE_S)) == [lease]
        self.now = max(self.now, thing.until)
        self.sweep()

    @precondition(lambda self: self.things)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from(list(self.things.values())))
        self.call(lambda store: store.cancel(None, thing.id))
        if thing.state in OPEN:
            self.end(thing, JobState.CANCELLED)

    def again(self, thing: Thing, *states: JobState) -> bool:
        if thing.state not in states or self.held(thing.key):
            return False
        thing.go_on(self.now, self.now)
        thing.attempt = 0
        return True

    @precondition(lambda self: self.things)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from(list(self.things.values())))
        self.call(lambda store: store.redrive(None, thing.id))
        self.again(thing, JobState.FAILED, JobState.CANCELLED)

    @rule(queue=queues)
    def redrive_failed(self, queue: Queue) -> None:
        count = self.call(lambda store: store.redrive_failed(queue, 100))
        # What has failed after now, by a clock that was set back since, is not among those that had failed by now.
        known = (each for each in self.things.values() if each.queue is queue and each.ended <= self.now)
        failed = sorted(known, key=lambda each: (each.ended, each.id))
        assert count == sum(self.again(each, JobState.FAILED) for each in failed)

    @rule(queue=queues, is_paused=st.booleans())
    def pause(self, queue: Queue, is_paused: bool) -> None:
        self.call(lambda store: store.pause(queue, is_paused))
        (self.paused.add if is_paused else self.paused.discard)(queue)

    @rule(by=st.integers(-60, 120))
    def set_clock(self, by: int) -> None:
        self.now += by * SECOND_US

    @rule()
    def prune(self) -> None:
        kept = dict.fromkeys(QUEUES, KeptJobs(done_s=KEPT_S, failed_s=KEPT_S))
        old = [
            each.id
            for each in self.things.values()
            if each.state not in OPEN and each.ended <= self.now - KEPT_S * SECOND_US
        ]
        assert self.call(lambda store: store.prune(kept, 100)) == len(old)
        for number in old:
            del self.things[number]
            assert self.call(lambda store, number=number: store.job(None, number)) is None

    @invariant()
    def each_job_is_as_the_model_has_it(self) -> None:
        async def ask(store: Store) -> list[Any]:
            return [await store.job(None, number) for number in self.things]

        for job, thing in zip(self.call(ask), self.things.values(), strict=True):
            assert job is not None
            assert (job.state, job.attempt, job.run_at) == (thing.state, thing.attempt, thing.run_at), thing

    @invariant()
    def queues_are_counted_right(self) -> None:
        counts = self.call(lambda store: store.queue_counts())
        states = Counter((each.queue, each.state) for each in self.things.values())
        for queue in QUEUES:
            found = counts[queue]
            assert (found.waiting, found.delayed, found.active, found.completed, found.failed) == tuple(
                states[queue, state] for state in (JobState.WAITING, *OPEN[::2], JobState.COMPLETED, JobState.FAILED)
            )
            assert found.is_paused is (queue in self.paused)


class JobsInAFile(Jobs):
    """The same in a file; what was written is there after a restart, and all leases have ended."""

    @property
    def url(self) -> str:
        return f"sqlite:///{Path(self.folder.name) / 'store.db'}"

    @rule()
    def restart(self) -> None:
        self.loop.close()
        self.loop = self.open()
        for thing in self.things.values():
            thing.until = 0


class JobsBehindFullTargets(Jobs):
    """The same where targets are gone through one by one as soon as the first two that wait are not enough."""

    def __init__(self) -> None:
        self.front, job_claims.FRONT = job_claims.FRONT, 2
        super().__init__()

    def teardown(self) -> None:
        job_claims.FRONT = self.front
        super().teardown()


TestJobsBehindFullTargets = JobsBehindFullTargets.TestCase
TestJobsBehindFullTargets.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestJobsInMemory = Jobs.TestCase
TestJobsInMemory.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestJobsInAFile = JobsInAFile.TestCase
TestJobsInAFile.settings = settings(max_examples=8, stateful_step_count=30, deadline=None)
