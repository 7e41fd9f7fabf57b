"""When alerts come: hours of UTC sorted into the hours of a week in some time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from engine.core.analytics.calendar import DAY_US, HOUR_US, WEEK_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first Monday.
_MONDAY_US = 4 * DAY_US
Grid = list[list[int]]


def heat_map(alerts: Mapping[int, int], since_us: int, until_us: int, zone: tzinfo) -> tuple[Grid, Grid]:
    """Alerts by weekday (Monday first) and hour, and how many such hours there were. `alerts`: by the hour's start.

    Where a zone's hours begin at half past, an hour of UTC counts for the one in which it begins.
    """
    counted, hours = _grid(), _grid()
    for start in range(since_us, until_us, HOUR_US):
        local = start + _offset(start, zone)
        weekday, hour = (local - _MONDAY_US) % WEEK_US // DAY_US, local % DAY_US // HOUR_US
        hours[weekday][hour] += 1
        counted[weekday][hour] += alerts.get(start, 0)
    return counted, hours


def _grid() -> Grid:
    return [[0] * 24 for _ in range(7)]


def _offset(at_us: int, zone: tzinfo) -> int:
    offset = (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)
