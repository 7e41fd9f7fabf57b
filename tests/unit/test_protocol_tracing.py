"""What a `traceparent` says."""

from __future__ import annotations

import pytest

from protocol.tracing import TraceParent, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-00", TraceParent(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-03", TraceParent(TRACE, SPAN)),
        (f"cc-{TRACE}-{SPAN}-01", TraceParent(TRACE, SPAN)),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be", TraceParent(TRACE, SPAN)),
    ],
)
def test_a_header_of_the_standard_is_read_also_of_a_later_version(text: str, expected: TraceParent) -> None:
    assert parse_traceparent(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_what_is_none_is_not_followed(text: str) -> None:
    assert parse_traceparent(text) is None


@pytest.mark.parametrize("is_sampled", [True, False])
def test_what_is_written_is_read_again(is_sampled: bool) -> None:
    place = TraceParent(TRACE, SPAN, is_sampled)
    assert parse_traceparent(str(place)) == place
