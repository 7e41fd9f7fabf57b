"""Endpoints: where a workspace's notifications go besides to its people: a webhook, a Slack channel, a mailbox.

Values only. What is secret (a key, a token, the path of an address) is in none of the fields that are shown: it is
sealed (`engine.notify.sealing`) as one text, which leaves the engine no more.
"""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar

import msgspec

from protocol.fields import Id, Text, Title
from protocol.model import Severity
from protocol.notify import Channel

URL_MAX_CHARS = 2_048
ADDRESS_MAX_CHARS = 320
SECRET_MAX_CHARS = 512
FRAMEWORKS_MAX = 100


class Format(enum.Enum):
    """In which form a webhook gets it: ours, or one that its receiver knows already."""

    TOCSIN = "tocsin"
    ALERTMANAGER = "alertmanager"
    PAGERDUTY = "pagerduty"
    CLOUDEVENTS = "cloudevents"


class SecretNote(msgspec.Struct, frozen=True, kw_only=True):
    """That there is a secret, since when, and until when it is still used (null: until it is replaced). RFC 3339."""

    since: str
    until: str | None = None


class EndpointGiven(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint as somebody writes it down.

    `url`: of a webhook, of Slack's incoming webhook, or Apprise's. `address`: a mailbox, or a Slack channel for a bot.
    `secret`: a webhook's key (`whsec_…`; without one it gets one), PagerDuty's routing key, a Slack bot's token.
    Told is what is at least as severe as `min_severity`, of these `frameworks` (none: of all). `title` and `message`:
    templates of what is said of one alert, instead of our words.
    """

    id: Id
    name: Title = ""
    channel: Channel
    url: Annotated[str, msgspec.Meta(max_length=URL_MAX_CHARS)] = ""
    address: Annotated[str, msgspec.Meta(max_length=ADDRESS_MAX_CHARS)] = ""
    secret: Annotated[str, msgspec.Meta(max_length=SECRET_MAX_CHARS)] = ""
    format: Format = Format.TOCSIN
    min_severity: Severity = Severity.INFO
    frameworks: Annotated[tuple[Id, ...], msgspec.Meta(max_length=FRAMEWORKS_MAX)] = ()
    enabled: bool = True
    title: Title = ""
    message: Text = ""


class Circuit(enum.Enum):
    """Whether a target is sent to, or only tried each half a minute because it keeps failing."""

    CLOSED = "closed"
    OPEN = "open"


class TargetHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How a target is doing, since this node started or the endpoint was changed. Times are RFC 3339.

    `waiting`: messages in line because of the rate. `held_until`: the target has asked for a pause, and until when.
    """

    circuit: Circuit
    failures_in_a_row: int
    waiting: int
    sent: int
    failed: int
    held_until: str | None
    last_sent_at: str | None
    last_failed_at: str | None
    last_cause: str


class Endpoint(EndpointGiven, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An endpoint as it is kept and shown. `url` without its path, `secret` never but once, when it was made.

    `unreachable`: why it did not answer when it was last looked for. `why_off`: why we switched it off ourselves.
    """

    # What is kept and not shown, or shown and not kept.
    HIDDEN: ClassVar[frozenset[str]] = frozenset({"secret", "sealed", "health"})

    secrets: tuple[SecretNote, ...] = ()
    unreachable: str = ""
    why_off: str = ""
    sealed: str = ""
    health: TargetHealth | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a rule or a chain may call it."""
        return (self.id, self.name) if self.name else (self.id,)

    def __post_init__(self) -> None:
        # Whoever switches it on again, one or many at once, need not know of the reason.
        if self.enabled and self.why_off:
            msgspec.structs.force_setattr(self, "why_off", "")
