"""The messages of the wire, one frozen Struct each. The docstrings are their documentation.

Envelope fields are camelCase on the wire, fields of alerts, triggers and readings snake_case. A reader ignores fields
that it does not know; a new field has a default.
"""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar

import msgspec

from protocol.model import (
    Alert,
    Change,
    Comparison,
    EventKind,
    Finite,
    Id,
    Label,
    Labels,
    Reason,
    Severity,
    Status,
    Suppressed,
    Text,
    Title,
)

TOKEN_MAX_CHARS = 8_192
ITEMS_MAX = 1_000
OFFSET_MAX = 2**53 - 1  # JavaScript's clients count in doubles

RequestId = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)] | Annotated[str, msgspec.Meta(max_length=64)]
Token = Annotated[str, msgspec.Meta(max_length=TOKEN_MAX_CHARS)]
# Ours have 43 characters.
Ticket = Annotated[str, msgspec.Meta(max_length=128)]
Offset = Annotated[int, msgspec.Meta(ge=0, le=OFFSET_MAX)]
ChannelName = Annotated[str, msgspec.Meta(min_length=1, max_length=300)]


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a stream: the epoch (identity of the store) and the last offset that the client has."""

    epoch: str
    offset: Offset


class TriggerInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An alert that somebody asks for. Without `severity` it is `warning` (or what its rule says)."""

    framework_id: Id
    rule_id: Id | None = None
    alert_type: Label | None = None
    current_value: Finite | None = None
    threshold_value: Finite | None = None
    # Without one: what the rule says, else `>=`.
    comparison: Comparison | None = None
    severity: Label | None = None
    title: Title | None = None
    message: Text | None = None
    labels: Labels = {}
    dedup_key: Label | None = None
    project_id: Id | None = None
    # A line item of the project's workflow; then the alert belongs on the project's own channel.
    step_id: Id | None = None
    assigned_to: Id | None = None


