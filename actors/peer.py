"""One who listens, as everybody else sees it: who it is, what is said to it, how it is ended.

Owns: the end of its conversation (the first reason stays) and what is known of it. A conversation is handed one;
operators and revocations end it from outside. Nothing here waits. There are two kinds: a WebSocket
(`actors/connection.py`), and an event stream over HTTP (`actors/event_stream.py`), which only listens.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Protocol

import trio

from actors.audience import Group
from actors.frames import Frame, Frames
from actors.outbox import OutboxStatistics
from protocol.codec import form_of, frame_message
from protocol.errors import CloseCode, ConversationEnded
from protocol.limits import Limit
from protocol.messages import ServerMessage
from protocol.model import Principal

# Reconnects after a shutdown are spread over this time, so that a thousand clients do not come back at once.
RECONNECT_SPREAD_MS = 3_000


class Sink(Protocol):
    """What is pushed to: notes frames, never waits, bounded."""

    @property
    def waiting_bytes(self) -> int:
        """How much it has not been sent yet."""

    def push(self, frame: Frame) -> None:
        """Notes one frame."""

    def push_all(self, frames: Frames) -> None:
        """Notes several frames at once."""

    @property
    def lag_s(self) -> float:
        """How long the oldest byte that the peer has not taken waits."""

    def statistics(self) -> OutboxStatistics:
        """How far behind the peer is."""

    def gap_after(self, stream: str) -> int | None:
        """The offset after which a message of this stream was left out; None: nothing was."""

    def forget_gap(self, stream: str) -> None:
        """What was left out of this stream has been made good, or is wanted no more."""


class Peer(ABC):
    """One who listens."""

    outbox: Sink

    def __init__(self, client_id: str, outbox: Sink, scope: trio.CancelScope) -> None:
        self.client_id = client_id
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

    @abstractmethod
    async def pace(self) -> None:
        """Waits for the peer to read what it was sent, as history at its own pace does."""

    @property
    def subscriptions(self) -> int:
        """How many streams it follows."""
        return len(self._groups)

    @property
    def messages_out(self) -> int:
        """How many messages were meant for it: answers, history, and what the streams told, with what was dropped."""
        return self._said + sum(group.told - before for group, before in self._groups.values())

    def follows(self, streams: Collection[str]) -> bool:
        """Whether it follows one of these streams."""
        return not self._groups.keys().isdisjoint(streams)

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
        """Says something to the peer in its wire form. Never waits."""
        stream = getattr(message, "channel", None)  # what it is about, if it is about a stream
        self._said += 1
        self.outbox.push(Frame(frame_message(message, form_of(self.subprotocol)), stream=stream))

    def tell(self, frames: Frames) -> None:
        """Says something that was built for many. Never waits."""
        self._said += len(frames.frames)
        self.outbox.push_all(frames)

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
        """The peer is gone: ends the conversation without a word."""
        self._scope.cancel()


def reconnect_after_ms() -> int:
    """When a peer of an engine that stops is to come back."""
    return random.randrange(RECONNECT_SPREAD_MS)  # noqa: S311  # spreads load, no secret
