"""Active hours: is it time now, and when is that different? By the wall clock of a zone, across its jumps.

A stretch begins on an allowed day at `start` and lasts until `end`, which is the next day's if it is not later than
`start` (`22:00` to `06:00`; the same time twice is a whole day). Where the clock is set back a stretch takes in both
passes of the repeated hour; a time that is skipped counts as so much later as the clock was set on (02:30 is 03:30),
as `java.time` has it. Stretches that touch are one. Decided against: hours in UTC with a fixed offset, which are an
hour wrong for half of the year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from engine.core.agenda import NEVER
from engine.core.zones import is_zone
from protocol.rules import ActiveHours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
# About 1 kB each: the hours of all rules and windows of an engine, if people write a few of their own.
CACHE_MAX_HOURS = 4_096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hours:
    """Active hours, ready to be asked. Remembers the last answer: most questions fall into the same stretch."""

    def __init__(self, hours: ActiveHours) -> None:
        self._zone = ZoneInfo(hours.zone)
        self._days = frozenset(DAYS.index(day) for day in hours.days) or frozenset(range(7))
        self._start, self._end = _minutes(hours.start), _minutes(hours.end)
        if self._end <= self._start:
            self._end += _DAY_MINUTES
        self._is_always = len(self._days) == 7 and self._end - self._start == _DAY_MINUTES
        self._asked, self._until, self._is_active = 0, 0, False

    def at(self, now: int) -> tuple[bool, int]:
        """Whether `now` (microseconds) is within, and when that changes; NEVER if it does not."""
        if self._is_always:
            return True, NEVER
        if not self._asked <= now < self._until:
            self._asked = now
            self._is_active, self._until = self._look(now)
        return self._is_active, self._until

    def _look(self, now: int) -> tuple[bool, int]:
        today = (_EPOCH + timedelta(microseconds=now)).astimezone(self._zone).date()
        until, is_active = now, False
        # Hours that are not always end and begin within a week, or two if the clock's jump swallows a stretch.
        for number in count(-2):
            day = today + timedelta(days=number)
            if day.weekday() not in self._days:
                continue
            begins, ends = self._stretch(day)
            if ends <= max(begins, until):
                continue
            if begins > until:
                return is_active, until if is_active else begins
            is_active, until = True, ends
        raise AssertionError("unreachable: counting has no end")  # pragma: no cover  # for the type checker

    def _stretch(self, day: date) -> tuple[int, int]:
        """The stretch of a day: from the first moment that reads `start` to the last that reads `end`."""
        ends = max(self._moment(day, self._end, fold) for fold in (0, 1))
        return self._moment(day, self._start, 0), ends

    def _moment(self, day: date, minutes: int, fold: int) -> int:
        wall = datetime.combine(day, time(), self._zone) + timedelta(minutes=minutes)
        return (wall.replace(fold=fold) - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=CACHE_MAX_HOURS)
def hours_of(schedule: ActiveHours) -> Hours:
    """The hours of a schedule. Raises ValueError, with the reason, for days or a zone that do not exist."""
    unknown = [day for day in schedule.days if day not in DAYS]
    if unknown:
        raise ValueError(f"days: {unknown[0][:32]!r} is no day; use {', '.join(DAYS)}")
    try:
        return Hours(schedule)
    except (KeyError, ValueError, OSError) as fault:
        # A name that is no file, a path that leads elsewhere, a folder: all of them are no zone.
        raise ValueError(f"zone: {schedule.zone[:64]!r} is no time zone; write a name like Europe/Berlin") from fault


def check_hours(schedule: ActiveHours) -> Hours:
    """The hours of a schedule that somebody writes down. Raises ValueError as `hours_of`, and for what is no zone of
    its own (`engine.core.zones`)."""
    hours = hours_of(schedule)
    if not is_zone(schedule.zone):
        raise ValueError(f"zone: {schedule.zone[:64]!r} is no time zone; write a name like Europe/Berlin")
    return hours


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
