"""Follows batches through channels: decided, committed, told.

A batch joins the commands of many requests. Its spans are children of the first traced one, with links to the others;
each of those gets a span of its own in its own trace, with a link to where the rest is told. Jobs that come of the
batch are children of its decision.

Fan-out is over when the drain has written what was noted; it says so once a pass, to whoever observes it
(`drained`), so nothing is done for a client or a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace
from opentelemetry.trace import Span, SpanKind

from actors.tracing import BatchTrace
from engine.tracing.spans import SYSTEM, Attributes, Tracing, fail, place
from protocol.effects import Decision
from protocol.model import ChannelKey

# Of one batch: more strangers than this in one are not each told where they went.
FOLLOWED_MAX = 32


class ChannelTracer:
    """The channels' `Tracer`."""

    def __init__(self, tracing: Tracing, store: str) -> None:
        self._tracing = tracing
        self._store = store
        # Of decisions that are not told yet, by channel and last offset: other nodes are told where they stand.
        self.places: dict[tuple[ChannelKey, int], str] = {}
        # Noted in outboxes, and not written yet.
        self._noted: list[Span] = []

    def batch(self, key: ChannelKey, traces: Sequence[str], commands: int) -> BatchTrace | None:
        """A batch is about to be decided."""
        return _Followed(self, self._tracing, key, traces, commands) if traces else None

    def forward(self, key: ChannelKey, owner: str, traces: Sequence[str]) -> Callable[[bool], None] | None:
        """A batch goes to another node, where it is decided in the traces of its commands."""
        if not traces:
            return None
        first, *others = traces
        about = {"messaging.system": SYSTEM, "messaging.operation.type": "send", "tocsin.owner": owner}
        about |= {"messaging.destination.name": key.framework, "tocsin.workspace": key.workspace}
        span = self._tracing.begin("forward", SpanKind.CLIENT, first, about, others)

        def answered(is_answer: bool) -> None:
            if not is_answer:
                fail(span, "no answer of the owner")
            span.end()

        return answered

    def drained(self) -> None:
        """All that was noted is written."""
        for span in self._noted:
            span.end()
        self._noted.clear()

    def place_of(self, key: ChannelKey, offset: int) -> str | None:
        """Where a decision stands that was just committed."""
        return self.places.get((key, offset))

    def relayed(self, key: ChannelKey, trace: str, messages: int) -> None:
        """What another node has decided is told here."""
        self.fan_out(key, trace, messages)

    def fan_out(self, key: ChannelKey, parent: str | None, messages: int) -> None:
        """So many messages were handed to outboxes: a span until they are written."""
        if not messages:
            return
        about: Attributes = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "send",
            "messaging.destination.name": key.framework,
            "tocsin.workspace": key.workspace,
            "tocsin.messages": messages,
        }
        self._noted.append(self._tracing.begin("fan-out", SpanKind.PRODUCER, parent, about))

    @property
    def store(self) -> Attributes:
        """What a commit says of the store."""
        return {"db.system.name": self._store, "db.operation.name": "COMMIT"}


class _Followed:
    """One batch."""

    def __init__(
        self, tracer: ChannelTracer, tracing: Tracing, key: ChannelKey, traces: Sequence[str], commands: int
    ) -> None:
        self._tracer = tracer
        self._tracing = tracing
        self._first, *others = traces
        self._others = others[:FOLLOWED_MAX]
        self._key = key
        # By which other nodes ask for it, once it is decided.
        self._asked: tuple[ChannelKey, int] | None = None
        work: Attributes = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "process",
            "messaging.destination.name": key.framework,
            "messaging.batch.message_count": commands,
            "tocsin.workspace": key.workspace,
        }
        self._deciding = tracing.begin("decide", SpanKind.CONSUMER, self._first, work, self._others)
        self._decided = place(self._deciding)
        links = [self._decided] if self._decided else []
        self._apart = [tracing.begin("decide", SpanKind.CONSUMER, other, work, links) for other in self._others]
        self._committing: Span | None = None

    def decided(self, decision: Decision) -> Decision:
        """The machine has decided."""
        for span in (self._deciding, *self._apart):
            span.set_attribute("tocsin.events", len(decision.events))
            span.end()
        if decision.is_durable:
            self._committing = self._tracing.begin("commit", SpanKind.CLIENT, self._decided, self._tracer.store)
        if decision.events and self._decided is not None:
            self._asked = (self._key, decision.events[-1].offset)
            self._tracer.places[self._asked] = self._decided
        if not decision.jobs:
            return decision
        return replace(decision, jobs=tuple([replace(job, trace=self._decided) for job in decision.jobs]))

    def committed(self, is_ours: bool) -> None:
        """The store has answered."""
        if self._committing is not None:
            if not is_ours:
                fail(self._committing, "the store has moved on: decided again")
                self._forget()
            self._committing.end()

    def told(self, messages: int) -> None:
        """Handed to outboxes; who has none to hand to is done."""
        self._forget()
        self._tracer.fan_out(self._key, self._decided, messages)

    def _forget(self) -> None:
        if self._asked is not None:
            self._tracer.places.pop(self._asked, None)

    def failed(self, fault: Exception) -> None:
        """The machine raised, or nothing of it can be stored."""
        self._forget()
        for span in filter(None, (self._committing, self._deciding, *self._apart)):
            if span.is_recording():
                fail(span, repr(fault))
                span.end()
