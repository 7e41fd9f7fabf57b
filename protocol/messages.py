"""The messages of the wire, one frozen Struct each. The docstrings are their documentation.

Envelope fields are camelCase on the wire, fields of alerts, triggers and readings snake_case. A reader ignores fields
of a message that it does not know, and the engine refuses those of a trigger or reading; a new field has a default.
What stands in them: `protocol.items`, `protocol.model`; what is told beside the streams: `protocol.hints`.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from protocol.envelope import Message, RequestMessage
from protocol.fields import ChannelName, Id, Offset, RequestId, Text, Ticket, Token
from protocol.hints import (
    AlertsRefresh,
    Broadcast,
    IncidentUpdated,
    NewAlert,
    Notification,
    PatternFound,
    WorkflowUpdated,
)
from protocol.items import AlertIds, ItemResult, NoticeKeys, Readings, TriggerInput, Triggers
from protocol.model import Alert, Change, EventKind, Severity, Suppressed


class Position(msgspec.Struct, frozen=True, gc=False):
    """A place in a stream: the epoch (identity of the store) and the last offset that the client has."""

    epoch: str
    offset: Offset


class Auth(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth"):
    """The first message: who I am. A `token`, or a one-use `ticket` that was made with one."""

    answered_by: ClassVar[tuple[str, ...]] = ("auth_success", "auth_failed")
    token: Token | None = None
    ticket: Ticket | None = None


class Refresh(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="refresh"):
    """A newer token of the same user and workspace: extends the session without reconnecting."""

    answered_by: ClassVar[tuple[str, ...]] = ("auth_success", "auth_failed")
    token: Token


class Subscribe(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="subscribe"):
    """Send me this channel from now on, or from `recover` on. Exactly one of `frameworkId` and `channel`."""

    answered_by: ClassVar[tuple[str, ...]] = ("subscribed",)
    framework_id: Id | None = None
    channel: ChannelName | None = None
    recover: Position | None = None
    min_severity: Severity = Severity.INFO
    # With the open alerts first (`snapshot` messages), unless everything missed is recovered.
    snapshot: bool = False


class Unsubscribe(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="unsubscribe"):
    """No more of this channel."""

    answered_by: ClassVar[tuple[str, ...]] = ("unsubscribed",)
    framework_id: Id | None = None
    channel: ChannelName | None = None


class Trigger(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="trigger"):
    """Ring: one `alert`, or up to 1,000 `alerts`. Answered by `accepted` after the commit."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert: TriggerInput | None = None
    alerts: Triggers | None = None


class Reading(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="reading"):
    """Measured values, held against the rules of their frameworks. Answered by `accepted`."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    readings: Readings


class Acknowledge(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="acknowledge"):
    """I am looking after this alert (or these). Idempotent. `noise`: whether it should not have rung."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert_id: Id | None = None
    alert_ids: AlertIds | None = None
    notes: Text | None = None
    noise: bool | None = None


class Resolve(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="resolve"):
    """This alert (or these) is over. Idempotent. `noise`: whether it should not have rung."""

    answered_by: ClassVar[tuple[str, ...]] = ("accepted",)
    alert_id: Id | None = None
    alert_ids: AlertIds | None = None
    notes: Text | None = None
    noise: bool | None = None


class Received(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="received"):
    """Everything of a channel that I follow has arrived up to `offset`: for the record of who received what.

    Not answered; an error says if it is wrong.
    """

    channel: ChannelName
    offset: Offset


class Seen(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="seen"):
    """A person has seen everything of a channel that I follow up to `offset`. Not answered, as `received`."""

    channel: ChannelName
    offset: Offset


class Read(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="read"):
    """I have read these notifications of mine, by their `key`; without `keys`: all of them. Idempotent."""

    answered_by: ClassVar[tuple[str, ...]] = ("marked_read",)
    keys: NoticeKeys | None = None


class Ping(RequestMessage, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="ping"):
    """Are you there? Answered at once by `pong`, also before `auth`."""

    answered_by: ClassVar[tuple[str, ...]] = ("pong",)


ClientMessage = (
    Auth | Refresh | Subscribe | Unsubscribe | Trigger | Reading | Acknowledge | Resolve | Received | Seen | Read | Ping
)


class AuthSuccess(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth_success"):
    """The token is good until `expiresAt`. Heartbeats come every `ping` seconds."""

    client_id: str
    workspace_id: str
    user_id: str
    expires_at: str
    ping: float
    id: RequestId | None = None


class AuthFailed(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="auth_failed"):
    """The token is not accepted. The connection stays for another try; the third failure ends it."""

    code: int
    message: str
    id: RequestId | None = None


class RecoveryOutcome(msgspec.Struct, frozen=True, gc=False):
    """Whether a recovery is possible, and why or why not: fresh, ok, epoch_changed, trimmed, ahead."""

    recovered: bool
    reason: str


class Subscribed(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="subscribed"):
    """You are on the channel. If `recovered`, everything after your position follows in order, then live messages."""

    channel: str
    epoch: str
    offset: int
    recovered: bool
    reason: str
    id: RequestId | None = None


class Snapshot(Message, frozen=True, gc=False, kw_only=True, tag="snapshot"):
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


class Unsubscribed(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="unsubscribed"):
    """You are off the channel; `code` is 0 when you asked for it."""

    channel: str
    code: int = 0
    id: RequestId | None = None


class AlertMessage(Message, frozen=True, gc=False, kw_only=True, tag="alert"):
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


class Accepted(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="accepted"):
    """The results of a request, one per item, in order. Sent after the commit of what it reports."""

    results: list[ItemResult]
    id: RequestId | None = None


class MarkedRead(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="marked_read"):
    """So many of them were `read` now and not before; so many of all your notifications are still `unread`."""

    read: int
    unread: int
    id: RequestId | None = None


class PositionMessage(Message, frozen=True, gc=False, kw_only=True, tag="position"):
    """Proof of silence: up to `offset` you were told everything, as of `at`."""

    channel: str
    epoch: str
    offset: int
    at: str


class GapMessage(Message, frozen=True, gc=False, kw_only=True, tag="gap"):
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


class Pong(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="pong"):
    """Here."""

    id: RequestId | None = None


class ErrorMessage(Message, frozen=True, gc=False, omit_defaults=True, kw_only=True, tag="error"):
    """A request was refused; nothing else changed. `temporary`: the same again a moment later may work."""

    code: int
    message: str
    temporary: bool
    id: RequestId | None = None


class Bye(Message, frozen=True, gc=False, kw_only=True, tag="bye"):
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
    | MarkedRead
    | PositionMessage
    | GapMessage
    | Broadcast
    | WorkflowUpdated
    | AlertsRefresh
    | NewAlert
    | Notification
    | PatternFound
    | IncidentUpdated
    | Pong
    | ErrorMessage
    | Bye
)
