"""What another queue is asked to do beside ours in `jobs`, and what it answers: the same words for each of them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benchmarks.harness import Child, environment


class Work(msgspec.Struct, frozen=True):
    """What a program is asked to do: first a backlog, of which half comes meanwhile, then so many a second in each
    queue.

    `where`: its server (a socket's path, or a URL). `at_once`: jobs of one call while the backlog is made; `rate`: of
    each queue.
    """

    where: str
    queues: list[str]
    slots: int
    backlog: int
    at_once: int
    rate: int
    seconds: float


# A backlog, and as many jobs again at their rate: seconds for us, minutes for others on a slow disk.
DONE_MAX_S = 900.0


class Done(msgspec.Struct, frozen=True):
    """What came of it."""

    jobs_per_s: float
    start_p50_ms: float
    start_p99_ms: float


def done(name: str, program: list[str], folder: Path, work: Work) -> Done:
    """Has it done once. Raises BenchmarkError."""
    with Child(name, program, folder, environment()) as child:
        return child.ask(work, Done, DONE_MAX_S)
