"""Times on the wire are RFC 3339 in UTC; times in computations are integer microseconds since the Unix epoch.

What somebody sends is read by `moment_of`, which says what is wrong with it; `parse_rfc3339` is for what we wrote.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from protocol.errors import BadRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Python's parser takes all of ISO 8601 (weeks, basic form, times without seconds); the wire's grammar is smaller.
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})", re.ASCII)
SECOND_US = 1_000_000
# Year 9999: what RFC 3339 and every store can still write down.
TIME_MAX_US = 253_402_300_799 * SECOND_US


def rfc3339(at_us: int) -> str:
    """`1700000000000000` → `2023-11-14T22:13:20.000000Z`. Raises OverflowError outside of the years 1 to 9999."""
    moment = _EPOCH + timedelta(microseconds=at_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_rfc3339(text: str) -> int:
    """Microseconds since the epoch, finer digits cut off. Raises ValueError for anything but RFC 3339, section 5.6.

    A leap second (`:60`) is refused as well: neither Unix time nor a store can hold it.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is not an RFC 3339 time with a zone; write 2026-01-31T12:00:00Z")
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(microseconds=1)


def moment_of(text: str, field: str) -> int:
    """A time that somebody sent, in microseconds; of the years 1970 to 9999. Raises BadRequest that names the field."""
    try:
        moment = parse_rfc3339(text)
    except ValueError:
        moment = -1
    if not 0 <= moment <= TIME_MAX_US:
        raise BadRequest(
            f"{field}: {text[:64]!r} is no time: use RFC 3339 with a zone and a year from 1970 on, "
            "such as 2026-01-31T12:00:00Z"
        )
    return moment
