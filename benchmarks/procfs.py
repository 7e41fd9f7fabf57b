"""What the kernel knows of a process: its CPU time, memory, descriptors and threads (Linux, `/proc`).

Read from outside, because a process that is asked about itself answers with the cost of the question. Looked at again
and again by the scenarios that watch an engine stand idle (`connections`) or run for long (`soak`).
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from benchmarks.control import BenchmarkError

BYTES_PER_KB = 1_000
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# proc(5) counts the fields of `stat` from 1; those after the name, which may contain spaces, begin with the third.
_FIRST, _USER, _SYSTEM, _THREADS = 3, 14, 15, 20


class Usage(msgspec.Struct, frozen=True):
    """A process at one moment. `cpu_s`: user and system time since its start.

    `private_bytes`: resident memory without what is mapped from files (programs, libraries, a database's index), which
    grows as it is looked at and is the system's to take back.
    """

    cpu_s: float
    rss_bytes: int
    private_bytes: int
    open_files: int
    threads: int


def usage(pid: int, root: Path = Path("/proc")) -> Usage:
    """How a process of ours is. Raises BenchmarkError if it is gone."""
    try:
        fields = (root / str(pid) / "stat").read_text().rpartition(")")[2].split()
        _, resident, shared, *_ = map(int, (root / str(pid) / "statm").read_text().split())
        open_files = sum(1 for _ in (root / str(pid) / "fd").iterdir())
    except OSError as gone:
        raise BenchmarkError(f"process {pid} cannot be looked at ({gone}): has it ended?") from gone

    def field(number: int) -> int:
        return int(fields[number - _FIRST])

    return Usage(
        cpu_s=(field(_USER) + field(_SYSTEM)) / _TICKS_PER_S,
        rss_bytes=resident * _PAGE_BYTES,
        private_bytes=(resident - shared) * _PAGE_BYTES,
        open_files=open_files,
        threads=field(_THREADS),
    )
