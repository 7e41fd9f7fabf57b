"""How fast a target is sent to: so many a second, a few at once, and what comes on top has a place in line.

Who is too fast is told when his turn is, and that turn is kept for him under his key: a thousand who wait come one
after the other, in the order in which they asked, and none of them asks in vain. How many wait is what the next message
says ("12 more"). Nothing is dropped here. Pure: the time is handed in (microseconds, from a clock that nobody sets).

GCRA (the leaky bucket as a meter, ITU-T I.371): one number says when the bucket is empty again.
"""

from __future__ import annotations

from protocol.times import SECOND_US

# Each is a key and a number; who comes when so many wait has no place, and asks again when the last one's turn is.
WAITING_MAX = 10_000
# Who has not come for his turn in this time does not come any more: his job was cancelled, or this node lost it.
LOST_US = 600 * SECOND_US


class Pacer:
    """The line before one target."""

    __slots__ = ("_allowance", "_interval", "_next", "_turns")

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval = int(SECOND_US / per_s)
        self._allowance = self._interval * (burst - 1)
        self._next = 0
        self._turns: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """How many have a place in line."""
        return len(self._turns)

    def wait_us(self, key: str, now: int) -> int:
        """How long this one is to wait; 0: it is its turn."""
        if (turn := self._turns.get(key)) is not None:
            if now < turn:
                return turn - now
            del self._turns[key]
            return 0
        self._forget_lost(now)
        turn = max(now, self._next - self._allowance)
        if turn > now and len(self._turns) >= WAITING_MAX:
            return turn - now
        self._next = max(now, self._next) + self._interval
        if turn > now:
            self._turns[key] = turn
        return turn - now

    def _forget_lost(self, now: int) -> None:
        """Turns are in the order of time, so that only the first ones can be lost."""
        while self._turns and self._turns[first := next(iter(self._turns))] <= now - LOST_US:
            del self._turns[first]
