"""Restarts what crashes, as an ordered list of children says.

Owns: the children's tasks and their restart histories. Children start in order, each when the one before says that it
has started, and stop in reverse, each with a deadline. When one crashes, it (one-for-one), it and those after it
(rest-for-one) or all (one-for-all) are stopped and started again after a backoff. Past the restart intensity the
supervisor stops everything and raises `TooManyRestarts`: it fails upward, never a half-dead engine.

One loop looks at all children and does the next thing: take an end, start the next one, or wait for a change. We
decided against a queue of ends (an end from before a restart would count against the run after it) and against waiting
for one child to come up (the one that it waits for may just have crashed).
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import trio

from actors.ports import Observer
from actors.restart import Exhausted, RestartHistory, RestartPolicy
from protocol.wording import several

log = structlog.get_logger()


class Started(Protocol):
    """What a child calls once it is ready for those after it: trio's task status."""

    def started(self, value: object = None) -> None:
        """I am up."""


class RestartKind(enum.Enum):
    """Which ends of a child are answered by a restart."""

    PERMANENT = "permanent"  # every end, also a normal one
    TRANSIENT = "transient"  # only a crash
    TEMPORARY = "temporary"  # none


class Strategy(enum.Enum):
    """Who is restarted with a child that crashed."""

    ONE_FOR_ONE = "one_for_one"
    REST_FOR_ONE = "rest_for_one"
    ONE_FOR_ALL = "one_for_all"


@dataclass(frozen=True)
class ChildSpec:
    """One child: its name, how to run it, and what its end means."""

    name: str
    run: Callable[[Started], Awaitable[None]]
    restart: RestartKind = RestartKind.PERMANENT
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    stop_deadline_s: float = 5.0
    # A child that does not say that it has started holds up all after it: by then it counts as crashed. What waits for
    # something outside (a store that is away), or supervises others, has none.
    start_deadline_s: float = 30.0
    # Exceptions that no restart can mend (a wrong setting): they go straight up.
    fatal: tuple[type[Exception], ...] = ()


class StartTimeout(Exception):
    """A child did not say in time that it has started."""


class TooManyRestarts(Exception):
    """A child crashed more often than its policy allows; the last crash is the cause."""


def root_cause(crash: BaseException) -> BaseException:
    """What is inside a group of exceptions, as nurseries make them, if it holds just one."""
    while isinstance(crash, BaseExceptionGroup) and len(crash.exceptions) == 1:
        crash = crash.exceptions[0]
    return crash


class _Run:
    """One run of a child, from its start to its end. It is the `Started` that the child calls."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None]) -> None:
        self._spec = spec
        self._changed = changed
        # Shielded: whoever cancels the supervisor must not take the children down all at once, but in reverse order.
        self.scope = trio.CancelScope(shield=True)
        self.starting = trio.CancelScope()
        self.is_settled = False
        self.over = trio.Event()
        self.crash: Exception | None = None

    def started(self, value: object = None) -> None:
        """The child is up (it calls this itself)."""
        self.is_settled = True
        self.starting.deadline = math.inf
        self._changed()

    async def run(self) -> None:
        """Runs the child; its end is noted here and nowhere else."""
        try:
            with self.scope:
                await self._run_from_its_start()
        except Exception as fault:  # the supervisor is the handler of whatever ends a child
            self.crash = fault
            if self.scope.cancel_called:
                log.error("child_failed_while_stopping", child=self._spec.name, exc_info=fault)
        finally:
            self.is_settled = True
            self.over.set()
            self._changed()

    async def _run_from_its_start(self) -> None:
        self.starting.deadline = trio.current_time() + self._spec.start_deadline_s
        with self.starting:
            await self._spec.run(self)
        if self.starting.cancelled_caught:
            raise StartTimeout(f"{self._spec.name} did not start within {self._spec.start_deadline_s:g} s")


class _Child:
    """One child: its present run, if any, and what it went through."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.history = RestartHistory(spec.policy)
        self.restarts = 0
        self.run: _Run | None = None
        # When it may be started (again), and whether it has ended for good.
        self.due = -math.inf
        self.is_done = False

    @property
    def is_running(self) -> bool:
        return self.run is not None and not self.run.over.is_set()

    @property
    def has_ended(self) -> bool:
        return self.run is not None and self.run.over.is_set()

    @property
    def is_settled(self) -> bool:
        return self.is_done or (self.run is not None and self.run.is_settled)

    async def stop(self) -> None:
        """Cancels the child and waits for its end; one that does not end in time is left behind and logged."""
        if self.run is not None:
            self.run.scope.cancel()
            with trio.move_on_after(self.spec.stop_deadline_s):
                await self.run.over.wait()
            if self.is_running:
                log.error("child_does_not_stop", child=self.spec.name, deadline_s=self.spec.stop_deadline_s)
            self.run = None


