"""The process in which something is computed: a task comes in on its input, the answer goes out, and it ends.

Imports the module that it is told, and nothing else of the engine but, if it is to ask the store, that. Its bounds are
set before that. Whatever prints meanwhile prints into the log, not into the answer.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from importlib import import_module

# The engine's own threads go first.
_NICENESS = 10
# That of "try again later" in sysexits.h: the store did not answer. What it said is the last line of the log.
STORE_IS_AWAY = 75


def _give_way(is_awaited: bool) -> None:
    """Whoever else wants a processor has it at once: a nice process alone is left only when its slice is over. But
    where all processors are busy for long, the answer would never come to who waits for it: then nice it is."""
    os.nice(_NICENESS)
    if not is_awaited and hasattr(os, "SCHED_IDLE"):
        # A sandbox may forbid it: then nice must do.
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main(module: str, memory_max_bytes: int, cpu_max_s: int, *, is_asking: bool, is_awaited: bool) -> int:
    """One task, one answer; the status to end with."""
    _give_way(is_awaited)
    resource.setrlimit(resource.RLIMIT_AS, (memory_max_bytes, memory_max_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_max_s, cpu_max_s))
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdout = sys.stderr
        worker, task = import_module(module), sys.stdin.buffer.read()
        if is_asking:
            from engine.computing.asking import gathered
            from protocol.errors import StoreUnavailable

            try:
                task = gathered(worker.gather, task)
            except StoreUnavailable as fault:
                print(fault, file=sys.stderr)
                return STORE_IS_AWAY
        out.write(worker.compute(task))
    return 0


if __name__ == "__main__":
    _, name, memory, cpu, *how = sys.argv
    sys.exit(main(name, int(memory), int(cpu), is_asking="asking" in how, is_awaited="awaited" in how))
