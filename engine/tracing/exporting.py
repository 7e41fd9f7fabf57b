"""Sends spans away: a bounded queue, and one thread that empties it.

Owns: the queue, the thread and the exporter. Spans come from the loop as they end, and never wait: there is a place, or
they are dropped and counted. The thread takes them in batches, once a second or as soon as there is a batch. A
collector that is away, slow or broken costs that thread its time, and the engine the spans that no longer fit: nobody
waits for it, at the end neither (`CLOSE_S`). Batches are small because making one keeps Python's lock for 4 ms.

Decided against: OpenTelemetry's own `BatchSpanProcessor` (what it drops it tells in a log line, and nobody can count),
and sending from the loop (encoding would be felt by every client).
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger()

# Encoded in about 4 ms, of which a client may feel the first.
BATCH_MAX = 128
FLUSH_S = 1.0
# The exporter's own attempts at one batch end by then.
SEND_MAX_S = 10.0
# At the end: what is there is sent, if somebody takes it.
CLOSE_S = 2.0
FILE = "file:"
CONSOLE = "console"


class Lines(SpanExporter):
    """Writes each span as a line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes them. Raises OSError."""
        self._stream.write("".join(f"{span.to_json(indent=None)}\n" for span in spans))
        self._stream.flush()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Closes a file of its own."""
        if self._stream is not sys.stderr:
            self._stream.close()


def exporter_to(to: str) -> SpanExporter:
    """What `tracing.to` means. Raises OSError for a file that cannot be written.

    Headers, certificates and compression are the exporter's own settings (`OTEL_EXPORTER_OTLP_HEADERS` and such).
    """
    if to == CONSOLE:
        # The first line of stdout is for whoever started us.
        return Lines(sys.stderr)
    if to.startswith(FILE):
        return Lines(Path(to.removeprefix(FILE)).open("a", encoding="utf-8"))
    # It says each attempt that failed; we say that the collector is away, and that it is back.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return OTLPSpanExporter(endpoint=to, timeout=SEND_MAX_S)


class Export(SpanProcessor):
    """The queue and its thread. `on_end` is called by whoever ends a span."""

    def __init__(self, exporter: SpanExporter, spans_max: int) -> None:
        self._exporter = exporter
        self._spans_max = spans_max
        self._waiting: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._is_away = False
        self._thread: threading.Thread | None = None
        self._exported = self._failed = self._dropped = 0

    def statistics(self) -> Mapping[str, int]:
        """Spans that were taken, that nobody took, that found no place, and that wait."""
        return {
            "exported": self._exported,
            "failed": self._failed,
            "dropped": self._dropped,
            "waiting": len(self._waiting),
        }

    def start(self) -> None:
        """Begins to send. What ended before waits."""
        self._is_closing = False
        self._wake.clear()
        # A daemon: whoever does not take our spans must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """A span is over: it is sent soon, if there is a place for it."""
        if len(self._waiting) >= self._spans_max:
            self._dropped += 1
            return
        self._waiting.append(span)
        if len(self._waiting) == BATCH_MAX:
            self._wake.set()

    def close(self) -> None:
        """Sends what waits, within `CLOSE_S`. Blocks."""
        self._is_closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        # It ends an attempt that is still going on.
        self._exporter.shutdown()
        if self._waiting:
            log.warning("traces_left_behind", spans=len(self._waiting))

    def _work(self) -> None:
        while not self._is_closing:
            self._wake.wait(FLUSH_S)
            self._wake.clear()
            self._empty()
        # What ended after its last look, or before it had its first turn.
        self._empty()

    def _empty(self) -> None:
        while batch := self._take():
            self._send(batch)

    def _take(self) -> list[ReadableSpan]:
        return [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]

    def _send(self, batch: Sequence[ReadableSpan]) -> None:
        cause = "the collector does not take them"
        try:
            is_taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception as fault:  # the thread's boundary: whatever an exporter raises, the next batch is tried
            is_taken, cause = False, repr(fault)
        if is_taken:
            self._exported += len(batch)
        else:
            self._failed += len(batch)
        if is_taken is self._is_away:
            self._is_away = not is_taken
            if is_taken:
                log.info("traces_taken_again")
            else:
                log.warning("traces_not_taken", cause=cause)
