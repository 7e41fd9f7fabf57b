"""What is posted to a webhook: a message in our own form, or in one that its receiver knows already. Pure.

One file a form; each is a function from the message to a body. Who signs and sends it is `engine.notify.webhook`.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.notify.forms.alertmanager import alertmanager_body
from engine.notify.forms.own import CLOUDEVENTS_JSON, cloudevents_body, own_body
from engine.notify.forms.pagerduty import pagerduty_body
from protocol.endpoints import Format
from protocol.notify import Outgoing


class Body(NamedTuple):
    """What is posted, and what it is."""

    content: bytes
    media_type: str = "application/json"


def body_of(form: Format, message: Outgoing, receiver: str, secret: str, waiting: int) -> Body:
    """A message in a form. `receiver`: what the endpoint is called; `waiting`: messages in line behind this one."""
    match form:
        case Format.TOCSIN:
            return Body(msgspec.json.encode(own_body(message, waiting)))
        case Format.CLOUDEVENTS:
            return Body(msgspec.json.encode(cloudevents_body(message, waiting)), CLOUDEVENTS_JSON)
        case Format.ALERTMANAGER:
            return Body(msgspec.json.encode(alertmanager_body(message, receiver)))
        case Format.PAGERDUTY:
            return Body(msgspec.json.encode(pagerduty_body(message, secret)))
