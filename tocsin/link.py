"""Keeps a client connected: dials, authenticates, reads, and after a break again, with growing pauses.

Owns the one task that does so and the connection that there is now. Ends when the client closes, when the server says
not to come back (3500-3999), when the token is refused for good or whoever makes it has ended (NotRunning), or when the
very first connection does not come about in time. A second task asks for the next token before the one in use ends. If
one crashes (a callback of the program that raises), the client's block is cancelled with its exception.
"""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import trio

from protocol import messages as m
from protocol.client_session import ClientState
from protocol.codec import WireForm, decode_server, encode
from protocol.errors import BadRequest, TocsinError, may_reconnect
from protocol.fields import RequestId
from tocsin import connection as transport
from tocsin.backoff import Backoff
from tocsin.buffer import AlertBuffer
from tocsin.connection import Connection, Ended, Endpoint
from tocsin.dialogue import Dialogue
from tocsin.errors import CannotConnect, ClientStopped, NoAnswer, NotRunning
from tocsin.freshness import RETRY_S, now_s, refresh_after_s
from tocsin.life import Life
from tocsin.slot import Slot

Token = str | Callable[[], Awaitable[str]]
OnState = Callable[[ClientState, str], None]
# A token service that is slower is away; the next try asks it again.
TOKEN_S = 10.0
# What a token service may raise that is not a bug.
TOKEN_FAULTS = (OSError, trio.TooSlowError, TocsinError)


@dataclass(frozen=True)
class Target:
    """Where to connect, as whom, and in which wire form."""

    url: str
    endpoint: Endpoint
    token: Token
    form: WireForm


