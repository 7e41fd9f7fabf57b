"""Times on the wire are RFC 3339 in UTC; times in computations are integer microseconds since the Unix epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
# Year 9999: what RFC 3339 and every store can still write down.
TIME_MAX_US = 253_402_300_799 * SECOND_US


def rfc3339(at_us: int) -> str:
    """`1700000000000000` → `2023-11-14T22:13:20.000000Z`."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> int:
    """Microseconds since the epoch. Raises ValueError for anything but RFC 3339 with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write 2026-01-31T12:00:00Z")
    return (moment - _EPOCH) // timedelta(microseconds=1)
