"""The senders that go out to endpoints, and the test that somebody makes of one."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec
import structlog

from actors.ports import Clock
from engine.configuration.config import Config
from engine.notify.apprise import Apprise
from engine.notify.endpoint_sender import EndpointSender
from engine.notify.endpoints import EndpointShelf
from engine.notify.notifications import Notifications
from engine.notify.outbound import Outbound
from engine.notify.ports import NO_MAIL_SERVER, Outcome, Refused, Sender, Sent, TryLater
from engine.notify.raised import cause_of, trace_of
from engine.notify.slack import Slack
from engine.notify.underway import Underway
from engine.notify.webhook import Deliverer, Webhook
from engine.shelf.catalogue import ShelfKit
from engine.shelf.kinds import Held
from protocol.endpoints import Endpoint, Format
from protocol.errors import TocsinError
from protocol.model import Alert, AlertState, Principal, Severity
from protocol.notify import Change, Channel, Outgoing, Recipient
from protocol.times import rfc3339

TEST_TITLE = "This is a test: nothing has happened"
log = structlog.get_logger()
# Forms in which a test cannot be told from an alert: their receivers open something that must be closed again.
_OPENS = frozenset({Format.ALERTMANAGER, Format.PAGERDUTY})


def endpoint_senders(
    outbound: Outbound, shelf: EndpointShelf, config: Config, clock: Clock, *, are_trials: bool = False
) -> dict[Channel, Sender]:
    """By channel; those of tests have connections and threads of their own."""
    connector = outbound.outside.trials if are_trials else outbound.outside.connector
    deliverers: Mapping[Channel, Deliverer] = {
        Channel.WEBHOOK: Webhook(connector),
        Channel.SLACK: Slack(connector),
        Channel.APPRISE: Apprise(config.notify.apprise_s),
    }
    sender = EndpointSender(outbound, shelf, deliverers, clock)
    return dict.fromkeys(deliverers, sender)


class TryoutOutcome(enum.Enum):
    """What came of a test: the target has it; the next hop has it; never; not now."""

    DELIVERED = "delivered"
    SENT = "sent"
    REFUSED = "refused"
    TRY_LATER = "try_later"


class TryoutResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test notification. `cause`: what the target said, or why it was not asked."""

    outcome: TryoutOutcome
    cause: str = ""
    after_s: float | None = None


class Tryout:
    """Sends test notifications, past routing and ledger: what is tested is the target.

    By `trials` where they have the channel, so that tests take nothing that alerts need.
    """

    def __init__(
        self, shelf: EndpointShelf, notifications: Notifications, trials: Mapping[Channel, Sender], kit: ShelfKit
    ) -> None:
        self._shelf = shelf
        self._notifications = notifications
        self._trials = trials
        self._kit = kit
        self._underway = Underway(kit.count_refusal)

    async def try_out(self, who: Principal, object_id: str) -> TryoutResult:
        """Sends one, for who may change the endpoint. Raises UnknownChannel, PermissionDenied, TooManyRequests."""
        held = await self._shelf.to_change(who, object_id)
        self._shelf.permit(who, held.value, held.value)
        with self._underway.one((who.workspace, held.id)):
            return await self._tried(who, held)

    async def _tried(self, who: Principal, held: Held[Endpoint]) -> TryoutResult:
        channel = held.value.channel
        sender = self._trials.get(channel) or self._notifications.senders.get(channel)
        if sender is None:
            # Whatever else an endpoint may be has its sender always.
            return TryoutResult(outcome=TryoutOutcome.REFUSED, cause=NO_MAIL_SERVER)
        message = self._message(who, held.id, channel)
        message = msgspec.structs.replace(message, rendered=await self._notifications.renderer.render(message))
        outcome = await _asked(sender, message)
        if isinstance(outcome, Sent):
            taken = TryoutOutcome.DELIVERED if outcome.is_delivered else TryoutOutcome.SENT
            return TryoutResult(outcome=taken, cause=await self._closed(sender, held.value, message))
        if isinstance(outcome, Refused):
            return TryoutResult(outcome=TryoutOutcome.REFUSED, cause=outcome.cause)
        return TryoutResult(outcome=TryoutOutcome.TRY_LATER, cause=outcome.cause, after_s=outcome.after_s)

    async def _closed(self, sender: Sender, endpoint: Endpoint, test: Outgoing) -> str:
        """Ends what a test has opened there; why it is still open, if it is."""
        if endpoint.format not in _OPENS:
            return ""
        over = tuple(msgspec.structs.replace(alert, state=AlertState.RESOLVED) for alert in test.alerts)
        end = msgspec.structs.replace(test, key=f"{test.key}_end", change=Change.RESOLVED, alerts=over)
        outcome = await _asked(sender, end)
        if isinstance(outcome, Sent):
            return ""
        return f"the end of the test was not taken ({outcome.cause}): close there what it has opened"

    def _message(self, who: Principal, endpoint: str, channel: Channel) -> Outgoing:
        now, name = self._kit.clock(), self._kit.new_id()
        return Outgoing(
            key=f"msg_test_{name}",
            workspace=who.workspace,
            channel=channel,
            recipient=Recipient(endpoint=endpoint),
            change=Change.TEST,
            alerts=(_nothing(name, rfc3339(now), who.user),),
            at=now,
            by=who.user,
            text=TEST_TITLE,
        )


async def _asked(sender: Sender, message: Outgoing) -> Outcome:
    """What comes of a message; a bug that this meets is told as jobs tell it, without its text."""
    try:
        return await sender.send(message)
    except TocsinError:
        raise
    except Exception as fault:
        log.warning("sender_raised", channel=message.channel.value, cause=cause_of(fault), trace=trace_of(fault))
        return TryLater(None, cause_of(fault))


def _nothing(alert_id: str, at: str, user: str) -> Alert:
    """An alert that there is not."""
    return Alert(
        id=alert_id,
        framework_id="test",
        severity=Severity.INFO,
        state=AlertState.ACTIVE,
        current_value=None,
        threshold_value=None,
        title=TEST_TITLE,
        message=f"{user} asked for it, to see whether notifications arrive.",
        occurrences=1,
        triggered_at=at,
        last_seen_at=at,
        notification_sent=True,
        alert_type="test",
        labels={"test": "true"},
    )
