"""When a conversation has lasted too long: no token, an expired one, silence, a message that never ends.

Owns: the one check that the ticker makes for a conversation. Synchronous; ends the connection, never waits. Of an event
stream, which only listens, the token is all that is watched.
"""

from __future__ import annotations

import trio

from actors.connection import Connection
from actors.peer import Peer
from actors.session_kit import SessionKit
from protocol.errors import CloseCode
from protocol.limits import Limit
from protocol.model import Principal
from protocol.session import ServerConversation
from protocol.times import SECOND_US


class Deadlines:
    """The deadlines of one conversation."""

    def __init__(self, connection: Connection, kit: SessionKit, conversation: ServerConversation) -> None:
        self._connection = connection
        self._kit = kit
        self._conversation = conversation
        self._began = trio.current_time()
        # When it was last told to be active, or began.
        self._active_at = self._began

    def start(self) -> None:
        """Watches from now on."""
        self._connection.websocket.on_incomplete(self.watch)
        self.watch()

    def stop(self) -> None:
        """Watches no more."""
        self._connection.websocket.on_incomplete(None)
        self._kit.ticker.forget(self._check)

    def watch(self) -> None:
        """A deadline has come that may be nearer than the one that is watched."""
        self._kit.ticker.watch(self._nearest(), self._check)

    def _nearest(self) -> float:
        """When the nearest of the deadlines is over (trio time), if nothing is heard until then."""
        limits, websocket, principal = self._kit.limits, self._connection.websocket, self._conversation.principal
        nearest = self._alive_at + limits.timeout_s
        if websocket.message_since is not None:
            nearest = min(nearest, websocket.message_since + limits.message_s)
        if principal is None:
            return min(nearest, self._began + limits.auth_s)
        return min(nearest, token_ends_at(principal, self._kit))

    def _check(self, now: float) -> float | None:
        """Asked by the ticker: has this conversation outlived one of its deadlines?"""
        limits, websocket, end = self._kit.limits, self._connection.websocket, self._connection.end
        principal = self._conversation.principal
        since = websocket.message_since
        if principal is None and now >= self._began + limits.auth_s:
            end(CloseCode.NO_AUTH, f"no auth within {limits.auth_s:g} s", Limit.AUTH_TIME)
        elif principal is not None and end_if_expired(self._connection, principal, self._kit):
            return None
        elif now >= self._alive_at + limits.timeout_s:
            end(CloseCode.NO_PONG, f"nothing heard for {limits.timeout_s:g} s", Limit.SILENCE)
        elif since is not None and now >= since + limits.message_s:
            end(CloseCode.SLOW, f"message not complete within {limits.message_s:g} s", Limit.MESSAGE_TIME)
        else:
            if principal is not None:
                self._note_activity(now)
            return self._nearest()
        return None

    @property
    def _alive_at(self) -> float:
        """When the peer gave its last sign of life. While it is behind we do not listen, but see that it reads."""
        return max(self._connection.websocket.heard_at, self._connection.outbox.taken_at)

    def _note_activity(self, now: float) -> None:
        # Other deadlines are looked at more often; the record is for operators, once in a timeout is enough.
        heard_at = self._connection.websocket.heard_at
        if heard_at > self._active_at and now >= self._active_at + self._kit.limits.timeout_s:
            self._active_at = heard_at
            self._kit.presence.active(self._connection.client_id)


def token_ends_at(who: Principal, kit: SessionKit) -> float:
    """When a token ends (trio time), as the wall clock stands now."""
    return trio.current_time() + (who.expires_at * SECOND_US - kit.clock()) / SECOND_US


def end_if_expired(peer: Peer, who: Principal, kit: SessionKit) -> bool:
    """Ends a conversation whose token has ended; whether it has."""
    is_expired = who.expires_at * SECOND_US <= kit.clock()
    if is_expired:
        peer.end(CloseCode.EXPIRED, "token expired; come back with a fresh one")
    return is_expired
