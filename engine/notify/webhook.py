"""Posts a message to a webhook, signed (`engine.notify.signing`), in the form that its endpoint asks for."""

from __future__ import annotations

from typing import Protocol

import msgspec

from engine.notify.answers import outcome_of
from engine.notify.connector import Connector
from engine.notify.forms import body_of
from engine.notify.network import Whose
from engine.notify.ports import Outcome
from engine.notify.sealing import Confidential
from engine.notify.signing import signed_headers
from protocol.endpoints import Endpoint, Format
from protocol.notify import Outgoing


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to an endpoint: what is secret of that, how many wait behind it, and the time now (us).

    `address`: where at the endpoint, if it is one person's place and not the endpoint's own.
    """

    message: Outgoing
    endpoint: Endpoint
    secret: Confidential
    waiting: int
    now: int
    address: str = ""

    @property
    def whose(self) -> Whose:
        """Whose connection it goes over."""
        return self.message.workspace, self.endpoint.id


class Deliverer(Protocol):
    """Delivers by one channel. Raises Unreachable, TargetRefused, TargetInvalid, Crowded as the connector does."""

    async def deliver(self, envelope: Envelope) -> Outcome:
        """Hands it to the target; what that says to it."""


class Webhook:
    """Posts to webhooks."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def deliver(self, envelope: Envelope) -> Outcome:
        """One post."""
        endpoint, message = envelope.endpoint, envelope.message
        secrets = envelope.secret.in_force(envelope.now)
        name, newest = endpoint.name or endpoint.id, secrets[0] if secrets else ""
        body = body_of(endpoint.format, message, name, newest, envelope.waiting)
        signing = () if endpoint.format is Format.PAGERDUTY else secrets
        headers = {"Content-Type": body.media_type, **signed_headers(message.key, body.content, signing, envelope.now)}
        answer = await self._connector.post(envelope.whose, envelope.secret.url, body.content, headers)
        return outcome_of(answer, envelope.now)
