"""Sends to endpoints, whatever their channel: looks one up, waits for its turn, delivers, notes what came of it.

Owns nothing; how targets are doing is in `health`. In this order: is there such an endpoint, is it on; is it its turn
(pause, rate, circuit); then the target is asked. What the target's server does is an outcome and never an exception;
that we had no room for a message ourselves is not noted of the target. A target that says it is gone (410) has its
endpoint switched off, and one that was marked unreachable loses the mark when it has taken something: both are in its
history as any change.

A person's Slack message goes through the workspace's first bot, to the person's own id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import structlog

from actors.ports import Clock
from engine.notify.answers import Gone
from engine.notify.connector import tried
from engine.notify.endpoints import EndpointShelf
from engine.notify.health import TargetKey
from engine.notify.kept_endpoints import refusal
from engine.notify.outbound import Outbound
from engine.notify.ports import EngineBusy, NotAsked, Outcome, Refused, Sent, TryLater
from engine.notify.raised import cause_of
from engine.notify.webhook import Deliverer, Envelope
from protocol.endpoints import Endpoint
from protocol.errors import Conflict, TocsinError
from protocol.notify import Channel, Outgoing, Why

log = structlog.get_logger()


class EndpointSender:
    """The sender of the channels that go to endpoints over the way out."""

    def __init__(
        self, outbound: Outbound, shelf: EndpointShelf, deliverers: Mapping[Channel, Deliverer], clock: Clock
    ) -> None:
        self._outbound = outbound
        self._shelf = shelf
        self._deliverers = deliverers
        self._clock = clock

    async def send(self, message: Outgoing) -> Outcome:
        """Sends it, or says why not now or not at all."""
        endpoint = self._endpoint(message)
        if endpoint is None:
            return _nowhere(message)
        if (why_not := refusal(endpoint)) is not None:
            return why_not
        try:
            secret = self._shelf.open(message.workspace, endpoint)
        except Conflict as fault:
            return TryLater(None, fault.message)
        place = (message.workspace, endpoint.id)
        health = self._outbound.targets.of(place, endpoint.channel)
        if (later := health.wait(message.key, message.is_urgent)) is not None:
            return later
        envelope = Envelope(
            message=message,
            endpoint=endpoint,
            secret=secret,
            waiting=health.pacer.waiting,
            now=self._clock(),
            address=message.address,
        )
        try:
            outcome = await tried(self._deliverers[endpoint.channel].deliver(envelope))
        except Exception as fault:
            # Ours or the target's fault: it may be the same with each message to it, so it counts for the circuit.
            health.note(TryLater(None, cause_of(fault)))
            raise
        if isinstance(outcome, EngineBusy):
            return outcome
        if isinstance(outcome, Sent) and endpoint.unreachable:
            await self._change(place, self._shelf.reached(*place))
            # As any change of an endpoint, that one has begun the account of its target anew.
            health = self._outbound.targets.of(place, endpoint.channel)
        health.note(outcome)
        if isinstance(outcome, Gone):
            await self._change(place, self._shelf.switch_off(*place, outcome.cause))
        return outcome

    def _endpoint(self, message: Outgoing) -> Endpoint | None:
        book, recipient = self._outbound.book, message.recipient
        if recipient.endpoint is not None:
            found = book.get(message.workspace, recipient.endpoint)
            return found if found is not None and found.channel is message.channel else None
        if message.channel is not Channel.SLACK:
            return None
        bots = [each for each in book.of(message.workspace) if each.channel is Channel.SLACK and each.secrets]
        return min(bots, key=lambda each: (not each.enabled, each.id), default=None)

    async def _change(self, place: TargetKey, change: Awaitable[None]) -> None:
        try:
            await change
        except TocsinError as fault:
            # The store is away: the next message finds the target as this one did.
            log.warning("endpoint_not_changed", workspace=place[0], endpoint=place[1], cause=fault.message)


def _nowhere(message: Outgoing) -> Refused:
    if message.recipient.endpoint is not None:
        return NotAsked("there is no such endpoint any more", Why.UNKNOWN)
    if message.channel is Channel.SLACK:
        return NotAsked("the workspace has no Slack bot: make an endpoint with a bot's token", Why.NO_SENDER)
    return Refused(f"people are not reached by {message.channel.value}, only endpoints are")
