"""How long somebody waited since a moment from which nobody should: the longest wait for an answer, and for an event.

Times are the wall clock's, because events carry it; nodes and clients share one machine here.
"""

from __future__ import annotations

import math
import time


class Window:
    """Closed while a fault lasts; nothing counts then."""

    def __init__(self) -> None:
        self.since = math.inf
        self.answer_s = self.event_s = 0.0

    def open(self) -> None:
        """From now on waits count; also those of whoever waits already, from now on."""
        self.since, self.answer_s, self.event_s = time.time(), 0.0, 0.0

    def close(self) -> None:
        """A fault begins."""
        self.since = math.inf

    def answered(self, asked_at: float) -> None:
        """Somebody who asked then has his answer."""
        if (waited := time.time() - max(self.since, asked_at)) > self.answer_s:
            self.answer_s = waited

    def heard(self, stored_at: float) -> None:
        """Somebody has heard what was stored then."""
        if (waited := time.time() - max(self.since, stored_at)) > self.event_s:
            self.event_s = waited
