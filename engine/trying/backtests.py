"""Runs backtests, each in a process of its own: seconds of computing have no place on the loop, nor in a thread.

A process starts in a quarter of a second, gets its task, answers and ends; it shares nothing with the engine, knows no
secret (its environment is empty), and gives way to it. At most AT_ONCE_MAX run, one more is busy; one that takes longer
than WORK_MAX_S is ended. Decided against: a pool of processes (nobody tests rules all day), and pickling functions over
to them (a program that embeds the engine would be imported there again).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from engine.core.rules.backtest import Backtest
from engine.trying.backtest_worker import Outcome, StoredPage, Task
from protocol.errors import BadRequest, Busy, InternalError
from protocol.limits import Limit
from protocol.rules import Rule

log = structlog.get_logger()

# One core at most besides the engine's own.
AT_ONCE_MAX = 2
# Ten times what 100,000 readings take.
WORK_MAX_S = 20.0
# -P: what lies in the working directory is not imported.
COMMAND = (sys.executable, "-P", "-m", "engine.trying.backtest_worker")
_FAULT_MAX_CHARS = 2_000


class Backtests:
    """The backtests that run now. `suppression_s`: the engine's own window, for rules without one."""

    def __init__(self, suppression_s: float, count_refusal: Callable[[Limit], None]) -> None:
        self._suppression_s = suppression_s
        self._count_refusal = count_refusal
        self._running = 0

    async def run(
        self, rule: Rule, readings: bytes = b"[]", until: int = 0, stored: Sequence[StoredPage] = ()
    ) -> Backtest:
        """A rule over readings (a JSON list), and over stored ones.

        Raises Busy, BadRequest for the readings, InternalError.
        """
        if self._running >= AT_ONCE_MAX:
            self._count_refusal(Limit.BACKTESTS)
            raise Busy(
                f"{self._running} backtests are running, {AT_ONCE_MAX} is the limit; try again in some seconds",
                Limit.BACKTESTS,
            )
        self._running += 1
        try:
            return await self._run(Task(rule, self._suppression_s, until, readings, tuple(stored)))
        finally:
            self._running -= 1

    async def _run(self, task: Task) -> Backtest:
        with trio.move_on_after(WORK_MAX_S):
            done = await trio.run_process(
                COMMAND,
                stdin=msgspec.msgpack.encode(task),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            if done.returncode:
                fault = done.stderr.decode(errors="replace")[-_FAULT_MAX_CHARS:]
                log.error("backtest_failed", returncode=done.returncode, fault=fault)
                raise InternalError("the backtest ended without a result; the engine's log says why")
            outcome = msgspec.msgpack.decode(done.stdout, type=Outcome)
            if outcome.backtest is None:
                raise BadRequest(outcome.refused)
            return outcome.backtest
        raise BadRequest(f"the backtest took longer than {WORK_MAX_S:g} s; use fewer readings, or a shorter time")
