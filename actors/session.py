"""One client's conversation, from its first message to its last.

Owns: the conversation's state (who, which subscriptions) and nothing that outlives it. Reads one message at a time and
hands it on: triggers to the desk, subscriptions to the audiences. It waits for reads (where is this alert? what did I
miss?) and for its own peer to take its answers, never for a commit: results come by callback into the outbox. If it
crashes, this connection ends and the client comes back.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from actors.audience import Audience, Group
from actors.channel import HISTORY_CHUNK
from actors.gateway import Connection
from actors.outbox import Frame
from actors.ports import Answer, ChannelStore, Clock, Desk, Presence
from actors.registry import Registry
from actors.ticker import Ticker
from actors.workspace import Workspaces
from protocol import messages as m
from protocol.codec import WireForm, decode_client, form_of, frame_message, request_id
from protocol.errors import (
    BadRequest,
    CloseCode,
    ConversationEnded,
    PermissionDenied,
    StoreUnavailable,
    TocsinError,
    TokenExpired,
    Unauthorized,
)
from protocol.messages import ItemResult
from protocol.model import ChannelKey, Event, Principal
from protocol.session import ServerConversation
from protocol.stream import recovery
from protocol.times import SECOND_US, rfc3339


@dataclass(frozen=True)
class SessionLimits:
    """Bounds of one conversation, in seconds unless named otherwise."""

    heartbeat_s: float = 30.0
    timeout_s: float = 60.0
    auth_s: float = 10.0
    message_s: float = 10.0
    subscriptions_max: int = 128
    # History waits for the peer while more than this is unread.
    backlog_bytes: int = 65_536


@dataclass(frozen=True)
class SessionKit:
    """What every session is handed."""

    desk: Desk
    registry: Registry
    workspaces: Workspaces
    store: ChannelStore
    ticker: Ticker
    presence: Presence
    clock: Clock
    limits: SessionLimits


class Session:
    """The server's side of one conversation."""

    def __init__(self, connection: Connection, kit: SessionKit) -> None:
        self._connection = connection
        self._kit = kit
        self._counters = connection.counters
        self._form = form_of(connection.subprotocol)
        self._conversation = ServerConversation(kit.limits.subscriptions_max)
        self._followed: dict[str, tuple[Audience, Group]] = {}
        self._began = trio.current_time()
        # When it was last told to be active, or began.
        self._active_at = self._began

    async def run(self) -> None:
        """Converses until somebody ends it (ConversationEnded) or the peer is gone (Disconnected)."""
        self._connection.websocket.on_incomplete(self._watch)
        self._watch()
        try:
            while True:
                data = await self._connection.websocket.receive()
                self._counters.messages_received += 1
                await self._take(data)
        finally:
            self._connection.websocket.on_incomplete(None)
            self._kit.ticker.forget(self._check)
            for name in list(self._followed):
                self._leave(name)
            if self._conversation.principal is not None:
                self._kit.presence.closed(self._connection.client_id)

    async def _take(self, data: str | bytes) -> None:
        if isinstance(data, str) is not (self._form is WireForm.JSON):
            kind = "text" if self._form is WireForm.JSON else "binary"
            raise ConversationEnded(CloseCode.WRONG_FRAME_KIND, f"this subprotocol speaks in {kind} frames")
        try:
            message = decode_client(data, self._form)
        except BadRequest as fault:
            self._refuse(fault, request_id(data, self._form))
            self._conversation.bad_message()
            return
        try:
            self._conversation.admit(message)
            await self._dispatch(message)
        except TocsinError as fault:
            self._refuse(fault, message.id)
            if isinstance(fault, BadRequest):
                # Malformed all the same, whichever layer saw it.
                self._conversation.bad_message()

    async def _dispatch(self, message: m.ClientMessage) -> None:
        match message:
            case m.Ping():
                self._say(m.Pong(id=message.id))
            case m.Auth() | m.Refresh():
                self._authenticate(message)
            case m.Subscribe():
                await self._subscribe(message)
            case m.Unsubscribe():
                self._unsubscribe(message)
            case _:
                await self._kit.desk.submit(self._principal, message, self._answerer(message.id))

    def _authenticate(self, message: m.Auth | m.Refresh) -> None:
        is_first = self._conversation.principal is None
        try:
            principal = self._kit.desk.authenticate(message.token)
            self._conversation.authenticated(principal)
        except (Unauthorized, TokenExpired) as fault:
            self._counters.errors += 1
            self._say(m.AuthFailed(code=fault.code, message=fault.message, id=message.id))
            self._conversation.auth_failed()
            return
        if is_first:
            self._kit.presence.opened(self._connection.client_id, principal)
        self._say(
            m.AuthSuccess(
                id=message.id,
                client_id=self._connection.client_id,
                workspace_id=principal.workspace,
                user_id=principal.user,
                expires_at=rfc3339(principal.expires_at * SECOND_US),
                ping=self._kit.limits.heartbeat_s,
            )
        )
        self._watch()
        self._leave_forbidden()

    def _leave_forbidden(self) -> None:
        """A refreshed token may allow less than the one that these were subscribed with."""
        for name in list(self._followed):
            try:
                self._kit.desk.locate(self._principal, name, None)
            except PermissionDenied as fault:
                self._leave(name)
                self._say(m.Unsubscribed(channel=name, code=fault.code))

    async def _subscribe(self, message: m.Subscribe) -> None:
        key = self._kit.desk.locate(self._principal, message.channel, message.framework_id)
        audience = await self._audience(key)
        if audience.name not in self._followed:
            self._conversation.subscribing(len(self._followed))
        self._leave(audience.name)
        outcome = recovery(message.recover, audience.epoch, audience.told, audience.floor)
        self._say(
            m.Subscribed(
                id=message.id,
                channel=audience.name,
                epoch=audience.epoch,
                offset=audience.told,
                recovered=outcome.recovered,
                reason=outcome.reason,
            )
        )
        if outcome.recovered:
            with audience.recovering():
                last = await self._tell_missed(audience, key, message)
                if last < audience.told:
                    # What the filter left out at the end moved the offset too: else the next `prev` looks like a gap.
                    at = rfc3339(self._kit.clock())
                    self._say(
                        m.PositionMessage(channel=audience.name, epoch=audience.epoch, offset=audience.told, at=at)
                    )
                self._follow(audience, message)
        else:
            self._follow(audience, message)
        if key is not None:
            self._kit.presence.subscribed(self._connection.client_id, key)

    async def _audience(self, key: ChannelKey | None) -> Audience:
        if key is None:
            return await self._kit.workspaces.audience(self._principal.workspace)
        return await self._kit.registry.cell(key).wait_audience()

    async def _tell_missed(self, audience: Audience, key: ChannelKey | None, message: m.Subscribe) -> int:
        """History at the peer's own pace: ring first, store second, until level. On return nothing is missing.

        Gives the last offset that the peer knows of: below what was told, if its filter left out the rest.
        """
        at = prev = message.recover.offset if message.recover else audience.told
        outbox = self._connection.outbox
        while at < audience.told:
            events = audience.ring.after(at, HISTORY_CHUNK)
            if events is None:
                events = await self._stored(key, at)
            # A workspace's stream loses the events of its long channels: holes may be anywhere below its floor.
            places = [at, *map(audience.offset_of, events)] if events else [at, audience.told + 1]
            holes = [there - 1 for here, there in itertools.pairwise(places) if there != here + 1]
            if holes:
                audience.floor = max(audience.floor, holes[-1])  # so the next try is told that it was trimmed
                raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, "history was trimmed; subscribe again")
            frames, prev = audience.frames(events, self._form, message.min_severity, prev)
            for frame in frames:
                # One by one: a chunk of long alerts at once could fill an outbox whose peer reads well.
                outbox.push(frame)
                await outbox.wait_below(self._kit.limits.backlog_bytes)
                self._connection.websocket.heard_at = trio.current_time()  # it reads: that is life
            at = audience.offset_of(events[-1])
        return prev

    async def _stored(self, key: ChannelKey | None, after: int) -> Sequence[Event]:
        store = self._kit.store
        try:
            if key is None:
                return await store.workspace_history(self._principal.workspace, after, HISTORY_CHUNK)
            return await store.history(key, after, HISTORY_CHUNK)
        except StoreUnavailable as fault:
            # `subscribed` has promised everything: a mere error would leave a client that waits for ever.
            raise ConversationEnded(CloseCode.INSUFFICIENT_STATE, "the store is away; come back and recover") from fault

    def _follow(self, audience: Audience, message: m.Subscribe) -> None:
        group = audience.attach(self._connection.outbox, self._form, message.min_severity)
        self._followed[audience.name] = (audience, group)
        self._counters.followed(audience.name)

    def _unsubscribe(self, message: m.Unsubscribe) -> None:
        key = self._kit.desk.locate(self._principal, message.channel, message.framework_id)
        name = f"alerts:{self._principal.workspace}:*" if key is None else key.name
        self._leave(name)
        self._say(m.Unsubscribed(channel=name, id=message.id))

    def _leave(self, name: str) -> None:
        followed = self._followed.pop(name, None)
        if followed is not None:
            audience, group = followed
            audience.detach(self._connection.outbox, group)
            self._counters.left(name)

    def _watch(self) -> None:
        """A deadline has come that may be nearer than the one that is watched."""
        self._kit.ticker.watch(self._deadline(), self._check)

    def _deadline(self) -> float:
        """When the nearest of the deadlines is over (trio time), if nothing is heard until then."""
        limits, websocket, principal = self._kit.limits, self._connection.websocket, self._conversation.principal
        nearest = websocket.heard_at + limits.timeout_s
        if websocket.message_since is not None:
            nearest = min(nearest, websocket.message_since + limits.message_s)
        if principal is None:
            return min(nearest, self._began + limits.auth_s)
        left_us = principal.expires_at * SECOND_US - self._kit.clock()
        return min(nearest, trio.current_time() + left_us / SECOND_US)

    def _check(self, now: float) -> float | None:
        """Asked by the ticker: has this conversation outlived one of its deadlines?"""
        limits, websocket, end = self._kit.limits, self._connection.websocket, self._connection.end
        principal = self._conversation.principal
        since = websocket.message_since
        if principal is None and now >= self._began + limits.auth_s:
            end(CloseCode.NO_AUTH, f"no auth within {limits.auth_s:g} s")
        elif principal is not None and principal.expires_at * SECOND_US <= self._kit.clock():
            end(CloseCode.EXPIRED, "token expired; come back with a fresh one")
        elif now >= websocket.heard_at + limits.timeout_s:
            end(CloseCode.NO_PONG, f"nothing heard for {limits.timeout_s:g} s")
        elif since is not None and now >= since + limits.message_s:
            end(CloseCode.SLOW, f"message not complete within {limits.message_s:g} s")
        else:
            if principal is not None:
                self._note_activity(now)
            return self._deadline()
        return None

    def _note_activity(self, now: float) -> None:
        # Other deadlines are looked at more often; the record is for operators, once in a timeout is enough.
        heard_at = self._connection.websocket.heard_at
        if heard_at > self._active_at and now >= self._active_at + self._kit.limits.timeout_s:
            self._active_at = heard_at
            self._kit.presence.active(self._connection.client_id)

    @property
    def _principal(self) -> Principal:
        principal = self._conversation.principal
        if principal is None:  # the conversation's table admits nothing that needs one before auth
            raise Unauthorized("say auth with a token first")
        return principal

    def _answerer(self, request: m.RequestId | None) -> Answer:
        def answer(results: Sequence[ItemResult]) -> None:
            self._say(m.Accepted(results=list(results), id=request))

        return answer

    def _refuse(self, fault: TocsinError, request: m.RequestId | None) -> None:
        self._counters.errors += 1
        self._say(m.ErrorMessage(code=fault.code, message=fault.message, temporary=fault.temporary, id=request))

    def _say(self, message: m.ServerMessage) -> None:
        self._connection.outbox.push(Frame(frame_message(message, self._form)))
