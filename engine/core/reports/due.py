"""When somebody's weekly report is due: by the wall clock of his zone, in summer and in winter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.core.rules.schedule import DAYS
from protocol.preferences import WeeklyReport
from protocol.times import SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Due(NamedTuple):
    """A moment (microseconds), and which week it is of (`2026-W48`): who moves the day has one a week all the same."""

    at: int
    week: str


def last_due(wanted: WeeklyReport, zone: str, now_us: int) -> Due:
    """The last moment at which it was due. An hour that the clock skips there counts as much later."""
    there = ZoneInfo(zone)
    today = (_EPOCH + timedelta(microseconds=now_us)).astimezone(there).date()
    day = today - timedelta(days=(today.weekday() - DAYS.index(wanted.day)) % 7)
    for back in (0, 7):
        its = day - timedelta(days=back)
        moment = datetime(its.year, its.month, its.day, wanted.hour, tzinfo=there).astimezone(UTC)
        at = (moment - _EPOCH) // timedelta(microseconds=1)
        if at <= now_us:
            break
    year, week, _ = its.isocalendar()
    return Due(at, f"{year}-W{week:02}")


def is_timely(due: Due, now_us: int, late_max_s: float) -> bool:
    """Whether it is still worth sending."""
    return now_us - due.at <= late_max_s * SECOND_US
