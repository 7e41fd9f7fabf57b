"""Computes in processes: seconds of computing have no place on the loop, nor in a thread beside it (the GIL).

A module with a function `compute(task: bytes) -> bytes` is run in a process of its own, which starts in a quarter of a
second, gets its task, answers and ends. It shares nothing with the engine and knows no secret (its environment is
empty; one that asks the store is told where that is, and has what the driver finds its server by). It gives way to the
engine from its first moment on, and has bounds of memory and of computing time, so that it ends by itself even if the
engine was killed. Who waits for it and is cancelled (a job past its deadline, a shutdown) has it ended at once. At most
so many run as there is room for, which several may share; others wait for their turn, first come, first served: whoever
needs many in a row stands at the end again after each. Owns nothing but counts.

Decided against: processes that stay (nobody computes all day), and pickling functions over to them (a program that
embeds the engine would be imported there again).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

import structlog
import trio

from engine.computing.child import STORE_IS_AWAY
from engine.computing.installed import Installed
from protocol.errors import StoreUnavailable

log = structlog.get_logger()

# A day's events of a large workspace, twice over.
MEMORY_MAX_BYTES = 1 << 30
# More than whoever waits for one of them has, 10 minutes (predictions have an hour, for many): only who was left behind
# by a killed engine meets it.
CPU_MAX_S = 900
# -P: what lies in the working directory is not imported.
COMMAND = (sys.executable, "-P", "-m", "engine.computing.child")
# util-linux and busybox have it: Python takes 50 ms until it can give way by itself, of the core that the loop is on.
_CHRT = shutil.which("chrt") if hasattr(os, "SCHED_IDLE") else None
# By what else than its URL the driver finds a server, a user, a password, certificates.
_DRIVER_KNOWS = ("HOME", "LOGNAME", "USER", "SSL_CERT_FILE", "SSL_CERT_DIR", "KRB5CCNAME", "KRB5_CONFIG")
_FAULT_MAX_CHARS = 2_000


class ComputingFailedError(Exception):
    """The process ended without a result: it ran out of memory, or has a bug. Its last words are in the log."""


class Processes:
    """Those that run now. `room`: for how many of them, or what they share with others. `is_awaited`: somebody waits
    for what they say, so they run beside others, if with less right (nice); the rest when nobody else wants a core."""

    def __init__(self, room: int | trio.CapacityLimiter, *, is_awaited: bool = False) -> None:
        self._room = trio.CapacityLimiter(room) if isinstance(room, int) else room
        self._figures = dict.fromkeys(("started", "failed", "ended_early"), 0)
        self._running = 0
        self._installed = Installed()
        self._is_awaited = is_awaited
        self._before: tuple[str, ...] | None = () if is_awaited else None

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait."""
        return not self._room.available_tokens

    def statistics(self) -> Mapping[str, int]:
        """Processes by what became of them, and those that run."""
        return {**self._figures, "running": self._running}

    async def compute(self, module: str, task: bytes, *, is_asking: bool = False) -> bytes:
        """What `compute` of this module says to the task; `is_asking`: to what it gathers first (see `Asking`, which
        packs the task). Raises ComputingFailedError, StoreUnavailable, InstalledAnewError. Cancelled: it ends."""
        async with self._room:
            self._installed.check()
            self._figures["started"] += 1
            self._running += 1
            done = None
            try:
                done = await trio.run_process(
                    (
                        *await self._at_the_back(),
                        *COMMAND,
                        module,
                        str(MEMORY_MAX_BYTES),
                        str(CPU_MAX_S),
                        *["asking"][:is_asking],
                        *["awaited"][: self._is_awaited],
                    ),
                    stdin=task,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                    env=_environment(is_asking),
                    deliver_cancel=_end,
                )
            finally:
                self._running -= 1
                self._figures["ended_early"] += done is None
        # Whatever it said, it may have been half of another version that said it.
        self._installed.check()
        if done.returncode:
            self._figures["failed"] += 1
            fault = done.stderr.decode(errors="replace")[-_FAULT_MAX_CHARS:]
            last = fault.strip().rpartition("\n")[2]
            if done.returncode == STORE_IS_AWAY:
                raise StoreUnavailable(last)
            log.error("computing_failed", module=module, returncode=done.returncode, fault=fault)
            raise ComputingFailedError(f"{module} ended with {done.returncode}: {last or 'it was killed'}")
        return done.stdout

    async def _at_the_back(self) -> tuple[str, ...]:
        """What starts a process behind all others; nothing where that is forbidden, or not known by this name."""
        if self._before is None:
            self._before = await _tried((_CHRT, "-i", "0")) if _CHRT else ()
        return self._before


async def _tried(before: tuple[str, ...]) -> tuple[str, ...]:
    try:
        done = await trio.run_process((*before, "true"), capture_stdout=True, capture_stderr=True, check=False)
    except OSError as fault:
        said = str(fault)
    else:
        if not done.returncode:
            return before
        said = done.stderr.decode(errors="replace").strip()[-_FAULT_MAX_CHARS:]
    log.info("computing_at_the_back_not_possible", command=" ".join(before), fault=said)
    return ()


def _environment(is_asking: bool) -> dict[str, str]:
    known = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if is_asking:
        known |= {name: value for name, value in os.environ.items() if name.startswith("PG") or name in _DRIVER_KNOWS}
    return known


async def _end(process: trio.Process) -> None:
    """It has nothing to tidy up."""
    process.kill()
