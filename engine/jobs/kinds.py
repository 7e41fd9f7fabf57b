"""Kinds of jobs: what each is called, where it waits, what it is given, and who does it.

A kind's function is handed the decoded arguments and says what came of it: `Done`, `PutOff`, `Again`, `NotNeeded` or
`Hopeless`. Whatever it raises is a failed attempt. It may be run twice for the same job (a node that was lost had
perhaps just finished it), so what it does outside the store carries a key that makes the second time harmless.

It runs on the loop, beside everything else. What it computes for longer than 5 ms it has computed in a process
(`engine.computing.processes`): that ends with the job, at its deadline or when it is handed back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec

from protocol.jobs import PRIO_MEDIUM, Claimed, NewJob, Queue, new_job
from protocol.notify import Delivery

A = TypeVar("A", bound=msgspec.Struct)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """It is done. `result` is for whoever asks; `follow` is enqueued, and lines of the ledger (`deliveries`, with any
    result) are written, in the same transaction."""

    result: Any = None
    follow: tuple[NewJob, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


class PutOff(msgspec.Struct, frozen=True):
    """Not now: again at `run_at` (microseconds). It uses up no attempt; `cause` is kept if there is one.

    `behind`: a job's key or number; if that is still to be done, again as soon as it has ended, and not before.
    """

    run_at: int
    cause: str | None = None
    deliveries: tuple[Delivery, ...] = ()
    behind: str | int | None = None


class Again(msgspec.Struct, frozen=True):
    """An attempt has failed, and why: another one after the usual time, if there is one left.

    `traceback`: of what was raised, if something was that has left lines to be moved on.
    """

    cause: str
    deliveries: tuple[Delivery, ...] = ()
    traceback: str | None = None


class NotNeeded(msgspec.Struct, frozen=True):
    """Nothing is to be done any more, and why."""

    reason: str
    deliveries: tuple[Delivery, ...] = ()


class Hopeless(msgspec.Struct, frozen=True):
    """It failed, and another attempt would fail as well."""

    cause: str
    deliveries: tuple[Delivery, ...] = ()


Result = Done | PutOff | Again | NotNeeded | Hopeless


class Kind(msgspec.Struct, Generic[A], frozen=True, kw_only=True):
    """One kind of job. None: as the queue has it."""

    name: str
    queue: Queue
    args: type[A]
    run: Callable[[Claimed, A], Awaitable[Result]]
    attempts_max: int | None = None
    deadline_s: int | None = None
    prio: int = PRIO_MEDIUM
    # Whether people may have it done by schedules of their own.
    is_schedulable: bool = False

    def job(self, args: A, **more: Any) -> NewJob:
        """A job of this kind; `more` are other fields of `NewJob`."""
        own = {"prio": self.prio, "attempts_max": self.attempts_max, "deadline_s": self.deadline_s}
        given = {name: value for name, value in own.items() if value is not None} | more
        return new_job(self.queue, self.name, args, **given)


class UnknownKind(Exception):
    """No such kind: a newer version has enqueued it, or an older one knew it."""


class Kinds:
    """All kinds that this engine can do. A second one of the same name is a bug (ValueError)."""

    def __init__(self, kinds: Iterable[Kind[Any]] = ()) -> None:
        self._kinds: dict[str, Kind[Any]] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise ValueError(f"there is a kind of job {kind.name!r} already; call the other one something else")
            self._kinds[kind.name] = kind

    def names(self) -> list[str]:
        """Their names, in order."""
        return sorted(self._kinds)

    def schedulable(self) -> list[str]:
        """The names of those that people may schedule, in order."""
        return [name for name in self.names() if self._kinds[name].is_schedulable]

    def of(self, name: str) -> Kind[Any]:
        """One of them. Raises UnknownKind."""
        try:
            return self._kinds[name]
        except KeyError:
            raise UnknownKind(f"no job of the kind {name!r} is known here; known: {', '.join(self.names())}") from None
