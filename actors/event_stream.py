"""One event stream: somebody who listens to one channel over HTTP, from where he left off until he leaves.

Owns: the stream's conversation, which has one sentence (`subscribe`), and nothing that outlives it. It is a peer like a
WebSocket: in the roster, so that operators, revocations and broadcasts reach it; told by the same audiences; brought
level by the same recovery. Waits for reads (what did I miss?) and for its reader to take what it is sent, never for a
commit. If it crashes, this stream ends and its reader comes back with the id of the last event that it has.
"""

from __future__ import annotations

from typing import Protocol

import trio

from actors.deadlines import end_if_expired, token_ends_at
from actors.event_queue import EventQueue
from actors.frames import Frame
from actors.outbox import OutboxLimits
from actors.peer import Peer
from actors.session_kit import SessionKit
from actors.subscriptions import Subscriptions
from protocol import messages as m
from protocol.codec import WireForm, frame_message
from protocol.errors import CloseCode, ConversationEnded, TocsinError
from protocol.limits import Limit
from protocol.model import Principal
from protocol.session import ServerConversation
from protocol.sse import as_event, retry

# History waits for a reader that has more than this to read, as on a socket.
BACKLOG_BYTES = 65_536
# Long enough for a reader that reads to hear why it is over; a stop leaves HTTP 1.5 s.
GOODBYE_S = 1.0


class Wire(Protocol):
    """The HTTP side of a stream."""

    async def begin(self) -> None:
        """The head of the answer."""

    async def send(self, data: bytes) -> None:
        """Hands bytes to the reader; comes back when they were taken, or when there is nobody any more."""

    async def gone(self) -> None:
        """Comes back when the reader has left."""


class EventStream(Peer):
    """One stream; `run` is its whole life. `limits` bound what waits for its reader."""

    outbox: EventQueue

    def __init__(self, client_id: str, kit: SessionKit, limits: OutboxLimits) -> None:
        super().__init__(client_id, EventQueue(kit.roster.drain, limits, self._too_slow), trio.CancelScope())
        self._kit = kit
        self._limits = limits
        self._conversation = ServerConversation(kit.limits.conversation)
        self._subscriptions = Subscriptions(self, kit, self._conversation)
        self._retry_ms = 0
        # Of the piece that is being written: it goes out whole, or the reader is given up.
        self._sending = trio.CancelScope()
        self._is_stuck = False

    async def pace(self) -> None:
        """Waits for the reader to take what it was sent."""
        await self.outbox.wait_below(BACKLOG_BYTES)

    def leave(self, code: CloseCode, reason: str, retry_ms: int) -> None:
        """Ends it and asks its reader to come back after so long."""
        self._retry_ms = retry_ms
        self.end(code, reason)

    def end(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Ends it with this code; its reader has a moment to take what is under way."""
        super().end(code, reason, limit)
        self._sending.deadline = min(self._sending.deadline, trio.current_time() + GOODBYE_S)

    def abort(self) -> None:
        """The reader is gone."""
        super().abort()
        self._sending.cancel()

    async def run(self, who: Principal, request: m.Subscribe, wire: Wire) -> None:
        """Tells the channel until the reader leaves or somebody ends it."""
        self._conversation.authenticated(who)
        self.connected_at = self._kit.clock()
        self._kit.presence.opened(self.client_id, who)
        self._kit.ticker.watch(token_ends_at(who, self._kit), self._check_token)
        try:
            await wire.begin()
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch, wire)
                    nursery.start_soon(self._write, wire)
                    await self._subscribe(request)
                    await trio.sleep_forever()
        finally:
            self._kit.ticker.forget(self._check_token)
            self._subscriptions.leave_all()
            self._kit.presence.closed(self.client_id)
        if self.ending is not None:
            await self._say_goodbye(self.ending, wire)

    async def _subscribe(self, request: m.Subscribe) -> None:
        try:
            await self._subscriptions.subscribe(request)
        except ConversationEnded as end:
            self.end(end.code, end.reason, end.limit)
        except TocsinError as fault:
            self.say(m.ErrorMessage(code=fault.code, message=fault.message, temporary=fault.temporary))
            self.end(CloseCode.INSUFFICIENT_STATE if fault.temporary else CloseCode.BAD_REQUEST, fault.message)

    async def _watch(self, wire: Wire) -> None:
        await wire.gone()
        self.abort()

    async def _write(self, wire: Wire) -> None:
        while True:
            await self._send(wire, await self.outbox.take())

    async def _send(self, wire: Wire, frames: tuple[Frame, ...]) -> None:
        with trio.CancelScope(shield=True, deadline=self._sending.deadline) as self._sending:
            await wire.send(b"".join([as_event(frame.data) for frame in frames]))
            self.outbox.sent(frames)
        self._is_stuck = self._sending.cancelled_caught

    async def _say_goodbye(self, ending: ConversationEnded, wire: Wire) -> None:
        """What still waits, if the reader is not too slow for it, and why it is over."""
        with trio.move_on_after(GOODBYE_S):
            while ending.code is not CloseCode.SLOW and (frames := self.outbox.take_now()):
                await self._send(wire, frames)
            if self._is_stuck:
                return
            bye = m.Bye(code=ending.code, reason=ending.reason, reconnect_after_ms=self._retry_ms)
            await wire.send(retry(self._retry_ms) + as_event(frame_message(bye, WireForm.JSON)))

    def _too_slow(self) -> None:
        self._kit.roster.too_slow(self, self._limits.max_bytes)

    def _check_token(self, now: float) -> float | None:
        who = self._conversation.who
        return None if end_if_expired(self, who, self._kit) else token_ends_at(who, self._kit)
