"""How long to wait before the next try to connect: exponential with full jitter.

Full jitter (a uniform share of the ceiling) spreads a thousand clients of a restarted engine best; see "Exponential
Backoff And Jitter", AWS Architecture Blog, 2015. Pure: time and chance are passed in.
"""

from __future__ import annotations

BASE_S = 0.25
CAP_S = 30.0
# While an outage is young the ceiling is low: a restart of the engine is over for everybody in less than 5 s.
YOUNG_OUTAGE_S = 60.0
YOUNG_CAP_S = 4.0
# A connection that ends sooner was no success: else a server that throws us out at once would be stormed.
STABLE_S = 10.0
# A server may ask for a longer pause than our own ceiling, but not for a day.
ASKED_MAX_S = 300.0


class Backoff:
    """The tries since the last connection that lasted. Times in seconds, of any one clock."""

    def __init__(self, now: float) -> None:
        self._tries = 0
        self._since = now

    def ended(self, now: float, lasted_s: float) -> None:
        """A connection has ended that was ready for so long (0: never)."""
        if lasted_s >= STABLE_S:
            self._tries, self._since = 0, now

    def delay(self, now: float, chance: float, asked_s: float | None = None) -> float:
        """Seconds until the next try; `chance` is uniform in [0, 1), `asked_s` what the server asked for."""
        ceiling = min(self.cap(now), BASE_S * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return ceiling * chance if asked_s is None else min(max(asked_s, 0.0), ASKED_MAX_S)

    def cap(self, now: float) -> float:
        """The highest ceiling at this time."""
        return YOUNG_CAP_S if now - self._since < YOUNG_OUTAGE_S else CAP_S
