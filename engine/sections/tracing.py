"""Where traces go (`[tracing]`), and of how much."""

from __future__ import annotations

from typing import Annotated

from engine.configuration.fields import Section, limit, why


class TracingSection(Section, frozen=True, kw_only=True):
    """Traces (OpenTelemetry): what became of a request, from the door to the last notification. Needs tocsin[otel]."""

    to: Annotated[
        str,
        why("A collector (http://127.0.0.1:4318/v1/traces), a file (file:traces.jsonl), or console; empty: nowhere."),
    ] = ""
    one_in: Annotated[
        int,
        limit(0, 1_000_000_000, "Of requests whose caller does not trace, one in so many; 0: none. Of 10,000/s: 100."),
    ] = 100
    follow_callers: Annotated[
        bool, why("A caller that traces (traceparent) decides for us; else his request is sampled as any other.")
    ] = True
    spans_max: Annotated[
        int,
        limit(16, 1_000_000, "Those that wait for a collector, 2 kB each; more are dropped, and counted."),
    ] = 4_096
