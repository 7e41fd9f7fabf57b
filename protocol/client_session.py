"""The client's side of the conversation, over all its connections: what to say when, what was missed, what it means.

    CONNECTING --opened--> AUTHENTICATING --auth_success--> READY --closed--> CONNECTING ... --> CLOSED

Pure: it is told what arrived and answers what to send and what to show; sockets, tokens and time are somebody else's.
The other side is `protocol.session`.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass, field

from msgspec.structs import replace

from protocol import messages as m
from protocol.fields import RequestId
from protocol.model import Severity
from protocol.stream import Arrival, Follower


class ClientState(enum.Enum):
    """Where the client's side of a conversation stands."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


@dataclass
class Subscription:
    """One channel that the client wants, and its place in it.

    A connection has one subscription per channel, whatever it is called. So two names of one channel (`alerts:a` and
    `project:a`) share one place, each message is shown once, and the filter that was asked for last counts.
    """

    channel: str
    min_severity: Severity
    # Wanted with the open alerts first, whenever what was missed cannot be recovered.
    snapshot: bool = False
    follower: Follower = field(default_factory=Follower)
    # The server's full name of the channel, once it has answered.
    name: str = ""
    # Asked, not answered yet: live messages wait for the answer, so that nothing overtakes the history. It stays when
    # the server refuses: then the history is missing until the channel is given up, or asked for on a new connection.
    asked: RequestId | None = None

    def is_wanted(self, min_severity: Severity, snapshot: bool) -> bool:
        """Whether it is wanted like this."""
        return (self.min_severity, self.snapshot) == (min_severity, snapshot)


@dataclass
class Heard:
    """What a message from the server led to: what to send, what to show, what is missing."""

    send: list[m.ClientMessage] = field(default_factory=list)
    alert: m.AlertMessage | None = None
    # Left out by the server, and not asked for again: `recover` does.
    gap: m.GapMessage | None = None
    snapshot: m.Snapshot | None = None
    # Messages were lost for good on this channel (trimmed, or another store); the reason.
    lost: str | None = None


# The server handles messages in order: what follows `auth` in the same burst is judged after it.
_CONNECTED = frozenset({ClientState.AUTHENTICATING, ClientState.READY})


