"""What every session is handed, and the bounds of one conversation."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.derived import DerivedStreams
from actors.history import History
from actors.ports import ChannelStore, Clock, Desk, Findings, NothingFound, Presence, Recipients
from actors.proofs import Proofs
from actors.registry import Registry
from actors.roster import Roster
from actors.throttle import RateLimits
from actors.ticker import Ticker
from protocol.session import ConversationLimits


@dataclass(frozen=True)
class SessionLimits:
    """Bounds of one conversation, in seconds unless named otherwise."""

    heartbeat_s: float = 30.0
    timeout_s: float = 60.0
    auth_s: float = 10.0
    message_s: float = 10.0
    conversation: ConversationLimits = field(default_factory=ConversationLimits)
    rates: RateLimits = field(default_factory=RateLimits)


@dataclass(frozen=True)
class SessionKit:
    """What every session is handed."""

    desk: Desk
    registry: Registry
    derived: DerivedStreams
    store: ChannelStore
    ticker: Ticker
    presence: Presence
    recipients: Recipients
    roster: Roster
    clock: Clock
    limits: SessionLimits
    proofs: Proofs
    # One for all, so that they share what they read.
    history: History = field(default_factory=History)
    findings: Findings = field(default_factory=NothingFound)
