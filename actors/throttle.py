"""How fast one connection may send: messages and items a second by role, and how long its excess is put up with.

Owns: the buckets of one connection. Its session asks before it looks at a message; WebSocket's own pings and pongs
count as messages, since answering them costs as much. What is too much is refused with error 111 and nothing of it is
done; who does not slow down is cut with 3013. Synchronous; costs a comparison and a subtraction a message.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from actors.bucket import Bucket, Rate
from protocol import messages as m
from protocol.errors import CloseCode, ConversationEnded, TooManyRequests
from protocol.limits import Limit


@dataclass(frozen=True)
class RoleRates:
    """What a connection of some roles may send."""

    messages: Rate
    items: Rate


# Faster than people click, and a page that subscribes to 128 channels at once fits the burst.
PEOPLE = RoleRates(messages=Rate(50, 200), items=Rate(5_000, 10_000))
# Programs. Two seconds' worth at once: after a pause they have a backlog.
PRODUCERS = RoleRates(messages=Rate(2_000, 4_000), items=Rate(50_000, 100_000))


@dataclass(frozen=True)
class RateLimits:
    """The rates of all roles, and how many refusals a connection outlives."""

    people: RoleRates = PEOPLE
    producers: RoleRates = PRODUCERS
    producer_roles: frozenset[str] = frozenset({"producer", "admin"})
    # A client that hears 111 a hundred times within ten seconds does not listen.
    refusals: Rate = field(default_factory=lambda: Rate(10, 100))

    def of(self, role: str) -> RoleRates:
        """The rates of one role."""
        return self.producers if role in self.producer_roles else self.people


class Throttle:
    """What one connection may still send. Before `auth` it is anybody's, so it has the rates of people."""

    def __init__(self, limits: RateLimits, count_refusal: Callable[[Limit], None], now: float) -> None:
        self._limits = limits
        self._count_refusal = count_refusal
        self._rates = limits.people
        self._messages = Bucket(limits.people.messages, now)
        self._items = Bucket(limits.people.items, now)
        self._refusals = Bucket(limits.refusals, now)

    def authenticated(self, role: str, now: float) -> None:
        """The role is known. Saying `auth` again fills no bucket, unless it is for another rate."""
        rates = self._limits.of(role)
        if rates is not self._rates:
            self._rates = rates
            self._messages, self._items = Bucket(rates.messages, now), Bucket(rates.items, now)

    def message(self, now: float) -> None:
        """One message more. Raises TooManyRequests, or ConversationEnded when that was said too often."""
        if wait_s := self._messages.take(1, now):
            self._refuse(Limit.MESSAGES_PER_S, "messages", self._messages.rate, wait_s, now)

    def items(self, count: int, now: float) -> None:
        """So many items more: all or none. Raises like `message`."""
        if wait_s := self._items.take(count, now):
            self._refuse(Limit.ITEMS_PER_S, "items", self._items.rate, wait_s, now)

    def _refuse(self, limit: Limit, what: str, rate: Rate, wait_s: float, now: float) -> None:
        self._count_refusal(limit)
        if self._refusals.take(1, now):
            raise ConversationEnded(
                CloseCode.TOO_MANY_REQUESTS,
                f"{self._limits.refusals.burst:g} refusals of too many {what} ({limit.value}: {rate})",
                Limit.REFUSALS,
            )
        raise too_many(limit, what, rate, wait_s)


def items_of(message: m.ClientMessage) -> int:
    """How many alerts or readings a request is about."""
    match message:
        case m.Trigger(alerts=list(many)) | m.Reading(readings=list(many)):
            return len(many)
        case m.Acknowledge(alert_ids=list(many)) | m.Resolve(alert_ids=list(many)):
            return len(many)
    return 1


def too_many(limit: Limit, what: str, rate: Rate, wait_s: float) -> TooManyRequests:
    """The refusal of what goes beyond a rate: names the limit, the rate and when to come again."""
    beyond = math.ceil(wait_s * rate.per_s)
    wait_s = math.ceil(wait_s * 1_000) / 1_000
    return TooManyRequests(
        f"too many {what} ({limit.value}: {rate}; {beyond} beyond that); nothing was done, again in {wait_s:g} s",
        limit,
        wait_s,
    )
