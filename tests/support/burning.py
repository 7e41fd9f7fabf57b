"""What a process is told to do in tests: to answer, to burn a core, to take memory, to fail."""

from __future__ import annotations

import os
import time


def compute(task: bytes) -> bytes:
    """Does what it is told; `burn` never ends by itself."""
    word, _, rest = task.partition(b" ")
    if word == b"burn":
        while True:
            pass
    if word == b"work":
        until = time.process_time() + float(rest)
        while time.process_time() < until:
            pass
    elif word == b"take":
        return bytes(bytearray(int(rest)))[:1]
    elif word == b"place":
        return repr((os.sched_getscheduler(0), os.nice(0))).encode()
    elif word == b"fail":
        raise ValueError(rest.decode())
    return repr((rest, sorted(os.environ))).encode()
