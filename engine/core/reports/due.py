"""When somebody's weekly report is due: by the wall clock of his zone, in summer and in winter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
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
    its, at = day, _at(day, wanted.hour, there)
    if at > now_us:
        its = day - timedelta(days=7)
        at = _at(its, wanted.hour, there)
    year, week, _ = its.isocalendar()
    return Due(at, f"{year}-W{week:02}")


def _at(day: date, hour: int, there: ZoneInfo) -> int:
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=there).astimezone(UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def is_timely(due: Due, now_us: int, late_max_s: float) -> bool:
    """Whether it is still worth sending."""
    return now_us - due.at <= late_max_s * SECOND_US