class Supervisor:
    """Runs an ordered list of children."""

    def __init__(self, children: Sequence[ChildSpec], strategy: Strategy, observer: Observer) -> None:
        self._children = [_Child(spec) for spec in children]
        self.strategy = strategy
        self._observer = observer
        self._change = trio.Event()

    async def run(self, status: Started) -> None:
        """Starts the children, says started, and keeps them running until cancelled.

        Raises TooManyRestarts, or what a child declared fatal, as it is (not in a group).
        """
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                await self._keep(nursery, status)
            except Exception as fault:  # raised again below, where no nursery wraps it
                failure = fault
            finally:
                # Bounded: each stop has its own deadline.
                with trio.CancelScope(shield=True):
                    await self._stop(self._children)
        if failure is not None:
            raise failure

    def statistics(self) -> dict[str, dict[str, int | bool]]:
        """Per child: whether it runs, and how often it was restarted."""
        return {c.spec.name: {"running": c.is_running, "restarts": c.restarts} for c in self._children}

    async def _keep(self, nursery: trio.Nursery, status: Started) -> None:
        is_told = False
        while True:
            self._change = trio.Event()
            if ended := [child for child in self._children if child.has_ended]:
                await self._take_end(ended[0])
                continue
            following = self._following()
            wait_s = math.inf if following is None else following.due - trio.current_time()
            if following is not None and wait_s <= 0:
                following.run = _Run(following.spec, self._wake)
                nursery.start_soon(following.run.run, name=following.spec.name)
                continue
            if not is_told and all(child.is_settled for child in self._children):
                status.started()
                is_told = True
            with trio.move_on_after(wait_s):
                await self._change.wait()

    def _wake(self) -> None:
        self._change.set()

    def _following(self) -> _Child | None:
        """The child to start next, now or when its backoff is over."""
        waiting: list[_Child] = []
        for child in self._children:
            if child.run is None and not child.is_done:
                waiting.append(child)
                if self.strategy is not Strategy.ONE_FOR_ONE:
                    break
            elif not child.is_settled:
                break
        return min(waiting, key=lambda child: child.due, default=None)

    async def _stop(self, children: Sequence[_Child]) -> None:
        for child in reversed(children):
            await child.stop()

    async def _take_end(self, child: _Child) -> None:
        spec, crash = child.spec, child.run.crash if child.run else None
        if crash is not None and isinstance(cause := root_cause(crash), spec.fatal):
            raise cause
        is_due_to_end = crash is None and spec.restart is not RestartKind.PERMANENT
        if not is_due_to_end:
            log.error("child_crashed", child=spec.name, exc_info=crash)
        if is_due_to_end or spec.restart is RestartKind.TEMPORARY:
            child.run, child.is_done = None, True
            return
        verdict = child.history.crashed(trio.current_time(), random.random())  # noqa: S311  # jitter
        if isinstance(verdict, Exhausted):
            raise TooManyRestarts(
                f"{spec.name} crashed {several(verdict.crashes, 'time')} in {spec.policy.within_s:g} s"
            ) from crash
        await self._start_again(self._affected(child), verdict.delay_s)
        child.restarts += 1
        self._observer.restarted(spec.name)

    async def _start_again(self, affected: Sequence[_Child], delay_s: float) -> None:
        await self._stop(affected)
        due = trio.current_time() + delay_s
        for child in affected:
            child.due = due
            # A temporary child is never restarted, not even because of its neighbours.
            child.is_done = child.spec.restart is RestartKind.TEMPORARY

    def _affected(self, child: _Child) -> list[_Child]:
        at = self._children.index(child)
        match self.strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.REST_FOR_ONE:
                return self._children[at:]
            case Strategy.ONE_FOR_ALL:
                return list(self._children)
