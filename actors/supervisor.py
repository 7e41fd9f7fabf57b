"""Restarts what crashes, as an ordered list of children says.

Owns: the children's tasks and their restart histories. Children start in order, each when the one before says that it
has started, and stop in reverse, each with a deadline. When one crashes, it (one-for-one), it and those after it
(rest-for-one) or all (one-for-all) are stopped and started again after a backoff. Past the restart intensity the
supervisor stops everything and raises `TooManyRestarts`: it fails upward, never a half-dead engine.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog
import trio

from actors.ports import Observer
from actors.restart import Exhausted, RestartHistory, RestartPolicy

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
    # Exceptions that no restart can mend (a wrong setting): they go straight up.
    fatal: tuple[type[Exception], ...] = ()


class TooManyRestarts(Exception):
    """A child crashed more often than its policy allows; the last crash is the cause."""


def root_cause(crash: BaseException) -> BaseException:
    """What is inside a group of exceptions, as nurseries make them, if it holds just one."""
    while isinstance(crash, BaseExceptionGroup) and len(crash.exceptions) == 1:
        crash = crash.exceptions[0]
    return crash


class _Child:
    """One child: its present run, and its history."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.history = RestartHistory(spec.policy)
        self.restarts = 0
        self.is_running = False
        self._scope = trio.CancelScope()
        self._settled = trio.Event()
        self._ended = trio.Event()

    def started(self, value: object = None) -> None:
        """The child is up (it calls this itself)."""
        self._settled.set()

    async def start(self, nursery: trio.Nursery, ends: _Ends) -> None:
        """Starts the child and waits until it is up, or has ended instead."""
        # Shielded: whoever cancels the supervisor must not stop the children all at once, but in their order.
        self._scope = trio.CancelScope(shield=True)
        self._settled, self._ended = trio.Event(), trio.Event()
        self.is_running = True
        ends.forget(self)
        nursery.start_soon(self._run, ends, name=self.spec.name)
        await self._settled.wait()

    async def stop(self) -> None:
        """Cancels the child and waits for its end; one that does not end in time is left behind and logged."""
        self._scope.cancel()
        if not self.is_running:
            return
        with trio.move_on_after(self.spec.stop_deadline_s) as patience:
            await self._ended.wait()
        if patience.cancelled_caught:
            log.error("child_does_not_stop", child=self.spec.name, deadline_s=self.spec.stop_deadline_s)

    async def _run(self, ends: _Ends) -> None:
        crash: Exception | None = None
        try:
            with self._scope:
                try:
                    await self.spec.run(self)
                except Exception as fault:  # the supervisor is the handler of whatever ends a child
                    crash = fault
        finally:
            self.is_running = False
            self._ended.set()
            self._settled.set()
        if not self._scope.cancel_called:
            ends.note(self, crash)


class _Ends:
    """Children that ended by themselves and were not looked after yet; a restart forgets the end before it."""

    def __init__(self) -> None:
        self._ends: dict[_Child, Exception | None] = {}
        self._news = trio.Event()

    def note(self, child: _Child, crash: Exception | None) -> None:
        """The child has ended."""
        self._ends[child] = crash
        self._news.set()

    def forget(self, child: _Child) -> None:
        """The child runs again."""
        self._ends.pop(child, None)

    async def next(self) -> tuple[_Child, Exception | None]:
        """The end that was noted first."""
        while not self._ends:
            self._news = trio.Event()
            await self._news.wait()
        child = next(iter(self._ends))
        return child, self._ends.pop(child)


class Supervisor:
    """Runs an ordered list of children."""

    def __init__(self, children: Sequence[ChildSpec], strategy: Strategy, observer: Observer) -> None:
        self._children = [_Child(spec) for spec in children]
        self._strategy = strategy
        self._observer = observer

    async def run(self, status: Started) -> None:
        """Starts the children, says started, and keeps them running until cancelled."""
        ends = _Ends()
        async with trio.open_nursery() as nursery:
            try:
                await self._start(self._children, nursery, ends)
                is_told = False
                while True:
                    if not is_told and all(child.is_running for child in self._children):
                        status.started()
                        is_told = True
                    await self._ended(*await ends.next(), nursery, ends)
            finally:
                # Bounded: each stop has its own deadline.
                with trio.CancelScope(shield=True):
                    await self._stop(self._children)
                nursery.cancel_scope.cancel()

    def statistics(self) -> dict[str, dict[str, int | bool]]:
        """Per child: whether it runs, and how often it was restarted."""
        return {c.spec.name: {"running": c.is_running, "restarts": c.restarts} for c in self._children}

    async def _start(self, children: Sequence[_Child], nursery: trio.Nursery, ends: _Ends) -> None:
        for child in children:
            await child.start(nursery, ends)
            if not child.is_running and self._strategy is not Strategy.ONE_FOR_ONE:
                return  # its end is noted; those after it are started when it is

    async def _stop(self, children: Sequence[_Child]) -> None:
        for child in reversed(children):
            await child.stop()

    async def _ended(self, child: _Child, crash: Exception | None, nursery: trio.Nursery, ends: _Ends) -> None:
        spec = child.spec
        if crash is None and spec.restart is not RestartKind.PERMANENT:
            return
        if crash is not None and isinstance(cause := root_cause(crash), spec.fatal):
            raise cause
        log.error("child_crashed", child=spec.name, exc_info=crash)
        if spec.restart is RestartKind.TEMPORARY:
            return
        verdict = child.history.crashed(trio.current_time(), random.random())  # noqa: S311  # jitter
        if isinstance(verdict, Exhausted):
            raise TooManyRestarts(
                f"{spec.name} crashed {verdict.crashes} times in {spec.policy.within_s:g} s"
            ) from crash
        affected = self._affected(child)
        await self._stop(affected)
        await trio.sleep(verdict.delay_s)
        child.restarts += 1
        self._observer.restarted(spec.name)
        await self._start(affected, nursery, ends)

    def _affected(self, child: _Child) -> list[_Child]:
        at = self._children.index(child)
        match self._strategy:
            case Strategy.ONE_FOR_ONE:
                return [child]
            case Strategy.REST_FOR_ONE:
                return self._children[at:]
            case Strategy.ONE_FOR_ALL:
                return list(self._children)
