"""Hours, days, weeks and months of UTC, in microseconds since the epoch. A week begins on Monday (ISO 8601)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum

from protocol.times import SECOND_US

HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
# The first Monday after the epoch, which was a Thursday.
_MONDAY_US = 4 * DAY_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Width(Enum):
    """How long a stretch of time is that alerts are counted by."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def start_of(width: Width, at_us: int) -> int:
    """When the hour, day, week or month began that a moment is in."""
    match width:
        case Width.HOUR:
            return at_us - at_us % HOUR_US
        case Width.DAY:
            return at_us - at_us % DAY_US
        case Width.WEEK:
            return at_us - (at_us - _MONDAY_US) % WEEK_US
        case _:
            return _micros(_moment(at_us).replace(day=1, hour=0, minute=0, second=0, microsecond=0))


def end_of(width: Width, at_us: int) -> int:
    """When the next one begins."""
    start = start_of(width, at_us)
    match width:
        case Width.HOUR:
            return start + HOUR_US
        case Width.DAY:
            return start + DAY_US
        case Width.WEEK:
            return start + WEEK_US
        case _:
            # 31 days later it is always the next month.
            return start_of(width, start + 31 * DAY_US)


def _moment(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
