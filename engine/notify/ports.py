"""What sending asks of others: a sender for each channel, whoever puts a message into words, whoever shows an alert.

A sender waits for its target and says what came of it; it raises nothing for what a target does. What it raises is a
failed attempt of the job, with its traceback. It may be handed the same message again, under the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from protocol.model import Alert, Principal
from protocol.notify import Outgoing, Rendered, Why

# What is said of every mailbox while there is none.
NO_MAIL_SERVER = "no mail server is configured (notify.smtp.host)"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """It is with the next hop; `is_delivered`: with the target itself. `reference`: the target's word for it."""

    is_delivered: bool = False
    reference: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """Another attempt would be refused as well: `cause` in a few words, for the ledger."""

    cause: str


class NotAsked(Refused, frozen=True):
    """No target was asked, so nobody has failed: the endpoint is switched off or gone, or nothing sends there.

    `why`: for the ledger, where the message is suppressed.
    """

    why: Why


class TryLater(msgspec.Struct, frozen=True):
    """Not now. `after_s` None: an attempt has failed, and the next comes after the usual time.

    Else the target (`Retry-After`), a rate limit or an open circuit said when, and no attempt is used up.
    """

    after_s: float | None
    cause: str


class EngineBusy(TryLater, frozen=True):
    """Nobody was asked, for want of a thread or connection of ours: it says nothing of the target."""


Outcome = Sent | Refused | TryLater


class Sender(Protocol):
    """Sends by one channel."""

    async def send(self, message: Outgoing) -> Outcome:
        """Sends a message, and says what came of it. The message is rendered."""


class Renderer(Protocol):
    """Puts messages into words."""

    async def render(self, message: Outgoing) -> Rendered:
        """All forms of a message that its channel needs."""


class Alerts(Protocol):
    """Shows alerts to those who may see them, and keeps what they say to have read."""

    async def alert(self, who: Principal, alert_id: str) -> Alert:
        """One alert. Raises PermissionDenied, UnknownChannel, StoreUnavailable."""

    async def mark_read(self, who: Principal, keys: Sequence[str] | None) -> tuple[int, int]:
        """`who` has read these notifications (None: all): how many he had not, and how many are unread yet."""
