"""Producers: they send triggers, acknowledge and resolve, again and again until answered, and remember every answer.

An answer is held against the ledger the moment it arrives (P1: saved before told). A request that was not answered is
sent again as it was, on the next connection if need be; its alert must still be fired once (its `dedup_key` is its
title, which nobody else uses).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import trio

from protocol import messages as m
from protocol.items import ItemResult, ReadingInput, TriggerInput
from protocol.model import ChannelKey, Event, EventKind, Reason, Severity, Status
from tests.simulation.clients import Client, Link, Lost, Token
from tests.simulation.network import Network
from tests.simulation.store import Ledger
from tests.simulation.trace import Trace, Violation

ANSWER_S = 15.0
IDLE_S = 5.0
POISON = "poison"
# Readings are 1 each, and a rule that never rings adds them up: its state must be what is stored.
METRIC = "orders"


@dataclass
class Wish:
    """One thing that a producer wants done; a title names it in the story."""

    title: str
    key: ChannelKey
    verb: str = "trigger"
    severity: str = "warning"
    alert_id: str = ""
    message: str | None = None
    assigned_to: str | None = None
    refusals: int = 0
    result: ItemResult | None = None

    def trigger(self) -> TriggerInput:
        """What to send for it."""
        return TriggerInput(
            framework_id=self.key.framework,
            title=self.title,
            dedup_key=self.title,
            severity=self.severity,
            message=self.message,
            assigned_to=self.assigned_to,
        )


@dataclass
class Plan:
    """What is to be done, in order; each entry is one request of wishes with one verb."""

    requests: deque[list[Wish]] = field(default_factory=deque)
    acked: list[Wish] = field(default_factory=list)
    # Readings that were acked.
    read: list[Wish] = field(default_factory=list)
    # After they failed three times, or for good.
    refused: list[Wish] = field(default_factory=list)

    def follow_up(self, wish: Wish, verb: str) -> None:
        """Something more to do about an alert that was fired."""
        self.requests.append([Wish(wish.title, wish.key, verb, alert_id=wish.alert_id)])


class Producer(Client):
    """Works off a plan, one request after the other."""

    def __init__(self, name: str, network: Network, token: Token, trace: Trace, seed: int, ledger: Ledger) -> None:
        super().__init__(name, network, token, trace, seed)
        self.plan = Plan()
        self._ledger = ledger
        self._number = 0
        self._more = trio.lowlevel.ParkingLot()
        self.idle = trio.Event()
        self._pauses = True

    def wants(self, *wishes: Wish) -> None:
        """One more request."""
        self.idle = trio.Event()
        self.plan.requests.append(list(wishes))
        self._more.unpark_all()

    def hurry(self) -> None:
        """No more pauses between requests."""
        self._pauses = False

    async def _converse(self, link: Link) -> None:
        while True:
            while not self.plan.requests:
                self.idle.set()
                with trio.move_on_after(IDLE_S):
                    await self._more.park()
                # Shows life, and reads what came meanwhile.
                await link.say(m.Ping())
                while not isinstance(await link.hear(), m.Pong):
                    pass
            if self._pauses:
                await trio.sleep(self._chance.expovariate(2.0))
            await self._request(link, self.plan.requests[0])
            if not self.plan.requests[0]:
                self.plan.requests.popleft()

    async def _request(self, link: Link, wishes: list[Wish]) -> None:
        """Sends one request and settles what is answered; what is left in it is asked again."""
        self._number += 1
        await link.say(_message(self._number, wishes))
        with trio.move_on_after(ANSWER_S):
            answer = await self._answer(link)
            if isinstance(answer, m.ErrorMessage):
                self._trace(self.name, f"{answer.code} for {wishes[0].title}: {answer.message[:40]}")
                if not answer.temporary:
                    raise Violation(f"{self.name}: {answer}")
                await trio.sleep(self._chance.uniform(0.1, 1.0))
                return
            for wish, result in zip(list(wishes), answer.results, strict=True):
                if self._settle(wish, result):
                    wishes.remove(wish)
            if wishes:
                await trio.sleep(self._chance.uniform(0.1, 1.0))
            return
        self._trace(self.name, f"no answer for {wishes[0].title}")
        raise Lost("no answer")

    async def _answer(self, link: Link) -> m.Accepted | m.ErrorMessage:
        while True:
            message = await link.hear()
            if isinstance(message, m.Accepted | m.ErrorMessage) and message.id == self._number:
                return message
            if isinstance(message, m.Bye | m.Pong):
                continue
            raise Violation(f"{self.name} was told {message}")

    def _settle(self, wish: Wish, result: ItemResult) -> bool:
        """Whether this wish is done with. Raises Violation if its answer is not true."""
        self._trace(self.name, f"{wish.verb} {wish.title}: {result.status.value} {result.reason.value}")
        if result.status is Status.REJECTED:
            if result.reason not in (Reason.BUSY, Reason.FAILED, Reason.ALREADY):
                raise Violation(f"{self.name}: {wish.verb} {wish.title} was answered {result}")
            wish.refusals += result.reason is not Reason.BUSY
            if wish.title.startswith(POISON) or wish.refusals >= 3 or result.reason is Reason.ALREADY:
                self.plan.refused.append(wish)
                return True
            return False
        if wish.verb == "reading":
            self.plan.read.append(wish)
            return True
        wish.result, wish.alert_id = result, result.alert_id or ""
        self._is_true(wish, result)
        self.plan.acked.append(wish)
        if wish.verb == "trigger" and result.status is Status.FIRED:
            for verb, odds in (("acknowledge", 0.3), ("resolve", 0.3)):
                if self._chance.random() < odds:
                    self.plan.follow_up(wish, verb)
        return True

    def _is_true(self, wish: Wish, result: ItemResult) -> None:
        events = self._ledger.channels.get(wish.key, [])
        mine = [event for event in events if result.alert_id in event.ids]
        if not mine or mine[0].alert.title != wish.title:
            raise Violation(f"{self.name}: {wish.verb} {wish.title} was acked as {result}, and its alert is not stored")
        if result.offset is not None and not _says(events, result):
            raise Violation(f"{self.name}: {wish.title} was acked as {result}, and its event is not stored")
        expected = {"acknowledge": EventKind.ACKNOWLEDGED, "resolve": EventKind.RESOLVED}.get(wish.verb)
        if expected is not None and all(event.kind is not expected for event in mine):
            raise Violation(f"{self.name}: {wish.verb} {wish.title} was acked as {result}, and nothing is stored")


def _says(events: list[Event], result: ItemResult) -> bool:
    offset = result.offset or 0
    if not 0 < offset <= len(events):
        return False
    event = events[offset - 1]
    return result.alert_id in event.ids and event.kind.value == result.reason.value


def _message(number: int, wishes: list[Wish]) -> m.ClientMessage:
    verb, ids = wishes[0].verb, [wish.alert_id for wish in wishes]
    if verb == "reading":
        return m.Reading(
            id=number,
            readings=[ReadingInput(framework_id=wish.key.framework, metric=METRIC, value=1.0) for wish in wishes],
        )
    if verb == "trigger":
        return m.Trigger(id=number, alerts=[wish.trigger() for wish in wishes])
    return m.Acknowledge(id=number, alert_ids=ids) if verb == "acknowledge" else m.Resolve(id=number, alert_ids=ids)


SEVERITIES = [severity.value for severity in Severity]
