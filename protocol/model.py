"""The nouns that everybody shares: severity, alert, event, reading, principal.

All are frozen msgspec Structs without reference cycles (`gc=False`: the collector need not visit a hundred thousand
open alerts). Times are RFC 3339 strings in UTC, as on the wire; whoever computes with time uses microseconds and
converts with `protocol.times`.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec


class Severity(enum.Enum):
    """How loud an alert is; `rank` orders them."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    rank: int

    def __init__(self, word: str) -> None:
        self.rank = ("info", "warning", "error", "critical").index(word)


class AlertState(enum.Enum):
    """Where an alert is in its life. What does not hold for long enough yet is no alert, but a series of its rule."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Whether somebody may still have to do something about it."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({AlertState.ACTIVE, AlertState.ACKNOWLEDGED})


class EventKind(enum.Enum):
    """What happened to an alert: the word in `event` of an `alert` message.

    `open` is on no wire: so our clients hand on an alert of a snapshot, which has no event.
    """

    OPEN = "open"
    FIRED = "fired"
    REPEATED = "repeated"
    RAISED = "raised"
    RECEIPT = "receipt"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    # Nobody has looked after it: the next ones of its chain are told.
    ESCALATED = "escalated"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    EXPIRED = "expired"
    # It stays open and no longer rings, or does not ring for another reason than before.
    QUIETED = "quieted"


class QuietedBy(enum.Enum):
    """What keeps an open alert from ringing; the reply to its trigger has the same word as its reason."""

    MAINTENANCE = "maintenance"
    SILENCED = "silenced"
    MUTED_HOURS = "muted_hours"
    FLAPPING = "flapping"
    STORM = "storm"


class Reason(enum.Enum):
    """Why a trigger had the effect that it had. One word for reply, metric label, log and page."""

    FIRED = "fired"
    REPEATED = "repeated"
    RAISED = "raised"
    DUPLICATE = "duplicate"
    # A rule holds, but not for long enough yet.
    PENDING = "pending"
    COOLDOWN = "cooldown"
    REFRESHED = "refreshed"
    # Stored and told, but quiet: the words of QuietedBy.
    MAINTENANCE = "maintenance"
    SILENCED = "silenced"
    MUTED_HOURS = "muted_hours"
    FLAPPING = "flapping"
    STORM = "storm"
    BELOW_THRESHOLD = "below_threshold"
    # A reading that no rule looks at: nothing was compared.
    NO_RULE = "no_rule"
    # A reading older than what its rules still look at: it changed nothing.
    LATE = "late"
    DISABLED = "disabled"
    # Its framework, or its workspace, was put away.
    ARCHIVED = "archived"
    UNKNOWN_RULE = "unknown_rule"
    UNKNOWN_ALERT = "unknown_alert"
    INVALID = "invalid"
    BUSY = "busy"
    FAILED = "failed"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    ALREADY = "already"


class Status(enum.Enum):
    """The outcome of one item of a request, as `accepted` reports it."""

    FIRED = "fired"
    REPEATED = "repeated"
    SUPPRESSED = "suppressed"
    PENDING = "pending"
    BELOW_THRESHOLD = "below_threshold"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    REJECTED = "rejected"


class Comparison(enum.Enum):
    """How a value is held against a threshold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    DIFFERENT = "!="
    # Only in rules, which have an upper end as well; both ends are inside.
    BETWEEN = "between"
    OUTSIDE = "outside"


class ChannelKey(NamedTuple):
    """Names one channel: the alerts of one framework in one workspace."""

    workspace: str
    framework: str

    @property
    def name(self) -> str:
        """The channel's name on the wire."""
        return f"alerts:{self.workspace}:{self.framework}"


class DerivedKey(msgspec.Struct, frozen=True, gc=False):
    """Names a derived stream: everything in a workspace or, with a user, what is assigned to one person there.

    No NamedTuple, as `ChannelKey` is: two of those with the same words are equal, whatever they name.
    """

    workspace: str
    user: str | None = None

    @property
    def name(self) -> str:
        """The stream's name on the wire."""
        return f"alerts:{self.workspace}:*" if self.user is None else f"user:{self.workspace}:{self.user}"


StreamKey = ChannelKey | DerivedKey


