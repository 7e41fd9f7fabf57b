"""The process in which something is computed: a task comes in on its input, the answer goes out, and it ends.

Imports the module that it is told, and nothing else of the engine. Its bounds are set before that.
"""

from __future__ import annotations

import os
import resource
import sys
from importlib import import_module

# The engine's own threads go first.
_NICENESS = 10


def _give_way() -> None:
    """Whoever else wants a processor has it at once: a nice process alone is left only when its slice is over."""
    os.nice(_NICENESS)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main(module: str, memory_max_bytes: int, cpu_max_s: int) -> None:
    """One task, one answer."""
    _give_way()
    resource.setrlimit(resource.RLIMIT_AS, (memory_max_bytes, memory_max_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_max_s, cpu_max_s))
    answer = import_module(module).compute(sys.stdin.buffer.read())
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
