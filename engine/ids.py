"""Ids and the wall clock: UUIDv7 (RFC 9562, section 5.7) and microseconds since the Unix epoch.

The 60 bits before the random ones (48 of milliseconds, 12 below them) are one counter: the time in 1/4096 ms, or one
more than last time if the clock did not move or was set back. So ids made in one process always grow, and a list sorted
by id is sorted by time. Decided against: a counter in the random bits, which would leave no room to derive the ids of a
batch's alerts from the id of the batch.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

_TICKS_PER_MS = 4096
_RANDOM_BITS = 62


def now_us() -> int:
    """Microseconds since the Unix epoch, by the wall clock: may be set back."""
    return time.time_ns() // 1_000


class IdSource:
    """Makes UUIDv7 texts that grow. `clock` gives microseconds, `entropy(n)` n random bits. Safe in any thread."""

    def __init__(self, clock: Callable[[], int] = now_us, entropy: Callable[[int], int] = secrets.randbits) -> None:
        self._clock = clock
        self._entropy = entropy
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """The next id: 36 characters, lower case."""
        ticks = self._clock() * _TICKS_PER_MS // 1_000
        with self._lock:
            self._last = ticks = max(ticks, self._last + 1)
        number = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62 | self._entropy(_RANDOM_BITS)
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


new_id = IdSource()
