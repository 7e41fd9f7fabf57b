"""What the client notes down: of one connection, and of all of them together. Values only; the dialogue fills them."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocol import messages as m
from protocol.fields import RequestId
from tocsin.connection import Ended


@dataclass
class Life:
    """What is known of one connection: since when it is ready, how it must end, what was asked on it."""

    ready_at: float | None = None
    # The pause that the server's `bye` asks for.
    asked_s: float | None = None
    # Set when we want this connection to end.
    verdict: Ended | None = None
    # By channel: the id of its last `subscribe`, and the position that the last gap was recovered from.
    asks: dict[str, RequestId | None] = field(default_factory=dict)
    gaps: dict[str, m.Position | None] = field(default_factory=dict)
    # By the channel's full name: up to where we have said that everything has arrived.
    received: dict[str, int] = field(default_factory=dict)


@dataclass
class Counters:
    """Counts since the client's start."""

    connects: int = 0
    reconnects: int = 0
    failed_connects: int = 0
    refreshes: int = 0
    messages_received: int = 0
    alerts_received: int = 0
    alerts_shown: int = 0
    duplicates: int = 0
    gaps: int = 0
    # Messages that the server left out because we read too slowly.
    left_out: int = 0
    lost: int = 0
    unreadable: int = 0
    requests: int = 0
