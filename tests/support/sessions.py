"""Everything behind a gateway but the meaning of things, for tests of conversations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from actors.connection import Connection
from actors.derived import DerivedStreams
from actors.gateway import GatewayLimits
from actors.mailbox import Envelope, Receipt
from actors.ports import Answer, NewId
from actors.proofs import Proofs
from actors.registry import Registry
from actors.roster import Roster, RosterLimits, SessionCounters
from actors.session import Session
from actors.session_kit import SessionKit, SessionLimits
from actors.ticker import Ticker
from actors.websocket import WebSocketLimits
from protocol import messages as m
from protocol.commands import Ring
from protocol.effects import RecipientMark
from protocol.errors import BadRequest, PermissionDenied, TokenExpired, Unauthorized
from protocol.model import ChannelKey, Principal, Severity, StreamKey
from protocol.names import parse_channel
from tests.support.actors import (
    KEY,
    FakeStore,
    Machines,
    Recorder,
    a_kit,
    clock,
    start,
)
from tests.support.sockets import Peer, Served, serving

CHANNEL = KEY.name
WORKSPACE = "alerts:acme:*"
FOREVER_S = 10**9


class Desk:
    """Tokens are `user`, `user@workspace` or `user@workspace#channel,channel`; `brief <seconds>` expires.

    Triggers ring, anything else is refused.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        # Tickets that wait, and the tokens that they stand for.
        self.tickets: dict[str, str] = {}

    def authenticate(self, token: str) -> Principal:
        if token == "late":
            raise TokenExpired
        if token.startswith("bad"):
            raise Unauthorized
        user, _, workspace = token.partition("@")
        word, _, seconds = user.partition(" ")
        expires_at = clock() // 1_000_000 + (int(seconds) if seconds else FOREVER_S)
        # `ada@acme#checkout,search` may read these channels only.
        workspace, is_limited, channels = workspace.partition("#")
        return Principal(
            workspace=workspace or "acme",
            user=word,
            role="admin",
            expires_at=expires_at,
            channels=tuple(channels.split(",")) if is_limited else None,
        )

    async def redeem(self, ticket: str) -> Principal:
        return self.authenticate(self.tickets.pop(ticket, "bad"))

    def locate(self, who: Principal, channel: str | None, framework_id: str | None) -> StreamKey:
        if framework_id is not None:
            return ChannelKey(who.workspace, framework_id)
        if channel == "alerts:secret":
            raise PermissionDenied("not yours")
        key = parse_channel(channel or "", who.workspace, who.user)
        if who.channels is not None and not (isinstance(key, ChannelKey) and key.framework in who.channels):
            raise PermissionDenied("this token is limited to other channels")
        return key

    async def submit(self, who: Principal, request: m.ClientMessage, answer: Answer, address: str = "") -> None:
        if not isinstance(request, m.Trigger) or request.alert is None:
            raise BadRequest("only triggers here")
        if request.alert.title == "bug":
            raise ZeroDivisionError
        key = ChannelKey(who.workspace, request.alert.framework_id)
        ring = Ring(title=request.alert.title)
        self.registry.cell(key).put_all([Envelope(ring, Receipt(1, answer), 0)])


class Presence:
    def __init__(self) -> None:
        self.notes: list[tuple[str, ...]] = []

    def opened(self, client_id: str, who: Principal) -> None:
        self.notes.append(("opened", client_id, who.user))

    def subscribed(self, client_id: str, key: ChannelKey) -> None:
        self.notes.append(("subscribed", client_id, key.name))

    def active(self, client_id: str) -> None:
        self.notes.append(("active", client_id))

    def closed(self, client_id: str) -> None:
        self.notes.append(("closed", client_id))


class Recipients:
    """Marks as (stream, user, is_seen, after, until), in order."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, str, bool, int, int]] = []
        self.severities: list[Severity] = []

    def mark(self, mark: RecipientMark, origin: int) -> None:
        self.marks.append((mark.stream.name, mark.user, mark.is_seen, mark.after, mark.until))
        self.severities.append(mark.min_severity)


class Rig:
    """Everything behind a gateway but the meaning of things."""

    def __init__(self, limits: SessionLimits, roster: RosterLimits | None = None) -> None:
        self.store, self.presence, self.ticker = FakeStore(), Presence(), Ticker()
        self.recipients = Recipients()
        self.registry = Registry(a_kit(self.store, Machines(), Recorder()))
        self.derived = DerivedStreams(self.store, Recorder())
        self.store.feed = self.derived.post
        self.desk = Desk(self.registry)
        self.observer = Recorder()
        self.roster = Roster(self.observer, roster)
        self.kit = SessionKit(
            self.desk,
            self.registry,
            self.derived,
            self.store,
            self.ticker,
            self.presence,
            self.recipients,
            self.roster,
            clock,
            limits,
            Proofs(clock),
        )
        self.served: Served

    async def converse(self, connection: Connection) -> None:
        await Session(connection, self.kit).run()

    @property
    def counters(self) -> SessionCounters:
        """What the gateway counted of its conversations."""
        return self.roster.counters

    async def client(self, token: str = "ada") -> Peer:
        """A connection that has authenticated."""
        peer = await self.served.connect()
        await peer.say({"type": "auth", "token": token})
        assert isinstance(await peer.hear(), m.AuthSuccess)
        return peer

    def ring_now(self, title: str) -> None:
        """Somebody rings; what comes of it comes later."""
        self.registry.cell(KEY).put_all([Envelope(Ring(title=title), Receipt(1, lambda results: None), 0)])

    async def ring(self, *titles: str) -> None:
        """Somebody rings; it is committed and told when this comes back."""
        for title in titles:
            self.ring_now(title)
        await wait_all_tasks_blocked()


@asynccontextmanager
async def a_rig(
    gateway: GatewayLimits | None = None,
    roster: RosterLimits | None = None,
    new_id: NewId | None = None,
    backlog_bytes: int = WebSocketLimits.reply_backlog_bytes,
    **limits: Any,
) -> AsyncIterator[Rig]:
    rig = Rig(SessionLimits(**limits), roster)
    async with trio.open_nursery() as nursery:
        for part in (rig.registry, rig.derived, rig.ticker):
            await start(nursery, part.run)
        async with serving(
            rig.converse,
            limits=gateway,
            websocket=WebSocketLimits(reply_backlog_bytes=backlog_bytes),
            roster=rig.roster,
            new_id=new_id,
        ) as rig.served:
            yield rig
        nursery.cancel_scope.cancel()


async def subscribe(peer: Peer, channel: str = "alerts:checkout", **more: Any) -> m.Subscribed:
    await peer.say({"type": "subscribe", "channel": channel, **more})
    answer = await peer.hear()
    assert isinstance(answer, m.Subscribed), answer
    return answer


async def alerts(peer: Peer, count: int) -> list[m.AlertMessage]:
    heard = []
    for _ in range(count):
        message = await peer.hear()
        assert isinstance(message, m.AlertMessage), message
        heard.append(message)
    return heard


def offsets(heard: Sequence[m.AlertMessage]) -> list[tuple[int, int]]:
    return [(message.prev, message.offset) for message in heard]


async def close_code(peer: Peer) -> int:
    return (await peer.hear_close())[0]
