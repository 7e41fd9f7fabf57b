"""How targets are doing: the circuit, the line and the last words of each, in memory.

Owned by the senders of this node, asked by whoever shows an endpoint. Nothing of it is stored: after a restart a target
has a clean slate, and is known again after five messages. What is not in use falls out first when there are too many.

How long somebody waits is measured by trio's clock, which nobody sets: by the clock of the day, a target that was used
while that was two hours ahead would be sent nothing for two hours. That clock is only for the moments that are shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import trio

from actors.ports import Clock
from engine.core.breaker import Breaker
from engine.core.pacing import Pacer
from engine.notify.ports import Outcome, Refused, Sent, TryLater
from protocol.endpoints import Circuit, TargetHealth
from protocol.notify import Channel
from protocol.times import SECOND_US, rfc3339
from protocol.wording import several

# About 1 kB each; as many as endpoints in use. One that is forgotten is met as if for the first time.
TARGETS_MAX = 10_000
# How many a second, and how many at once. Slack allows one a second and channel; other servers are not ours to burden.
PACES = {Channel.SLACK: (1.0, 1), Channel.WEBHOOK: (50.0, 100), Channel.APPRISE: (1.0, 5)}
_USUAL_PACE = (1.0, 5)

# Workspace and endpoint.
TargetKey = tuple[str, str]


class Health:
    """One target."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._clock = clock
        self.breaker = Breaker()
        # All mail goes through one server, and whether that is there is the mailer's to know.
        self._has_circuit = channel is not Channel.EMAIL
        self.pacer = Pacer(*PACES.get(channel, _USUAL_PACE))
        # How many messages wait for their turn; whoever has another line for this target says so here.
        self.waiting: Callable[[], int] = self._in_line
        self.sent = self.failed = 0
        self._held_until = 0
        # As they are shown: by the clock of the day.
        self._sent_at = self._failed_at = 0
        self._cause = ""

    @property
    def is_open(self) -> bool:
        """Whether only a probe goes out now and then."""
        return self._has_circuit and self.breaker.is_open

    def _in_line(self) -> int:
        return self.pacer.waiting

    def wait(self, key: str, is_urgent: bool = False) -> TryLater | None:
        """When to come again, and why; None: now. The circuit is asked last: whoever it lets through is the probe."""
        now = _elapsed_us()
        if now < self._held_until:
            return TryLater((self._held_until - now) / SECOND_US, "the target asked for a pause")
        if wait_us := self.pacer.wait_us(key, now, is_urgent):
            return TryLater(wait_us / SECOND_US, "the target is sent to no faster than its limit")
        if wait_us := self.breaker.wait_us(now):
            return TryLater(wait_us / SECOND_US, f"{several(self.breaker.failures, 'failure')} in a row: {self._cause}")
        return None

    def note(self, outcome: Outcome) -> None:
        """What came of a message. A refusal is an answer: the target lives."""
        now = _elapsed_us()
        match outcome:
            case Sent():
                self.sent, self._sent_at = self.sent + 1, self._clock()
                self.breaker.succeeded()
            case Refused(cause):
                self.breaker.succeeded()
                self._failed_with(cause)
            case TryLater(None, cause):
                self.breaker.failed(now)
                self._failed_with(cause)
            case TryLater(float() | int() as after_s, cause):
                self._held_until = now + int(after_s * SECOND_US)
                self._failed_with(cause)

    def _failed_with(self, cause: str) -> None:
        self.failed, self._failed_at, self._cause = self.failed + 1, self._clock(), cause

    def shown(self) -> TargetHealth:
        """As it is answered."""
        held_us = self._held_until - _elapsed_us()
        return TargetHealth(
            circuit=Circuit.OPEN if self.is_open else Circuit.CLOSED,
            failures_in_a_row=self.breaker.failures,
            waiting=self.waiting(),
            sent=self.sent,
            failed=self.failed,
            held_until=rfc3339(self._clock() + held_us) if held_us > 0 else None,
            last_sent_at=_moment(self._sent_at),
            last_failed_at=_moment(self._failed_at),
            last_cause=self._cause,
        )


def _elapsed_us() -> int:
    return int(trio.current_time() * SECOND_US)


def _moment(at: int) -> str | None:
    return rfc3339(at) if at else None


class Targets:
    """All that were sent to lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._health: OrderedDict[TargetKey, Health] = OrderedDict()

    def of(self, place: TargetKey, channel: Channel) -> Health:
        """One of them."""
        health = self._health.get(place)
        if health is None:
            health = self._health[place] = Health(channel, self._clock)
            if len(self._health) > TARGETS_MAX:
                self._health.popitem(last=False)
        self._health.move_to_end(place)
        return health

    def shown(self, place: TargetKey, channel: Channel) -> TargetHealth:
        """How one is doing; nothing is known of one that was not sent to."""
        return (self._health.get(place) or Health(channel, self._clock)).shown()

    def forget(self, workspace: str, endpoint: str) -> None:
        """It was changed: whatever was wrong may be right now."""
        self._health.pop((workspace, endpoint), None)

    def statistics(self) -> Mapping[str, int]:
        """Circuits that are open, and messages in line."""
        every = self._health.values()
        return {
            "circuits_open": sum(health.is_open for health in every),
            "messages_paced": sum(health.waiting() for health in every),
        }