class ReadingInput(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """One measured value of one metric of a framework; `at` (RFC 3339) defaults to the time of arrival."""

    framework_id: Id
    metric: Id
    value: Finite
    at: Label | None = None
    labels: Labels = {}


Triggers = Annotated[list[TriggerInput], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
Readings = Annotated[list[ReadingInput], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]
AlertIds = Annotated[list[Id], msgspec.Meta(min_length=1, max_length=ITEMS_MAX)]


class _Message(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag_field="type", rename="camel"
):
    """What all messages share: the tag in `type`, camelCase names, defaults left out."""


class _Request(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A message from a client; its reply carries the same `id`."""

    # The `type` of the answer to it; a refusal is `error` for all.
    answered_by: ClassVar[tuple[str, ...]] = ()
    id: RequestId | None = None


class Auth(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth"):
    """The first message: who I am. A `token`, or a one-use `ticket` that was made with one."""

    answered_by: ClassVar[tuple[str, ...]] = ("auth_success", "auth_failed")
    token: Token | None = None
    ticket: Ticket | None = None


class Refresh(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="refresh"):
    """A newer token of the same user and workspace: extends the session without reconnecting."""

    answered_by: ClassVar[tuple[str, ...]] = ("auth_success", "auth_failed")
    token: Token


class Subscribe(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="subscribe"):
    """Send me this channel from now on, or from `recover` on. Exactly one of `frameworkId` and `channel`."""

    answered_by: ClassVar[tuple[str, ...]] = ("subscribed",)
    framework_id: Id | None = None
    channel: ChannelName | None = None
    recover: Position | None = None
    min_severity: Severity = Severity.INFO
    # With the open alerts first (`snapshot` messages), unless everything missed is recovered.
    snapshot: bool = False


class Unsubscribe(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="unsubscribe"):
    """No more of this channel."""

    answered_by: ClassVar[tuple[str, ...]] = ("unsubscribed",)
    framework_id: Id | None = None
    channel: ChannelName | None = None


class Trigger(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="trigger"):
    """Ring: one `alert`, or up to 1,000 `alerts`. Answered by `accepted` after the commit."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert: TriggerInput | None = None
    alerts: Triggers | None = None


class Reading(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="reading"):
    """Measured values, held against the rules of their frameworks. Answered by `accepted`."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    readings: Readings


class Acknowledge(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="acknowledge"):
    """I am looking after this alert (or these). Idempotent."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert_id: Id | None = None
    alert_ids: AlertIds | None = None
    notes: Text | None = None


class Resolve(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="resolve"):
    """This alert (or these) is over. Idempotent."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert_id: Id | None = None
    alert_ids: AlertIds | None = None
    notes: Text | None = None


class Received(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="received"):
    """Everything of a channel that I follow has arrived up to `offset`: for the record of who received what.

    Not answered; an error says if it is wrong.
    """

    channel: ChannelName
    offset: Offset


class Seen(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="seen"):
    """A person has seen everything of a channel that I follow up to `offset`. Not answered, as `received`."""

    channel: ChannelName
    offset: Offset


class Ping(_Request, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="ping"):
    """Are you there? Answered at once by `pong`, also before `auth`."""

    answered_by: ClassVar[tuple[str, ...]] = ("pong",)


ClientMessage = (
    Auth | Refresh | Subscribe | Unsubscribe | Trigger | Reading | Acknowledge | Resolve | Received | Seen | Ping
)


class AuthSuccess(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth_success"):
    """The token is good until `expiresAt`. Heartbeats come every `ping` seconds."""

    client_id: str
    workspace_id: str
    user_id: str
    expires_at: str
    ping: float
    id: RequestId | None = None


class AuthFailed(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth_failed"):
    """The token is not accepted. The connection stays for another try; the third failure ends it."""

    code: int
    message: str
    id: RequestId | None = None


class RecoveryOutcome(msgspec.Struct, frozen=True, gc=False):
    """Whether a recovery is possible, and why or why not: fresh, ok, epoch_changed, trimmed, ahead."""

    recovered: bool
    reason: str


class Subscribed(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="subscribed"):
    """You are on the channel. If `recovered`, everything after your position follows in order, then live messages."""

    channel: str
    epoch: str
    offset: int
    recovered: bool
    reason: str
    id: RequestId | None = None


class Snapshot(_Message, frozen=True, gc=False, kw_only=True, tag="snapshot"):
    """A page of the open alerts, newest first, as of `offset`; the events after the first page's offset follow.

    `page` counts from 0, the `last` one says so. An event whose offset is at most that of the page which showed its
    alert is in the page already.
    """

    channel: str
    epoch: str
    offset: int
    alerts: list[Alert]
    page: int
    last: bool


class Unsubscribed(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="unsubscribed"):
    """You are off the channel; `code` is 0 when you asked for it."""

    channel: str
    code: int = 0
    id: RequestId | None = None


class AlertMessage(_Message, frozen=True, gc=False, kw_only=True, tag="alert"):
    """Something happened to an alert. You have missed nothing when `prev` is at most the last offset that you have.

    Of many alerts that were changed together, instead of `data`: their ids in `alertIds`, and the `change`. `by` is the
    user who did it, `rule`, or `source`; left out if nobody did.
    """

    channel: str
    epoch: str
    offset: int
    prev: int
    event: EventKind
    data: Alert | None = None
    timestamp: str
    by: str | None = None
    suppressed: Suppressed | msgspec.UnsetType = msgspec.UNSET
    alert_ids: list[str] | None = None
    change: Change | None = None

    @property
    def ids(self) -> list[str]:
        """The ids of the alerts that it is about."""
        return [self.data.id] if self.data is not None else self.alert_ids or []


class ItemResult(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """What became of one item. `offset` is that of the event on the alert's channel, if there was one."""

    status: Status
    reason: Reason
    alert_id: str | None = None
    offset: int | None = None
    message: str | msgspec.UnsetType = msgspec.UNSET


class Accepted(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="accepted"):
    """The results of a request, one per item, in order. Sent after the commit of what it reports."""

    results: list[ItemResult]
    id: RequestId | None = None


class PositionMessage(_Message, frozen=True, gc=False, kw_only=True, tag="position"):
    """Proof of silence: up to `offset` you were told everything, as of `at`."""

    channel: str
    epoch: str
    offset: int
    at: str


class GapMessage(_Message, frozen=True, gc=False, kw_only=True, tag="gap"):
    """`count` messages of this channel were left out for you, `from` the first `to` the last; the next one follows.

    `reason`: `slow`, you read too slowly. Nothing else is missing when `prev` is at most the last offset that you have.
    To get them all the same subscribe again with `recover: {epoch, offset: prev}`.
    """

    channel: str
    epoch: str
    prev: int
    from_: int = msgspec.field(name="from")
    to: int
    count: int
    reason: str


class BroadcastTo(enum.Enum):
    """Whom an operator's word is for: one connection, who follows a framework or project, a workspace, a user."""

    CLIENT = "client"
    FRAMEWORK = "framework"
    WORKSPACE = "workspace"
    USER = "user"
    PROJECT = "project"


class Broadcast(_Message, frozen=True, gc=False, kw_only=True, tag="broadcast"):
    """An operator's word to whoever is connected now: `to` a kind of target, which is named `target`.

    On no stream and kept nowhere: who is away does not hear it.
    """

    to: BroadcastTo
    target: str
    message: str
    by: str
    at: str


class WorkflowProgress(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Which project of a workflow has come on, and the line item that is current now; null: it is finished."""

    project_id: str
    item_id: str | None


class WorkflowUpdated(_Message, frozen=True, gc=False, kw_only=True, tag="workflow_updated"):
    """A project has come on in its workflow. A hint without an offset: told once, and not to slow readers."""

    channel: str
    data: WorkflowProgress


class RefreshHint(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """Whose alerts have changed (null: those of several projects), and by what: always `workflow_progression`."""

    project_id: str | None
    type: str = "workflow_progression"


class AlertsRefresh(_Message, frozen=True, gc=False, kw_only=True, tag="alerts_refresh"):
    """Alerts of a project have changed; each change is an `alert` message as well. A hint, as `workflow_updated`."""

    channel: str
    data: RefreshHint


class AlertHint(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """An alert as a notification shows it. `priority`: LOW, MEDIUM, HIGH or CRITICAL for our severities."""

    id: str
    title: str
    message: str
    priority: str
    project_id: str


class NewAlert(_Message, frozen=True, gc=False, kw_only=True, tag="new_alert"):
    """A step of a workflow rings. A hint, as `workflow_updated`; at most 10 of a batch: the `alert` is the record."""

    channel: str
    data: AlertHint


class Pong(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="pong"):
    """Here."""

    id: RequestId | None = None


class ErrorMessage(_Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="error"):
    """A request was refused; nothing else changed. `temporary`: the same again a moment later may work."""

    code: int
    message: str
    temporary: bool
    id: RequestId | None = None


class Bye(_Message, frozen=True, gc=False, kw_only=True, tag="bye"):
    """The server is about to close; come back after `reconnectAfterMs` (spread by the server)."""

    code: int
    reason: str
    reconnect_after_ms: int


ServerMessage = (
    AuthSuccess
    | AuthFailed
    | Subscribed
    | Snapshot
    | Unsubscribed
    | AlertMessage
    | Accepted
    | PositionMessage
    | GapMessage
    | Broadcast
    | WorkflowUpdated
    | AlertsRefresh
    | NewAlert
    | Pong
    | ErrorMessage
    | Bye
)

# What is told beside the streams, without offsets.
Hint = WorkflowUpdated | AlertsRefresh | NewAlert
