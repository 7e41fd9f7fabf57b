"""What the server's messages mean to those who wait for them: answers, subscriptions, alerts, losses.

Owned by the client's link, which feeds it message by message. Synchronous: nothing here waits, so between noting an
alert's offset and keeping the alert nothing can come. Whom to answer is kept here: one slot per request in flight
and per first subscription. What was missed and what to say about it decides `ClientConversation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from protocol import messages as m
from protocol.client_session import ClientConversation, ClientState, Heard, Subscription
from protocol.errors import CloseCode, TocsinError
from protocol.fields import OFFSET_MAX, RequestId
from protocol.hints import Broadcast, Notification
from protocol.model import EventKind, Severity
from tocsin.buffer import AlertBuffer
from tocsin.connection import Ended
from tocsin.errors import ConnectionLost, Lost, error_of
from tocsin.life import Counters, Life
from tocsin.slot import Slot

# New tokens that were refused in a row, before we believe that the next one will be too.
REFUSED_TOKENS_MAX = 3


OnGap = Callable[[m.GapMessage], None]
OnBroadcast = Callable[[Broadcast], None]
OnNotification = Callable[[Notification], None]
Push = Callable[[m.ClientMessage], None]


class Dialogue:
    """The client's side of the talk, over all its connections."""

    def __init__(
        self,
        buffer: AlertBuffer,
        has_fresh_tokens: bool,
        on_lost: Callable[[Lost], None],
        on_gap: OnGap,
        says_received: bool = False,
        on_broadcast: OnBroadcast = lambda word: None,
        on_notification: OnNotification = lambda notice: None,
    ) -> None:
        self.counters = Counters()
        self.pending: dict[RequestId, Slot] = {}
        # The server's last greeting: client id, workspace, user, when the token ends.
        self.session: m.AuthSuccess | None = None
        self._conversation = ClientConversation()
        self._buffer = buffer
        self._has_fresh_tokens = has_fresh_tokens
        self._on_lost = on_lost
        self._on_gap = on_gap
        self._on_broadcast = on_broadcast
        self._on_notification = on_notification
        self._says_received = says_received
        self._refused_tokens = 0
        self._subscribing: dict[str, Slot] = {}
        self._life = Life()
        # To the connection; None between two of them.
        self._push: Push | None = None

    @property
    def state(self) -> ClientState:
        """Where the conversation stands."""
        return self._conversation.state

    def next_id(self) -> int:
        """A request id that was not used before."""
        return self._conversation.next_id()

    def opened(self, life: Life, push: Push, token: str) -> None:
        """A connection is open: authenticates and asks for every wanted channel, in one burst."""
        self._life, self._push = life, push
        self._send(self._conversation.opened(token))

    def broken(self, why: str) -> None:
        """The connection is over: who waits for an answer is told; subscriptions stay wanted."""
        self._push = None
        self._conversation.closed(for_good=False)
        for slot in self.pending.values():
            slot.answer(ConnectionLost(f"{why}; the request may have been stored: send the same again"))

    def ended(self, fault: TocsinError) -> None:
        """The client is over: whoever waits is told."""
        self._conversation.closed(for_good=True)
        for slot in (*self.pending.values(), *self._subscribing.values()):
            slot.answer(fault)

    def subscribe(self, channel: str, severity: Severity, snapshot: bool = False) -> Slot | None:
        """Wants a channel; the slot gets the server's answer, None if it was wanted like this and answered before."""
        known = self._conversation.subscriptions.get(channel)
        if known is not None and known.is_wanted(severity, snapshot) and channel not in self._subscribing:
            return None
        slot = self._subscribing.setdefault(channel, Slot())
        self._send(self._conversation.subscribe(channel, severity, snapshot))
        return slot

    def unsubscribe(self, channel: str) -> None:
        """Wants a channel no more."""
        self._subscribing.pop(channel, None)
        self._send(self._conversation.unsubscribe(channel))

    def recover(self, gap: m.GapMessage) -> bool:
        """Asks for what was left out; False: the channel is not followed any more, or the store is another one."""
        asks = self._conversation.recover(gap)
        self._send(asks or [])
        return asks is not None

    def hear(self, message: m.ServerMessage, life: Life) -> None:
        """Takes one message of the server."""
        match message:
            case m.AuthSuccess():
                self._ready(message, life)
            case m.AuthFailed():
                self._auth_failed(message, life)
            case m.AlertMessage():
                self._alert(message, life)
            case Broadcast():
                self._on_broadcast(message)
            case m.GapMessage():
                self._left_out(message, life)
            case m.Subscribed():
                self._subscribed(message)
            case m.Snapshot():
                self._snapshot(message)
            case m.PositionMessage():
                self._conversation.hear(message)
                self._say_received(message.channel, life)
            case m.ErrorMessage():
                self._refused(message, life)
            case m.Bye():
                life.asked_s = message.reconnect_after_ms / 1e3
            case Notification():
                self._on_notification(message)
            case m.Accepted() | m.MarkedRead() | m.Pong() if message.id is not None and message.id in self.pending:
                self.pending[message.id].answer(message)
            case _:
                self._send(self._conversation.hear(message).send)

    def _ready(self, message: m.AuthSuccess, life: Life) -> None:
        is_refresh = self._conversation.state is ClientState.READY
        self._conversation.hear(message)
        self.session, self._refused_tokens = message, 0
        if is_refresh:
            self.counters.refreshes += 1
            return
        life.ready_at = trio.current_time()
        self.counters.reconnects += self.counters.connects > 0
        self.counters.connects += 1

    def _auth_failed(self, message: m.AuthFailed, life: Life) -> None:
        self._refused_tokens += 1
        is_final = not self._has_fresh_tokens or self._refused_tokens >= REFUSED_TOKENS_MAX
        said = f"the token was refused: {message.message}"
        life.verdict = Ended(said, CloseCode.INVALID_TOKEN if is_final else None)

    def _alert(self, message: m.AlertMessage, life: Life) -> None:
        is_followed = any(
            wanted.name == message.channel and wanted.asked is None
            for wanted in self._conversation.subscriptions.values()
        )
        heard = self._conversation.hear(message)
        if heard.send:
            self.counters.gaps += 1
            heard = self._gap(message, heard, life)
        self._send(heard.send)
        if heard.alert is not None:
            self.counters.alerts_received += 1
            self._buffer.append(heard.alert)
        elif is_followed and not heard.send:
            self.counters.duplicates += 1

    def _snapshot(self, message: m.Snapshot) -> None:
        """Open alerts are handed on one by one; how many a page has is bounded, so the buffer is too."""
        heard = self._conversation.hear(message)
        for alert in heard.snapshot.alerts if heard.snapshot else ():
            self.counters.alerts_shown += 1
            self._buffer.append(
                m.AlertMessage(
                    channel=message.channel,
                    epoch=message.epoch,
                    offset=message.offset,
                    prev=message.offset,
                    event=EventKind.OPEN,
                    data=alert,
                    timestamp=alert.last_seen_at,
                )
            )

    def _say_received(self, channel: str, life: Life) -> None:
        """With each proof of silence: rare enough to be cheap, and then everything before it has arrived."""
        if not self._says_received:
            return
        for wanted in self._conversation.subscriptions.values():
            position = wanted.follower.position()
            if wanted.name == channel and position is not None and position.offset > life.received.get(channel, 0):
                life.received[channel] = position.offset
                self._send([m.Received(channel=channel, offset=position.offset)])

    def _left_out(self, message: m.GapMessage, life: Life) -> None:
        heard = self._conversation.hear(message)
        if heard.send:
            self.counters.gaps += 1
            heard = self._gap(message, heard, life)
        self._send(heard.send)
        if heard.gap is not None:
            self.counters.left_out += heard.gap.count
            # What was left out has not arrived: no more is said of this channel until it is asked for anew.
            life.received[message.channel] = OFFSET_MAX
            self._on_gap(heard.gap)

    def _gap(self, message: m.AlertMessage | m.GapMessage, heard: Heard, life: Life) -> Heard:
        """Recovers, once: if the same gap is there again, what is in it cannot be read, and we go on behind it."""
        (ask,) = heard.send
        wanted = next(s for s in self._conversation.subscriptions.values() if s.asked == ask.id)
        position = wanted.follower.position()
        if position != life.gaps.get(wanted.channel):
            life.gaps[wanted.channel] = position
            return heard
        wanted.asked = None
        wanted.follower.skip(message.epoch, message.prev)
        self._lost(wanted.channel, "unreadable")
        return self._conversation.hear(message)

    def _subscribed(self, message: m.Subscribed) -> None:
        wanted = self._asking(message.id)
        heard = self._conversation.hear(message)
        if wanted is None:
            return
        if heard.lost is not None:
            self._lost(wanted.channel, heard.lost)
        self._life.received.pop(message.channel, None)
        self._send(heard.send)
        if slot := self._subscribing.pop(wanted.channel, None):
            slot.answer(message)

    def _refused(self, message: m.ErrorMessage, life: Life) -> None:
        """The server refused a request, or a subscription (perhaps after `subscribed`: its history cannot be read)."""
        if message.id is None:
            return
        fault = error_of(message)
        channel = next((name for name, asked in life.asks.items() if asked == message.id), None)
        if slot := self.pending.get(message.id):
            slot.answer(fault)
        elif channel is not None and channel in self._conversation.subscriptions:
            self._subscription_refused(channel, fault, life)

    def _subscription_refused(self, channel: str, fault: TocsinError, life: Life) -> None:
        slot = self._subscribing.pop(channel, None)
        if slot is None and fault.temporary:
            # A channel that we had: come back after a pause and recover it.
            life.verdict = Ended(f"{channel}: {fault.message}")
            return
        # Said also of what is new here: it may be followed under another name, which must go on.
        self._send(self._conversation.unsubscribe(channel))
        if slot is not None:
            slot.answer(fault)
        else:
            self._lost(channel, fault.message)

    def _asking(self, request: RequestId | None) -> Subscription | None:
        """The subscription that this request asks for, if it is not answered yet."""
        if request is None:
            return None
        return next((s for s in self._conversation.subscriptions.values() if s.asked == request), None)

    def _send(self, messages: Sequence[m.ClientMessage]) -> None:
        if self._push is None:
            return
        for message in messages:
            if isinstance(message, m.Subscribe) and message.channel is not None:
                self._life.asks[message.channel] = message.id
            self._push(message)

    def _lost(self, channel: str, reason: str) -> None:
        self.counters.lost += 1
        self._on_lost(Lost(channel, reason))