class Link:
    """The client's connection, as long as it is wanted."""

    def __init__(self, target: Target, dialogue: Dialogue, buffer: AlertBuffer, on_state: OnState) -> None:
        self._target = target
        self._dialogue = dialogue
        self._buffer = buffer
        self._on_state = on_state
        self._connection: Connection | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._closing = False
        # Why the client has ended by itself.
        self._failure: TocsinError | None = None

    async def run(self, connect_s: float) -> None:
        """Connects again and again, until it is closed or of no use; the first success must come within `connect_s`."""
        started = trio.current_time()
        backoff = Backoff(started)
        while True:
            life = Life()
            ended = await self._connect(life)
            now = trio.current_time()
            self._failure = self._verdict(ended, is_late=now - started >= connect_s)
            if self._closing or self._failure is not None:
                self._end()
                return
            self._tell(ended.reason)
            backoff.ended(now, 0.0 if life.ready_at is None else now - life.ready_at)
            await trio.sleep(backoff.delay(now, random.random(), life.asked_s))  # noqa: S311  # spreads load, no secret

    async def ready(self) -> Connection:
        """The connection, when it can take requests. Raises ClientStopped or CannotConnect when it never will."""
        while self._connection is None or self._dialogue.state is not ClientState.READY:
            if self._dialogue.state is ClientState.CLOSED:
                raise self._failure or ClientStopped("this client is closed")
            await self._changed.park()
        return self._connection

    async def request(self, make: Callable[[RequestId], m.ClientMessage], within_s: float) -> m.ServerMessage:
        """Sends a request as soon as there is a connection, and waits for the answer: `within_s` for both together."""
        request, is_sent = self._dialogue.next_id(), False
        with trio.move_on_after(within_s):
            connection = await self.ready()
            payload = encode(make(request), connection.form)
            slot = self._dialogue.pending[request] = Slot()
            self._dialogue.counters.requests += 1
            try:
                is_sent = True
                await connection.send(payload)
                return await slot.wait()
            finally:
                del self._dialogue.pending[request]
        told = "it may have been stored; send the same again" if is_sent else "nothing was sent, there is no connection"
        raise NoAnswer(f"no answer within {within_s:g} s: {told}")

    async def tell(self, message: m.ClientMessage, within_s: float) -> None:
        """Sends what is not answered, as soon as there is a connection. Raises NoAnswer, ConnectionLost."""
        with trio.move_on_after(within_s):
            connection = await self.ready()
            await connection.send(encode(message, connection.form))
            return
        raise NoAnswer(f"nothing was sent within {within_s:g} s, there is no connection")

    async def keep_fresh(self) -> None:
        """Sends the next token before the one in use ends, until the client is closed; for tokens from a function."""
        if isinstance(self._target.token, str):
            return
        while not self._closing:
            try:
                connection = await self.ready()
            except TocsinError:
                return  # the client is over, and whoever waits for it is told by others
            session = self._dialogue.session
            pause = refresh_after_s(session, now_s()) if session else None
            while not await self._is_over_within(math.inf if pause is None else pause, session):
                pause = RETRY_S
                try:
                    text = await self._fresh_token()
                except TOKEN_FAULTS:
                    continue  # the token in use is good for a while
                # If the connection has broken meanwhile nobody hears this, and the next one came with a token anyway.
                connection.push(m.Refresh(token=text))

    async def close(self) -> None:
        """Ends the connection politely (a Close frame and its answer), in bounded time."""
        self._closing = True
        if self._connection is not None:
            self._connection.talk_scope.cancel()
            with trio.move_on_after(transport.CLOSE_S):
                while self._dialogue.state is not ClientState.CLOSED:
                    await self._changed.park()

    def closed(self) -> None:
        """The link's task is over; whoever still waits is told."""
        if self._dialogue.state is not ClientState.CLOSED:
            self._end()

    async def _connect(self, life: Life) -> Ended:
        """One connection's life, to its end."""
        # Before dialling: a connection that says nothing is ended for good (3502).
        await self._buffer.wait_room()
        try:
            text = await self._fresh_token()
        except TOKEN_FAULTS as fault:
            # The engine that makes the tokens has ended, and it is this program's own: there is nobody to come back to.
            ended = Ended(f"no token: {str(fault) or type(fault).__name__}", is_final=isinstance(fault, NotRunning))
        else:
            ended = await transport.converse(self._target.endpoint, self._target.form, partial(self._talk, life, text))
        self._dialogue.counters.failed_connects += life.ready_at is None
        self._connection = None
        self._dialogue.broken(ended.reason)
        return ended

    async def _fresh_token(self) -> str:
        """The program's next token. Raises TOKEN_FAULTS; anything else is a bug of the program's, and its affair."""
        token = self._target.token
        with trio.fail_after(TOKEN_S):
            return token if isinstance(token, str) else await token()

    async def _is_over_within(self, seconds: float, session: m.AuthSuccess | None) -> bool:
        """Whether this session ends, or gets another token, within so many seconds; waits for that."""
        with trio.move_on_after(seconds):
            while self._dialogue.session is session and self._dialogue.state is ClientState.READY:
                await self._changed.park()
            return True
        return False

    async def _talk(self, life: Life, token: str, connection: Connection) -> Ended | None:
        """The conversation on one connection."""
        self._connection = connection
        self._dialogue.opened(life, connection.push, token)
        self._tell("")
        while life.verdict is None:
            data = await connection.receive()
            self._dialogue.counters.messages_received += 1
            try:
                message = decode_server(data, connection.form)
            except BadRequest:
                # A newer server's message or word. If it was an event, the next one shows a gap.
                self._dialogue.counters.unreadable += 1
                continue
            was_ready = self._dialogue.state is ClientState.READY
            self._dialogue.hear(message, life)
            if isinstance(message, m.AuthSuccess):
                # A new token changes nothing that the program needs to know.
                self._changed.unpark_all() if was_ready else self._tell("")
            await self._buffer.wait_room()
        return life.verdict

    def _verdict(self, ended: Ended, is_late: bool) -> TocsinError | None:
        """Does this end mean the end of the client?"""
        if ended.is_final or (ended.code is not None and not may_reconnect(ended.code)):
            return ClientStopped(ended.reason, ended.code)
        if is_late and not self._dialogue.counters.connects:
            hint = f"; {ended.hint}" if ended.hint else ""
            return CannotConnect(f"cannot connect to {self._target.url}: {ended.reason}{hint}")
        return None

    def _end(self) -> None:
        self._dialogue.ended(self._failure or ClientStopped("this client is closed"))
        self._buffer.close(self._failure)
        self._tell(str(self._failure or "closed by this program"))

    def _tell(self, why: str) -> None:
        self._changed.unpark_all()
        self._on_state(self._dialogue.state, why)