class ClientConversation:
    """The client's side: what to say when, what was missed, what is still unanswered. Outlives its connections."""

    def __init__(self) -> None:
        self.state = ClientState.CONNECTING
        self.subscriptions: dict[str, Subscription] = {}
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        """A request id that was not used before."""
        return next(self._ids)

    def opened(self, token: str) -> list[m.ClientMessage]:
        """The socket is open: `auth` and every wanted subscription in one burst, each from its last position."""
        self.state = ClientState.AUTHENTICATING
        return [m.Auth(token=token), *(self._ask(wanted) for wanted in self.subscriptions.values())]

    def subscribe(
        self, channel: str, min_severity: Severity = Severity.INFO, snapshot: bool = False
    ) -> list[m.ClientMessage]:
        """Wants a channel, or one wanted before in another way; sent at once, or when the socket is open."""
        wanted = self.subscriptions.setdefault(channel, Subscription(channel, min_severity, snapshot))
        waits = wanted.asked is not None and wanted.is_wanted(min_severity, snapshot)
        if snapshot and not wanted.snapshot:
            # With a position it would be recovered, and see no snapshot.
            wanted.follower = Follower()
        wanted.min_severity, wanted.snapshot = min_severity, snapshot
        return [self._ask(wanted)] if self.state in _CONNECTED and not waits else []

    def unsubscribe(self, channel: str) -> list[m.ClientMessage]:
        """Wants a channel no more."""
        known = self.subscriptions.pop(channel, None)
        if known is None or self.state not in _CONNECTED:
            return []
        # At the server they were one subscription, which this ends.
        return [m.Unsubscribe(channel=channel), *(self._ask(twin) for twin in self._named(known.name))]

    def recover(self, gap: m.GapMessage) -> list[m.ClientMessage] | None:
        """Wants what was left out after all; it comes after what was shown meanwhile.

        None: the channel is not followed any more, or the store is another one.
        """
        for wanted in self._named(gap.channel)[:1]:
            if wanted.follower.reopen(gap.epoch, gap.prev, gap.to):
                return [self._ask(wanted)] if self.state in _CONNECTED else []
        return None

    def closed(self, for_good: bool) -> None:
        """The socket is gone; `for_good` when the server said not to come back, or we do not want to."""
        self.state = ClientState.CLOSED if for_good else ClientState.CONNECTING
        for wanted in self.subscriptions.values():
            wanted.asked = None

    def hear(self, message: m.ServerMessage) -> Heard:
        """What a message means here. Duplicates are dropped, gaps lead to a new `subscribe` with `recover`."""
        match message:
            case m.AuthSuccess():
                self.state = ClientState.READY
                return Heard()
            case m.Subscribed():
                return self._subscribed(message)
            case m.AlertMessage():
                return self._alert(message)
            case m.GapMessage():
                return self._gap(message)
            case m.Snapshot():
                return self._snapshot(message)
            case m.PositionMessage():
                for wanted in self._followers(message.channel)[:1]:
                    wanted.follower.silence(message.epoch, message.offset)
                return Heard()
            case m.Unsubscribed(code=0):
                # Also another name of it was given up that was not known as one, because its answer was under way.
                return Heard(send=[self._ask(other) for other in self._followers(message.channel)])
            case _:
                return Heard()

    def _ask(self, wanted: Subscription) -> m.Subscribe:
        wanted.asked = self.next_id()
        return m.Subscribe(
            id=wanted.asked,
            channel=wanted.channel,
            recover=wanted.follower.position(),
            min_severity=wanted.min_severity,
            snapshot=wanted.snapshot,
        )

    def _subscribed(self, message: m.Subscribed) -> Heard:
        wanted = self._answered(message.id)
        if wanted is None:
            return Heard()
        twins = self._named(message.channel)
        if twins:
            wanted.follower = twins[0].follower
        wanted.name = message.channel
        is_fresh = message.reason == "fresh"
        if wanted.snapshot and not message.recovered:
            wanted.follower.expect_snapshot()
        if message.recovered or (is_fresh and twins):
            return Heard()
        is_same_store = message.epoch == wanted.follower.epoch
        if is_same_store and not wanted.snapshot and wanted.follower.forget_holes():
            # Only what was left out before is gone; from our own place on it may be there.
            return Heard(lost=message.reason, send=[self._ask(wanted)])
        wanted.follower.restart(message.epoch, message.offset)
        return Heard(lost=None if is_fresh else message.reason)

    def _answered(self, request: RequestId | None) -> Subscription | None:
        """The subscription that this reply is about; it is no longer waited for."""
        for wanted in self.subscriptions.values():
            if wanted.asked is not None and wanted.asked == request:
                wanted.asked = None
                return wanted
        return None

    def _alert(self, message: m.AlertMessage) -> Heard:
        for wanted in self._followers(message.channel)[:1]:
            arrival = wanted.follower.arrive(message.epoch, message.offset, message.prev)
            if arrival is Arrival.NEXT:
                return Heard(alert=_unshown(message, wanted.follower))
            if arrival is Arrival.GAP:
                return Heard(send=[self._ask(wanted)])
        return Heard()

    def _gap(self, message: m.GapMessage) -> Heard:
        for wanted in self._followers(message.channel)[:1]:
            arrival = wanted.follower.left_out(message.epoch, message.to, message.prev)
            if arrival is Arrival.NEXT:
                return Heard(gap=message)
            if arrival is Arrival.GAP:
                return Heard(send=[self._ask(wanted)])
        return Heard()

    def _snapshot(self, message: m.Snapshot) -> Heard:
        for wanted in self._followers(message.channel)[:1]:
            wanted.follower.show(message)
            return Heard(snapshot=message)
        return Heard()

    def _followers(self, name: str) -> list[Subscription]:
        """Whoever follows this channel; nobody while history is missing, which must come first."""
        same = self._named(name)
        return [] if any(s.asked is not None for s in same) else same

    def _named(self, name: str) -> list[Subscription]:
        """The subscriptions that the server knows by this name."""
        return [s for s in self.subscriptions.values() if name and s.name == name]


def _unshown(message: m.AlertMessage, follower: Follower) -> m.AlertMessage | None:
    """The message without alerts that a page of the snapshot showed as they were after it, or later."""
    ids = message.ids
    fresh = [alert_id for alert_id in ids if not follower.has_shown(alert_id, message.offset)]
    if len(fresh) == len(ids):
        return message
    return replace(message, alert_ids=fresh) if fresh else None
