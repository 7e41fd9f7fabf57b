"""One client's conversation, from its first message to its last.

Owns: the conversation's state (who, which subscriptions) and nothing that outlives it. Reads one message at a time and
hands it on: triggers to the desk, subscriptions to the audiences. It waits for reads (where is this alert? what did I
miss?) and for its own peer to take its answers. Never for a channel's commit, results come by callback into the outbox;
only what somebody says to have read is one small write that he waits for. If it crashes, this connection ends and the
client comes back.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.connection import Connection
from actors.deadlines import Deadlines
from actors.ports import Answer
from actors.session_kit import SessionKit
from actors.subscriptions import Subscriptions
from actors.throttle import Throttle, items_of
from protocol import messages as m
from protocol.codec import WireForm, decode_client, form_of, request_id
from protocol.errors import (
    BadRequest,
    CloseCode,
    ConversationEnded,
    TocsinError,
    TokenExpired,
    TooManyRequests,
    Unauthorized,
)
from protocol.fields import RequestId
from protocol.items import ItemResult
from protocol.model import Principal
from protocol.session import ServerConversation
from protocol.times import SECOND_US, rfc3339


class Session:
    """The server's side of one conversation."""

    def __init__(self, connection: Connection, kit: SessionKit) -> None:
        self._connection = connection
        self._kit = kit
        self._counters = kit.roster.counters
        self._form = form_of(connection.subprotocol)
        self._conversation = ServerConversation(kit.limits.conversation)
        self._subscriptions = Subscriptions(connection, kit, self._conversation)
        self._deadlines = Deadlines(connection, kit, self._conversation)
        self._throttle = Throttle(kit.limits.rates, kit.roster.count_refusal, trio.current_time())

    async def run(self) -> None:
        """Converses until somebody ends it (ConversationEnded) or the peer is gone (Disconnected)."""
        self._connection.websocket.on_control(self._may_answer)
        self._connection.connected_at = self._kit.clock()
        self._deadlines.start()
        try:
            while True:
                data = await self._connection.websocket.receive()
                self._counters.messages_received += 1
                self._connection.messages_in += 1
                await self._take(data)
        finally:
            self._connection.websocket.on_control(None)
            self._deadlines.stop()
            self._subscriptions.leave_all()
            if self._connection.principal is not None:  # else it was never opened: the roster had no room for it
                self._kit.presence.closed(self._connection.client_id)

    async def _take(self, data: str | bytes) -> None:
        if isinstance(data, str) is not (self._form is WireForm.JSON):
            kind = "text" if self._form is WireForm.JSON else "binary"
            raise ConversationEnded(CloseCode.WRONG_FRAME_KIND, f"this subprotocol speaks in {kind} frames")
        try:
            self._throttle.message(trio.current_time())
        except TooManyRequests as fault:
            self._refuse(fault, request_id(data, self._form))
            return
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
                self._connection.say(m.Pong(id=message.id))
            case m.Auth() | m.Refresh():
                await self._authenticate(message)
            case m.Subscribe():
                await self._subscriptions.subscribe(message)
            case m.Unsubscribe():
                self._subscriptions.unsubscribe(message)
            case m.Received() | m.Seen():
                self._subscriptions.mark(message)
            case m.Read():
                read, unread = await self._kit.desk.mark_read(self._conversation.who, message.keys)
                self._connection.say(m.MarkedRead(read=read, unread=unread, id=message.id))
            case _:
                self._throttle.items(items_of(message), trio.current_time())
                answer = self._answerer(message.id)
                await self._kit.desk.submit(self._conversation.who, message, answer, self._connection.address)

    async def _authenticate(self, message: m.Auth | m.Refresh) -> None:
        is_first = self._conversation.principal is None
        try:
            principal = await self._bearer(message)
            self._conversation.authenticated(principal)
        except (Unauthorized, TokenExpired) as fault:
            self._counters.errors += 1
            self._connection.say(m.AuthFailed(code=fault.code, message=fault.message, id=message.id))
            self._conversation.auth_failed()
            return
        # Before it is told that it is welcome: there may be too many of its user or workspace.
        self._kit.roster.claim(self._connection, principal)
        self._throttle.authenticated(principal.role, trio.current_time())
        if is_first:
            self._kit.presence.opened(self._connection.client_id, principal)
        self._connection.say(
            m.AuthSuccess(
                id=message.id,
                client_id=self._connection.client_id,
                workspace_id=principal.workspace,
                user_id=principal.user,
                expires_at=rfc3339(principal.expires_at * SECOND_US),
                ping=self._kit.limits.heartbeat_s,
            )
        )
        self._deadlines.watch()
        self._subscriptions.leave_forbidden()

    async def _bearer(self, message: m.Auth | m.Refresh) -> Principal:
        if isinstance(message, m.Auth) and message.ticket is not None and message.token is None:
            return await self._kit.desk.redeem(message.ticket)
        if message.token is None or (isinstance(message, m.Auth) and message.ticket is not None):
            raise BadRequest("say either token or ticket")
        return self._kit.desk.authenticate(message.token)

    def _may_answer(self) -> bool:
        """Whether a ping or pong of WebSocket's own is within the rate; if not, it is told so like any message."""
        try:
            self._throttle.message(trio.current_time())
        except TooManyRequests as fault:
            self._refuse(fault, None)
            return False
        return True

    def _answerer(self, request: RequestId | None) -> Answer:
        connection = self._connection

        def answer(results: Sequence[ItemResult]) -> None:
            connection.say(m.Accepted(results=list(results), id=request))

        return answer

    def _refuse(self, fault: TocsinError, request: RequestId | None) -> None:
        self._counters.errors += 1
        self._connection.say(
            m.ErrorMessage(code=fault.code, message=fault.message, temporary=fault.temporary, id=request)
        )
