"""Runs backtests, each in a process of its own (`engine.computing`). At most AT_ONCE_MAX run, one more is busy; one
that takes longer than WORK_MAX_S is ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio

from engine.computing.installed import InstalledAnewError
from engine.computing.processes import ComputingFailedError, Processes
from engine.core.rules.backtest import Backtest
from engine.trying.backtest_worker import Outcome, StoredPage, Task
from protocol.errors import BadRequest, Busy, InternalError
from protocol.limits import Limit
from protocol.rules import Rule

# One core at most besides the engine's own.
AT_ONCE_MAX = 2
# Ten times what 100,000 readings take.
WORK_MAX_S = 20.0
MODULE = "engine.trying.backtest_worker"


class Backtests:
    """The backtests that run now. `suppression_s`: the engine's own window, for rules without one."""

    def __init__(self, suppression_s: float, count_refusal: Callable[[Limit], None]) -> None:
        self._suppression_s = suppression_s
        self._count_refusal = count_refusal
        self.processes = Processes(AT_ONCE_MAX, is_awaited=True)

    async def run(
        self, rule: Rule, readings: bytes = b"[]", until: int = 0, stored: Sequence[StoredPage] = ()
    ) -> Backtest:
        """A rule over readings (a JSON list), and over stored ones.

        Raises Busy, BadRequest for the readings, InternalError.
        """
        if self.processes.is_full:
            self._count_refusal(Limit.BACKTESTS)
            raise Busy(
                f"{AT_ONCE_MAX} backtests are running, {AT_ONCE_MAX} is the limit; try again in some seconds",
                Limit.BACKTESTS,
            )
        return await self._run(Task(rule, self._suppression_s, until, readings, tuple(stored)))

    async def _run(self, task: Task) -> Backtest:
        with trio.move_on_after(WORK_MAX_S):
            try:
                answer = await self.processes.compute(MODULE, msgspec.msgpack.encode(task))
            except InstalledAnewError as fault:
                raise InternalError(str(fault)) from fault
            except ComputingFailedError as fault:
                raise InternalError("the backtest ended without a result; the engine's log says why") from fault
            outcome = msgspec.msgpack.decode(answer, type=Outcome)
            if outcome.backtest is None:
                raise BadRequest(outcome.refused)
            return outcome.backtest
        raise BadRequest(f"the backtest took longer than {WORK_MAX_S:g} s; use fewer readings, or a shorter time")
