"""Notifications: how people are told, what of, and what became of it. Values only. What they prefer: `preferences`.

A delivery is one line of the ledger: an alert, a channel, a recipient, and the version of the alert (the offset of the
change in its channel's stream, or a step of an escalation). There is one of each, whoever tries however often: its key
goes with the message, so that a target which gets it twice can tell.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import Any

import msgspec

from protocol.model import Alert, EventKind, Severity

# Of a digest so many alerts are listed; the others are counted.
DIGEST_LISTED_MAX = 50


class Channel(Enum):
    """How somebody is told."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"
    IN_APP = "in_app"
    APPRISE = "apprise"


class Change(Enum):
    """What somebody is told of."""

    FIRED = "fired"
    REPEATED = "repeated"
    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    EXPIRED = "expired"
    ESCALATED = "escalated"
    REMINDER = "reminder"
    DIGEST = "digest"
    TEST = "test"

    @property
    def is_start(self) -> bool:
        """Whether this may be the first that somebody hears of an alert; of the rest only who heard that is told."""
        return self in _STARTS

    @property
    def is_end(self) -> bool:
        """Whether nothing is left to be done about the alert."""
        return self in (Change.RESOLVED, Change.EXPIRED)


_STARTS = frozenset(
    {
        *(Change.FIRED, Change.REPEATED, Change.RAISED, Change.ASSIGNED, Change.REOPENED, Change.UNACKNOWLEDGED),
        *(Change.ESCALATED, Change.REMINDER, Change.DIGEST, Change.TEST),
    }
)
# What of an alert's stream anybody is notified of; the rest (comments, receipts, what is quieted) is only told.
CHANGE_OF = {
    kind: Change(kind.value)
    for kind in (
        *(EventKind.FIRED, EventKind.REPEATED, EventKind.RAISED, EventKind.ACKNOWLEDGED, EventKind.UNACKNOWLEDGED),
        *(EventKind.ASSIGNED, EventKind.REOPENED, EventKind.RESOLVED, EventKind.EXPIRED),
    )
}


# The kinds of jobs that a store knows: the one that decides who is told, and the one that sends what was put aside.
ROUTE, DIGEST = "route", "digest"


class Noted(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A change that somebody may have to be told of. `version`: its offset in the channel's stream; `at`: RFC 3339.

    `in_storm`: a storm holds it back.
    """

    alert_ids: tuple[str, ...]
    change: Change
    version: int
    at: str
    by: str | None = None
    in_storm: bool = False


class RouteArgs(msgspec.Struct, frozen=True, kw_only=True):
    """What a routing job is told: changes of alerts of one channel."""

    noted: tuple[Noted, ...]


class DeliveryState(Enum):
    """Where a delivery is. `SENT`: the next hop has it (a mail server); `DELIVERED`: the target itself said so."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    ACKNOWLEDGED = "acknowledged"
    READ = "read"


# The recipient has heard of it, or has at least been sent it.
TOLD = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.ACKNOWLEDGED, DeliveryState.READ})


class Why(Enum):
    """Why a delivery was suppressed, put aside, or failed."""

    # Put aside for the next digest.
    DIGEST = "digest"
    # The recipient's own choice.
    PREFERENCE = "preference"
    QUIET_HOURS = "quiet_hours"
    OWN_ACT = "own_act"
    # The endpoint's.
    SEVERITY = "severity"
    FRAMEWORK = "framework"
    RULE = "rule"
    DISABLED = "disabled"
    # The alert's.
    STORM = "storm"
    NOT_TOLD = "not_told"
    # It belongs to an incident of which the recipient was told.
    GROUPED = "grouped"
    OVER = "over"
    # Put aside, and told at once meanwhile, or about to be.
    TOLD = "told"
    # Nobody is there: no such user, team or endpoint; a team without anybody who is a user.
    UNKNOWN = "unknown"
    NOBODY = "nobody"
    # The target's.
    NO_ADDRESS = "no_address"
    NO_SENDER = "no_sender"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    CANCELLED = "cancelled"


# How a person can be told; the others are for endpoints alone.
PERSONAL = (Channel.IN_APP, Channel.EMAIL, Channel.SLACK)
# What an endpoint can be of: the app's own list has no address.
ADDRESSED = (Channel.EMAIL, Channel.SLACK, Channel.WEBHOOK, Channel.APPRISE)


class Recipient(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Who is told: an endpoint, or a person. A team is in the ledger only if it has nobody who could be told."""

    endpoint: str | None = None
    user: str | None = None
    team: str | None = None

    @property
    def name(self) -> str:
        """As it stands in the ledger."""
        if self.endpoint is not None:
            return f"endpoint:{self.endpoint}"
        return f"user:{self.user}" if self.team is None else f"team:{self.team}"

    @classmethod
    def named(cls, name: str) -> Recipient:
        """The one of this name."""
        kind, _, known = name.partition(":")
        return cls(**{kind: known})


class DigestArgs(msgspec.Struct, frozen=True, kw_only=True):
    """Which digest: whose, and of what is put aside until when (microseconds)."""

    channel: Channel
    recipient: Recipient
    until: int


class Delivery(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One line of the ledger. Times are microseconds; `cause` is what a target or a sender said."""

    key: str
    workspace: str
    alert_id: str
    channel: Channel
    recipient: Recipient
    version: str
    change: Change
    state: DeliveryState
    at: int
    updated_at: int
    # Of what was put aside: with which digest it goes.
    due: int | None = None
    why: Why | None = None
    cause: str | None = None
    attempts: int = 0
    # What the target calls it: the message that a later one may change.
    reference: str | None = None
    # Since when its target has been saying "later".
    held_since: int | None = None


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the forms that senders need. `blocks`: Slack's Block Kit."""

    subject: str
    text: str
    html: str = ""
    blocks: tuple[dict[str, Any], ...] = ()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender is handed. `key` is the same however often it is tried.

    `address`: where a person is (a mail address, a Slack id); an endpoint knows its own. `alerts`: one, or those that a
    digest lists; `more` are only counted. `by`: whose act it was. `previous`: the target's own word for the last
    message about this alert. `at`: when it happened (microseconds). `text`: what is said besides (a test, a step).
    """

    key: str
    workspace: str
    channel: Channel
    recipient: Recipient
    change: Change
    alerts: tuple[Alert, ...]
    at: int
    address: str = ""
    by: str | None = None
    more: int = 0
    previous: str | None = None
    text: str = ""
    rendered: Rendered | None = None
    # Of a digest: why all of it was put aside; None: for several reasons.
    why: Why | None = None
    # In which its recipient reads times.
    zone: str = "UTC"
    # Of a mail: more headers, each a name and a value.
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_urgent(self) -> bool:
        """Whether it goes before others that wait for the same target: a digest could have waited."""
        return self.change is not Change.DIGEST and any(alert.severity is Severity.CRITICAL for alert in self.alerts)


def delivery_key(workspace: str, alert_id: str, channel: Channel, recipient: Recipient, version: str) -> str:
    """What a target sees of a delivery: the same for the same one, whoever computes it (a webhook's `webhook-id`)."""
    words = (workspace, alert_id, channel.value, recipient.name, version)
    spelled = "".join(f"{len(word)}:{word}" for word in words)
    return f"msg_{hashlib.blake2b(spelled.encode(), digest_size=16).hexdigest()}"
