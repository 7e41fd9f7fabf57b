"""Notifications over HTTP: what became of those of an alert, and what one was told in the app oneself."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from engine.core.telling import explained
from engine.http.bodies import json_body
from engine.http.parameters import Cursor, Limit, known_alert
from engine.http.role_guards import needs
from engine.notify.verbs import NotifyVerbs
from engine.pages import PAGE_DEFAULT
from engine.stores.deliveries import LedgerLine
from protocol.items import NoticeKeys
from protocol.model import Alert, Principal
from protocol.notify import Change, Channel, Delivery, DeliveryState, Why
from protocol.times import rfc3339

Asked = Request[Principal, Any, Any]


class DeliveryShown(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger: a channel, a recipient (`endpoint:<id>`, `user:<id>`; `team:<id>`: nobody).

    `key` is what the target got with it (a webhook's `webhook-id`); `explanation` says it in a sentence.
    """

    key: str
    channel: Channel
    recipient: str
    change: Change
    state: DeliveryState
    why: Why | None
    cause: str | None
    attempts: int
    at: str
    updated_at: str
    due: str | None
    explanation: str


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the ledger, the oldest line first. `explanation`: why there is no line, if there is none."""

    items: list[DeliveryShown]
    next_cursor: str | None
    explanation: str | None


class NotificationShown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody was told in the app; `alert` as it is now (null: it is gone, or not his to see)."""

    key: str
    kind: Change
    at: str
    is_read: bool
    alert: Alert | None


class NotificationList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of one's own notifications, newest first, and how many of all of them are unread."""

    items: list[NotificationShown]
    next_cursor: str | None
    unread: int


class ReadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which notifications one has read, by their keys; left out: all."""

    keys: NoticeKeys | None = None


class ReadResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many of them were unread, how many of all of one's notifications are so still, and which keys none has."""

    read: int
    unread: int
    unknown: list[str]


def notification_routes(verbs: NotifyVerbs) -> list[HTTPRouteHandler]:
    """The routes."""

    @get("/api/v1/alerts/{alert_id:str}/deliveries", tags=["notifications"])
    async def deliveries(
        request: Asked, alert_id: FromPath[str], limit: Limit = PAGE_DEFAULT, cursor: Cursor = None
    ) -> DeliveryList:
        """Who was told of this alert, and who was not and why: each in a sentence."""
        page = await verbs.deliveries(request.user, known_alert(alert_id), cursor, limit)
        return DeliveryList(
            items=[_delivery(line, page.ahead.get(line.delivery.key)) for line in page.lines],
            next_cursor=page.next_cursor,
            explanation=page.explanation,
        )

    @get("/api/v1/notifications", tags=["notifications"])
    async def notifications(request: Asked, limit: Limit = PAGE_DEFAULT, cursor: Cursor = None) -> NotificationList:
        """What one was told in the app oneself, newest first, and how many of them are unread."""
        page = await verbs.in_app(request.user, cursor, limit)
        return NotificationList(
            items=[_notification(line, page.alerts.get(line.delivery.alert_id)) for line in page.lines],
            next_cursor=page.next_cursor,
            unread=page.unread,
        )

    @post(
        "/api/v1/notifications/read",
        status_code=200,
        guards=[needs("read")],
        dto=json_body(ReadBody),
        return_dto=None,
        tags=["notifications"],
    )
    async def read(request: Asked, data: JSONBody[ReadBody]) -> ReadResult:
        """Says which of one's own notifications one has read (without `keys`: all of them). Idempotent."""
        read, unread = await verbs.read(request.user, data.keys)
        return ReadResult(read=read, unread=unread, unknown=await verbs.unknown(request.user, data.keys))

    return [deliveries, notifications, read]


def _delivery(line: LedgerLine, ahead: Delivery | None) -> DeliveryShown:
    one = line.delivery
    return DeliveryShown(
        key=one.key,
        channel=one.channel,
        recipient=one.recipient.name,
        change=one.change,
        state=one.state,
        why=one.why,
        cause=one.cause,
        attempts=one.attempts,
        at=rfc3339(one.at),
        updated_at=rfc3339(one.updated_at),
        due=None if one.due is None else rfc3339(one.due),
        explanation=explained(one, ahead),
    )


def _notification(line: LedgerLine, alert: Alert | None) -> NotificationShown:
    one = line.delivery
    return NotificationShown(
        key=one.key,
        kind=one.change,
        at=rfc3339(one.at),
        is_read=one.state is DeliveryState.READ,
        alert=alert,
    )
