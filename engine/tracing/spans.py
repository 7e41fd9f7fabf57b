"""Spans as the engine makes them: a name, a kind, a parent that travels as text, and what OpenTelemetry calls it all.

Every parent is a `traceparent` and every span that may get children is asked for its own (`place`): a request crosses
tasks, transactions and nodes, where nothing else goes along. Only spans that are recorded have one, so whoever is not
sampled costs nothing further on. Nothing of OpenTelemetry's global state is used: an embedding program's own traces
and ours do not know each other, and its environment variables do not switch ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

import trio
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from actors.supervisor import Started
from engine.sections.tracing import TracingSection
from engine.tracing.exporting import CLOSE_S, Export
from protocol.tracing import TRACEPARENT_MAX_CHARS, TraceParent, parse_traceparent

Attributes = Mapping[str, str | int | float | bool]

# A batch has 240 commands at most, and one of as many strangers is told by some of them.
LINKS_MAX = 32
# A cause is a sentence.
CAUSE_MAX_CHARS = 500
SYSTEM: Final = "tocsin"


class Tracing:
    """Makes spans, and has them sent."""

    def __init__(self, section: TracingSection, export: Export, node: str) -> None:
        self._export = export
        self._follows_callers = section.follow_callers
        about = {"service.name": SYSTEM, "service.version": version("tocsin"), "service.instance.id": node}
        provider = TracerProvider(
            # What a parent has decided holds: inside the engine all parents are sampled.
            sampler=ParentBased(TraceIdRatioBased(1 / section.one_in if section.one_in else 0.0)),
            resource=Resource.create(about),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attributes=64, max_links=LINKS_MAX, max_attribute_length=1_024),
        )
        provider.add_span_processor(export)
        self._tracer = provider.get_tracer(SYSTEM, about["service.version"])

    def statistics(self) -> Mapping[str, int]:
        """What became of spans."""
        return self._export.statistics()

    async def run(self, status: Started) -> None:
        """Sends spans until cancelled; then what is left, within `CLOSE_S`."""
        self._export.start()
        status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(CLOSE_S + 1, shield=True):
                await trio.to_thread.run_sync(self._export.close, abandon_on_cancel=True)

    def begin(
        self, name: str, kind: SpanKind, parent: str | None, attributes: Attributes, links: Sequence[str] = ()
    ) -> Span:
        """A span that has begun now. Without a parent it is sampled: perhaps nothing of it is recorded."""
        context = Context() if parent is None else _around(parent)
        around = [Link(linked) for linked in map(_context, links[:LINKS_MAX]) if linked is not None]
        return self._tracer.start_span(name, context, kind, attributes, around)

    def enter(self, name: str, kind: SpanKind, caller: str | None, attributes: Attributes) -> Span:
        """A span for what comes in; `caller`: what its `traceparent` header says, if it has one."""
        given = parse_traceparent(caller[: TRACEPARENT_MAX_CHARS * 2]) if caller else None
        if given is None:
            return self.begin(name, kind, None, attributes)
        if self._follows_callers:
            return self._tracer.start_span(name, _around(str(given)), kind, attributes)
        return self.begin(name, kind, None, attributes, [str(given)])


def place(span: Span) -> str | None:
    """The `traceparent` of what comes of a span; None: it is not recorded, and nothing that comes of it is."""
    if not span.is_recording():
        return None
    context = span.get_span_context()
    return str(TraceParent(f"{context.trace_id:032x}", f"{context.span_id:016x}"))


def fail(span: Span, cause: str) -> None:
    """Says that it failed, and why."""
    span.set_status(Status(StatusCode.ERROR, cause[:CAUSE_MAX_CHARS]))


def _around(traceparent: str) -> Context:
    found = _context(traceparent)
    return Context() if found is None else set_span_in_context(NonRecordingSpan(found), Context())


def _context(traceparent: str) -> SpanContext | None:
    """None: another version has written it, and nothing fails for that."""
    given = parse_traceparent(traceparent)
    if given is None:
        return None
    return SpanContext(
        int(given.trace_id, 16),
        int(given.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if given.is_sampled else TraceFlags.DEFAULT),
    )
