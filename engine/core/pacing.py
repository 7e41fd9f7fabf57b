"""How fast a target is sent to: so many a second, a few at once, and what comes on top has a place in line.

Who is too fast is told when his turn is, and that turn is kept for him under his key: a thousand who wait come one
after the other, in the order in which they asked. What is urgent takes the next turn there is, behind what else is
urgent, and everybody in front of whom it goes has the turn of the one behind him: he hears of it when he comes for his
own. How many wait is what the next message says ("12 more"). Nothing is dropped here. Pure: the time is handed in
(microseconds, from a clock that nobody sets).

GCRA (the leaky bucket as a meter, ITU-T I.371): one number says when the bucket is empty again. While somebody waits,
turns are one interval apart, from the first one to the last.

Decided against: a part of the burst for what is urgent (the second urgent message of a minute would wait for an hour);
turns as a sorted list (an urgent one would move ten thousand).
"""

from __future__ import annotations

from protocol.times import SECOND_US

# Each is a key and a number; who comes when so many wait has no place, and asks again when the last one's turn is.
WAITING_MAX = 10_000
# Who has not come for his turn in this time does not come any more: his job was cancelled, or this node lost it.
LOST_US = 600 * SECOND_US


class Pacer:
    """The line before one target."""

    __slots__ = ("_allowance", "_delay", "_free_from", "_interval", "_next", "_turns", "_urgent")

    def __init__(self, per_s: float, burst: int) -> None:
        self._interval = int(SECOND_US / per_s)
        self._allowance = self._interval * (burst - 1)
        self._next = 0
        # Turns before it are used, or promised to what is urgent.
        self._free_from = 0
        # By how much all turns have moved since the first message; what is kept is a turn less what was so by then.
        self._delay = 0
        self._turns: dict[str, int] = {}
        self._urgent: dict[str, int] = {}

    @property
    def waiting(self) -> int:
        """How many have a place in line."""
        return len(self._turns) + len(self._urgent)

    def wait_us(self, key: str, now: int, is_urgent: bool = False) -> int:
        """How long this one is to wait; 0: it is its turn."""
        if (turn := self._turn(key)) is not None:
            return turn - now if now < turn else self._came(key, turn)
        self._forget_lost(now)
        end = self._next - self._allowance
        if end > now and len(self._urgent if is_urgent else self._turns) >= WAITING_MAX:
            return end - now
        self._next = max(now, self._next) + self._interval
        if end <= now:
            self._free_from = self._next - self._allowance
            return 0
        if is_urgent:
            return self._put_first(key, now, end)
        self._turns[key] = end - self._delay
        return end - now

    def _turn(self, key: str) -> int | None:
        turn = self._turns.get(key)
        return self._urgent.get(key) if turn is None else turn + self._delay

    def _came(self, key: str, turn: int) -> int:
        if self._turns.pop(key, None) is None:
            del self._urgent[key]
        self._free_from = max(self._free_from, turn + self._interval)
        return 0

    def _put_first(self, key: str, now: int, end: int) -> int:
        """The next turn that is not used; whoever had that one, or a later one, comes one interval later."""
        turn = max(now + (end - now) % self._interval, self._free_from)
        if turn < end:
            self._delay += self._interval
        self._free_from = turn + self._interval
        if turn > now:
            self._urgent[key] = turn
        return turn - now

    def _forget_lost(self, now: int) -> None:
        """Turns are in the order of time, so that only the first ones can be lost."""
        for turns, lost in ((self._turns, now - LOST_US - self._delay), (self._urgent, now - LOST_US)):
            while turns and turns[first := next(iter(turns))] <= lost:
                del turns[first]
