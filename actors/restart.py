"""When a crashed actor is started again: restart intensity and backoff, as a pure decision.

At most 5 restarts in 30 s; the delay grows 0.1, 0.2, 0.4 … 10 s and is spread by ± 20 %, so that many actors that
crashed together do not come back together. Past that the answer is Exhausted, and whoever asked decides what it
means: an engine part fails upward, a channel is parked.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """How often and how fast to restart."""

    max_restarts: int = 5
    within_s: float = 30.0
    first_delay_s: float = 0.1
    max_delay_s: float = 10.0
    jitter: float = 0.2


@dataclass(frozen=True)
class Restart:
    """Start it again after this delay."""

    delay_s: float


@dataclass(frozen=True)
class Exhausted:
    """It crashed too often; `crashes` of them in the policy's time."""

    crashes: int


class RestartHistory:
    """The recent crashes of one actor."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._crashes: deque[float] = deque(maxlen=policy.max_restarts + 1)

    def crashed(self, now: float, chance: float) -> Restart | Exhausted:
        """What to do about a crash at `now` (seconds, monotonic); `chance` is a random number in 0..1."""
        self._crashes.append(now)
        while now - self._crashes[0] > self._policy.within_s:
            self._crashes.popleft()
        count = len(self._crashes)
        if count > self._policy.max_restarts:
            return Exhausted(count)
        return Restart(backoff_s(self._policy, count, chance))

    def forget(self) -> None:
        """It was set aside for long enough; what it did before no longer counts."""
        self._crashes.clear()


def backoff_s(policy: RestartPolicy, attempt: int, chance: float) -> float:
    """The delay before the `attempt`-th try (from 1), spread by the policy's jitter."""
    delay = min(policy.max_delay_s, policy.first_delay_s * 2.0 ** min(attempt - 1, 30))
    return delay * (1 + policy.jitter * (2 * chance - 1))
