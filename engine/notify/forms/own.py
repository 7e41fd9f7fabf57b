"""Our own form, and the same inside a CloudEvent (1.0, structured JSON).

`{"type": "alert.fired", "timestamp": …, "data": {…}}` is what Standard Webhooks recommends; `data` has the alerts as
the API shows them, so that a receiver needs one type for both.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from protocol.model import Alert
from protocol.notify import Change, Outgoing
from protocol.times import rfc3339

CLOUDEVENTS_JSON = "application/cloudevents+json"


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened. `more`: alerts of a digest that are only counted; `waiting`: messages behind this one, which
    come as fast as this target is sent to. `is_test`: nothing has happened."""

    workspace: str
    change: Change
    subject: str
    text: str
    alerts: tuple[Alert, ...]
    more: int
    waiting: int
    by: str | None
    is_test: bool


class Own(msgspec.Struct, frozen=True, kw_only=True):
    """Our own form."""

    type: str
    timestamp: str
    data: Data


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CloudEvent."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    data: Data
    subject: str | None = None


def own_body(message: Outgoing, waiting: int) -> Own:
    """The body in our own form."""
    return Own(type=f"alert.{message.change.value}", timestamp=rfc3339(message.at), data=_data(message, waiting))


def cloudevents_body(message: Outgoing, waiting: int) -> CloudEvent:
    """The same as a CloudEvent; its id is the message's key, the same at each attempt."""
    return CloudEvent(
        specversion="1.0",
        id=message.key,
        source=f"/tocsin/{quote(message.workspace, safe='')}",
        type=f"tocsin.alert.{message.change.value}",
        time=rfc3339(message.at),
        datacontenttype="application/json",
        data=_data(message, waiting),
        subject=message.alerts[0].id if len(message.alerts) == 1 else None,
    )


def _data(message: Outgoing, waiting: int) -> Data:
    rendered = message.rendered
    return Data(
        workspace=message.workspace,
        change=message.change,
        subject=rendered.subject if rendered else "",
        text=rendered.text if rendered else message.text,
        alerts=message.alerts,
        more=message.more,
        waiting=waiting,
        by=message.by,
        is_test=message.change is Change.TEST,
    )
