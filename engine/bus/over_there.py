"""What carriers have in common whose drivers live in the foreign loop: the way over, and one word for all faults."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from engine.bus.carriers import CarrierDown
from engine.foreign import ForeignEnded, ForeignLoop

T = TypeVar("T")
# Where redis-py ends its quotation of a pipeline's command.
_QUOTED = "of pipeline caused error: "


class End(Protocol):
    """A connection over there."""

    def forget(self) -> None:
        """The loop that it belonged to has ended."""

    async def close(self) -> None:
        """Throws it away; it is made anew when it is needed."""


class OverThere:
    """A carrier's ends. `where`: as operators name the server, without passwords; `faults`: how its driver fails."""

    def __init__(self, foreign: ForeignLoop, where: str, ends: Sequence[End], *faults: type[Exception]) -> None:
        self._foreign = foreign
        self._where = where
        self._ends = ends
        self._faults: tuple[type[Exception], ...] = (*faults, OSError, TimeoutError)

    async def call(self, make: Callable[[], Coroutine[Any, Any, T]], *, is_long: bool = False) -> T:
        """Runs it over there. Raises CarrierDown."""
        try:
            return await self._foreign.call(make, is_long=is_long)
        except ForeignEnded as fault:
            for end in self._ends:
                end.forget()
            raise CarrierDown(f"{self._where}: {fault}") from fault
        except self._faults as fault:
            raise CarrierDown(f"{self._where}: {_cause(fault)}") from fault

    async def close(self) -> None:
        """Closes all ends."""
        with contextlib.suppress(CarrierDown):
            for end in self._ends:
                await self.call(end.close)


def _cause(fault: BaseException) -> str:
    """What went wrong, for a log. The driver of Redis quotes the whole command, which has events in it; not so we."""
    return str(fault).rpartition(_QUOTED)[2] or type(fault).__name__
