"""One accepted WebSocket as everybody else sees it: who it is, what is said to it, how it is ended.

Owns: the end of its conversation (the first reason stays) and what is known of its peer. A conversation is handed one;
operators and revocations end it from outside. Nothing here waits.
"""

from __future__ import annotations

import trio

from actors.audience import Group
from actors.frames import Frame
from actors.outbox import Outbox
from actors.websocket import WebSocket
from protocol.codec import form_of, frame_message
from protocol.errors import CloseCode, ConversationEnded
from protocol.limits import Limit
from protocol.messages import ServerMessage
from protocol.model import Principal


class Connection:
    """One accepted WebSocket: what a conversation is handed."""

    def __init__(self, client_id: str, websocket: WebSocket, outbox: Outbox, scope: trio.CancelScope) -> None:
        self.client_id = client_id
        self.websocket = websocket
        self.outbox = outbox
        self.subprotocol: str | None = None
        self.address = ""
        # For operators: since when (microseconds), how many messages it sent and was told.
        self.connected_at = 0
        # In which of the roster's turns it is pinged.
        self.ping_turn = 0
        self.messages_in = 0
        self._said = 0
        # The streams that it follows: the group that it is told with, and what that was told before.
        self._groups: dict[str, tuple[Group, int]] = {}
        # Whose it is, once there was a good token.
        self.principal: Principal | None = None
        self.ending: ConversationEnded | None = None
        self._scope = scope

    @property
    def subscriptions(self) -> int:
        """How many streams it follows."""
        return len(self._groups)

    @property
    def messages_out(self) -> int:
        """How many messages were meant for it: answers, history, and what the streams told, with what was dropped."""
        return self._said + sum(group.told - before for group, before in self._groups.values())

    def followed(self, stream: str, group: Group) -> None:
        """It is told with this group from now on."""
        self._groups[stream] = (group, group.told)

    def left(self, stream: str) -> None:
        """It is told nothing more of this stream."""
        group, before = self._groups.pop(stream)
        self._said += group.told - before

    def caught_up(self, messages: int) -> None:
        """It was sent so many messages of history."""
        self._said += messages

    def say(self, message: ServerMessage) -> None:
        """Answers the peer in its wire form. Never waits."""
        stream = getattr(message, "channel", None)  # what it is about, if it is about a stream
        self._said += 1
        self.outbox.push(Frame(frame_message(message, form_of(self.subprotocol)), stream=stream))

    def end(self, code: CloseCode, reason: str, limit: Limit | None = None) -> None:
        """Ends the conversation with this close code; the first reason stays. Callable from anywhere, never waits.

        `limit`: the limit that was reached, if that is the reason; the gateway counts it.
        """
        if self.ending is None:
            self.ending = ConversationEnded(code, reason, limit)
            self._scope.cancel()

    def lost(self) -> None:
        """A stream that it follows has lost events that it was not told: it comes back and is told which way to go."""
        self.end(CloseCode.INSUFFICIENT_STATE, "history was trimmed; come back and recover")

    def abort(self) -> None:
        """The socket is gone: ends the conversation without a word."""
        self._scope.cancel()