class Escalated(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How far an alert's chain of escalation has come: its last step (from 1) and when that was (RFC 3339).

    `round`: from 1; the chain may be gone through several times.
    """

    chain: str
    step: int
    round: int
    at: str


class Alert(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An alert as stored and told: the `data` of an `alert` message. Optional fields without a value are left out.

    `notes` are the last words that anybody said about it, `notes_by` says who. `active_since`: when it was given back
    or re-opened, if nobody has looked after it since then and not from the start (`triggered_at`). `notification_sent`
    is known where alerts are read over HTTP; on streams it is false. So is `incident_id`, which is left out there.
    """

    id: str
    framework_id: str
    severity: Severity
    state: AlertState
    current_value: float | None
    threshold_value: float | None
    title: str
    occurrences: int
    triggered_at: str
    last_seen_at: str
    notification_sent: bool
    rule_id: str | None = None
    # The reference's name for the same thing; both are told so that its clients work unchanged.
    alert_rule_id: str | None = None
    alert_type: str | None = None
    message: str | None = None
    labels: dict[str, str] = {}
    # What its rule has to say besides: a runbook, a dashboard.
    annotations: dict[str, str] = {}
    dedup_key: str | None = None
    project_id: str | None = None
    # The line item of its project's workflow that it is about; at most one open alert for each project and step.
    step_id: str | None = None
    assigned_to: str | None = None
    active_since: str | None = None
    escalated: Escalated | None = None
    acknowledged_at: str | None = None
    acknowledged_by: str | None = None
    resolved_at: str | None = None
    resolved_by: str | None = None
    notes: str | None = None
    notes_by: str | None = None
    # Somebody says that it should not have rung: what is known of its rule's quality.
    noise: bool = False
    # Why it does not ring, which silence, window or rule is to blame, and until when (RFC 3339), if that is known.
    quieted_by: QuietedBy | None = None
    quieted_ref: str | None = None
    quieted_until: str | None = None
    # Of which incident it is part; never stored with it.
    incident_id: str | None = None


class Change(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a bulk change did to each of its alerts, at `at` (RFC 3339). Without `state` that is as it was.

    `assigned_to` is there if that is the change; null: to nobody. `noise` is there if that was judged: whether
    they should not have rung. `severity`: the highest among the alerts, by which the message is filtered.
    """

    at: str
    state: AlertState | None = None
    by: str | None = None
    notes: str | None = None
    assigned_to: str | msgspec.UnsetType | None = msgspec.UNSET
    severity: Severity | None = None
    noise: bool | None = None


class Suppressed(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a suppression window swallowed, told by the `receipt` at its end. `worst_value` is null without values."""

    count: int
    first_at: str
    last_at: str
    worst_value: float | None


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One change on a channel's stream: offset in the channel, what happened, and the alert after it.

    A bulk change names all its alerts in `alert_ids`; then `alert` is the most severe of them, and `change` is what is
    told. `workspace_offset` and `user_offsets` are its places in the derived streams of its workspace and of `people`;
    0 and none where the store has not said.
    """

    offset: int
    kind: EventKind
    alert: Alert
    at: str
    workspace_offset: int = 0
    user_offsets: dict[str, int] = {}
    by: str | None = None
    suppressed: Suppressed | None = None
    alert_ids: tuple[str, ...] = ()
    change: Change | None = None
    # On whose streams it is besides the assignee's: those who had the alert before, and everybody of a bulk change.
    also: tuple[str, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """The users on whose streams it is, each once."""
        assignee = self.alert.assigned_to
        if not self.also:
            return (assignee,) if assignee else ()
        return tuple(dict.fromkeys((assignee, *self.also) if assignee else self.also))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the alerts that it is about."""
        return self.alert_ids or (self.alert.id,)


# Who speaks without a token, or long after he showed one: seconds that no clock reaches.
NEVER_EXPIRES = 2**53


class Principal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who speaks, as its token says. `channels` limits it to those frameworks; times are in Unix seconds.

    The rest says which token that was, so that it can be revoked: its `jti` (empty: none), when it was issued, and the
    fingerprint of the key that signed it (empty: nobody's, an embedding program speaks for itself).
    """

    workspace: str
    user: str
    role: str
    expires_at: int
    channels: tuple[str, ...] | None = None
    token_id: str = ""
    issued_at: int | None = None
    key: str = ""
