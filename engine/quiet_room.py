"""Room for quiet that costs: how many silences and maintenance windows may have matchers other than `=`.

Those that name a value exactly are found by it; the others are asked, one by one, for every new alert of a workspace,
on the loop that everybody shares. Asked before an object is stored; synchronous. What is being stored just now is not
counted yet, so that a workspace may end up above the limit by as many requests as it has under way.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.ports import Clock
from engine.quiet_book import Quiet, QuietBook, compiled
from protocol.errors import LimitReached
from protocol.limits import Limit


class QuietRoom:
    """Says whether there is room for one more."""

    def __init__(
        self, book: QuietBook, clock: Clock, expressions_max: int, count_refusal: Callable[[Limit], None]
    ) -> None:
        self._book = book
        self._clock = clock
        self._expressions_max = expressions_max
        self._count_refusal = count_refusal

    def check(self, workspace: str, one: Quiet) -> None:
        """Raises LimitReached for one more with expressions. One that has some already may be changed, and ended."""
        if not compiled(one).has_expressions or self._book.has_expressions(workspace, (type(one), one.id)):
            return
        used = self._book.expressions(workspace, self._clock())
        if used >= self._expressions_max:
            self._count_refusal(Limit.QUIET_EXPRESSIONS)
            raise LimitReached(
                f"this workspace has {used} silences and maintenance windows in force with matchers other than `=`, "
                f"limit {self._expressions_max} (objects.quiet_expressions_max): use `=`, one expression for several "
                "such as web-(1|2|3)-.*, or end some",
                Limit.QUIET_EXPRESSIONS,
            )
