"""How often one address is sent something: a rate for each, and a time of its own for each that has to wait. Pure.

Who is told to come again gets a later time than who was told before: a hundred mails too many come back one by one,
and not all hundred each time. What was promised is no claim: who comes then and finds no room is told another time.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from actors.bucket import Bucket, Rate

# Addresses that are remembered, about 400 bytes each; who was not sent anything for longest is forgotten.
ADDRESSES_MAX = 10_000
# Nobody is told to come later than that: the rate may have been changed by then.
WAIT_MAX_S = 3_600.0


class _One:
    __slots__ = ("bucket", "promised")

    def __init__(self, rate: Rate, now: float) -> None:
        self.bucket = Bucket(rate, now)
        self.promised = now


class Pace:
    """The rates of all addresses. `every_s` 0: there is none."""

    def __init__(self, every_s: float, burst: int) -> None:
        self._every_s = every_s
        self._burst = burst
        self._known: OrderedDict[str, _One] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """0.0: now, and it counts. Else in so many seconds, and nothing was counted."""
        if not self._every_s:
            return 0.0
        one = self._of(address.casefold(), now)
        missing_s = one.bucket.take(1, now)
        if not missing_s:
            return 0.0
        one.promised = min(max(one.promised + self._every_s, now + missing_s), now + WAIT_MAX_S)
        return one.promised - now

    def waiting(self, address: str, now: float) -> int:
        """How many were told a time that is still to come: what the next message says."""
        one = self._known.get(address.casefold())
        return 0 if one is None or one.promised <= now else math.ceil((one.promised - now) / self._every_s)

    def _of(self, name: str, now: float) -> _One:
        if name not in self._known:
            self._known[name] = _One(Rate(1 / self._every_s, self._burst), now)
            if len(self._known) > ADDRESSES_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        return self._known[name]
