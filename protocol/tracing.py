"""Where a request stands in a trace: W3C Trace Context's `traceparent`, as it travels with commands and jobs. Pure.

A text such as `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`: version, trace, span, flags. Only those of
traces that are recorded travel inside the engine, so None means: nothing to do.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# https://www.w3.org/TR/trace-context/: a higher version may go on behind the flags, and is read as this one.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
# A later version's text may be longer; what we carry on is ours, and has these many.
TRACEPARENT_MAX_CHARS = 55


class TraceParent(NamedTuple):
    """A span that others are children of. `trace_id` has 32, `span_id` 16 hexadecimal digits."""

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-0{self.is_sampled:d}"


def parse_traceparent(text: str) -> TraceParent | None:
    """What a header says; None: nothing that can be followed."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_wrong = version == "ff" or (version == "00" and more is not None)
    if is_wrong or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))
