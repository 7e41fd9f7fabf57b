"""When a failed attempt is made again: 2 s, 4 s, 8 s ... each a fifth more or less, so that a crowd comes apart.

Pure: what is more or less follows from the job's number, so the same job always waits equally long.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

from protocol.jobs import Verdict
from protocol.times import SECOND_US

FIRST_S = 2.0
# Nothing waits longer for its next attempt, however many it has had.
MAX_S = 3_600.0
SPREAD = 0.2


class Next(NamedTuple):
    """What becomes of a job whose attempt failed; `run_at` if it is made again."""

    verdict: Verdict
    run_at: int = 0


def backoff_us(number: int, attempt: int) -> int:
    """How long job `number` waits after its failed attempt (counted from 1), in microseconds."""
    seconds = min(MAX_S, FIRST_S * 2.0 ** min(attempt - 1, 32))
    share = crc32(f"{number}:{attempt}".encode()) / 0xFFFF_FFFF
    return int(seconds * (1 - SPREAD + 2 * SPREAD * share) * SECOND_US)


def after_failure(number: int, attempt: int, attempts_max: int, now: int) -> Next:
    """Another attempt, if there is one left."""
    if attempt >= attempts_max:
        return Next(Verdict.FAILED)
    return Next(Verdict.RETRY, now + backoff_us(number, attempt))
