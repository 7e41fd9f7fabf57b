"""What follows a request on its way through the processes, if anything does: ports, and where the present one stands.

`CURRENT` is set by the doors, and while a job is done; a receipt (`actors.mailbox`) takes it along, so that a channel
knows which of its commands are traced. It is a context variable: each task that asks for something has its own. A task
that lives longer than the request in which it was started must not believe it, and none of ours looks.

Nothing here knows how a trace is written down (`engine.tracing`). Where nobody traces, a request costs one look at a
variable, a batch one comparison, a message nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from protocol.effects import Decision
from protocol.model import ChannelKey

# The `traceparent` of what is being done; None: it is not traced.
CURRENT: ContextVar[str | None] = ContextVar("tocsin_traceparent", default=None)


class BatchTrace(Protocol):
    """Follows one batch. Each method is called at most once, in this order; must be cheap and must not raise."""

    def decided(self, decision: Decision) -> Decision:
        """The machine has decided; the decision, with jobs that know what they come from."""

    def committed(self, is_ours: bool) -> None:
        """The store has answered; False: it has moved on, and all of it is decided again."""

    def told(self, messages: int) -> None:
        """So many messages were handed to outboxes. Nothing follows."""

    def failed(self, fault: Exception) -> None:
        """The machine raised, or nothing of it can be stored. Nothing follows."""


class Tracer(Protocol):
    """Follows what is asked of channels."""

    def batch(self, key: ChannelKey, traces: Sequence[str], commands: int) -> BatchTrace | None:
        """A batch is about to be decided, in which these are traced."""

    def place_of(self, key: ChannelKey, offset: int) -> str | None:
        """Where the decision stands whose last event has this offset, from its commit until it is told."""

    def relayed(self, key: ChannelKey, trace: str, messages: int) -> None:
        """What another node has decided was handed to so many outboxes here."""

    def forward(self, key: ChannelKey, owner: str, traces: Sequence[str]) -> Callable[[bool], None] | None:
        """A batch goes to the node that decides; called back when that has answered (True), or has not in time."""
