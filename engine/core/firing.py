"""When a schedule fires, and what of what was missed is made good. Pure: cron lines, time zones, and the time.

A schedule fires for moments after the last one that it has fired for, up to now. Normally that is one. After a pause of
the process there may be many: `coalesce` runs once for all of them, with the whole window; `catch_up` runs once for
each, within a bound; `skip` leaves out what is too late. Clocks that step back fire nothing twice: what has been fired
for is stored. Nights in which clocks change are cronsim's, which does as Debian's cron: a skipped hour's runs come
right after it, a doubled hour's run once. But a line whose minutes or hours begin with `*` goes by how much time has
passed: it fires in both of two hours of the same name, and has nothing to make good.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from engine.core.zones import is_zone
from protocol.schedules import Missed
from protocol.times import SECOND_US

# So many missed moments are looked at; beyond that all are left out but the newest ones.
MISSED_MAX = 1_000
# So many are made good by `catch_up`, the newest.
CATCH_UP_MAX = 24
# A run that is later than this is too late for `skip`.
LATE_US = 60 * SECOND_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window(NamedTuple):
    """What a run is about: after `since`, up to `until`, the moment that it runs for (microseconds)."""

    since: int
    until: int


class Plan(NamedTuple):
    """What is to be done now: from now on the schedule has fired up to `fire`."""

    fire: int
    runs: tuple[Window, ...]
    skipped: int


class Cron(NamedTuple):
    """A cron line (five fields, or six with seconds first) in a time zone."""

    line: str
    zone: str = "UTC"

    def moments_before(self, at: int, after: int, limit: int) -> list[int]:
        """The newest moments after `after` and up to `at`, newest first."""
        ahead = takewhile(lambda when: when <= at, self._ahead(after))
        # As `next_after` finds them: where clocks change by half an hour, cronsim finds others when it looks back.
        if len(moments := list(islice(ahead, limit + 1))) <= limit:
            return moments[::-1]
        # cronsim looks for what is before its start.
        start = _moment(at // SECOND_US * SECOND_US + SECOND_US, self.zone)
        behind = (_us(moment) for moment in CronSim(self.line, start, reverse=True))
        return list(islice(takewhile(lambda when: when > after, behind), limit))

    def next_after(self, at: int) -> int | None:
        """The first moment after `at`; None: there is none any more."""
        return next(self._ahead(at), None)

    def _ahead(self, at: int) -> Iterator[int]:
        return (_us(moment) for moment in CronSim(self.line, _moment(at, self.zone)))


def check(cron: Cron, now: int) -> str | None:
    """What is wrong with a cron line; None: it will fire."""
    if not is_zone(cron.zone):
        return f"there is no time zone {cron.zone!r} here; write one such as Europe/Berlin, or UTC"
    if not cron.line.isprintable():
        return f"{cron.line!r} has a sign that nobody sees, such as a line end; write one line, such as '0 2 * * *'"
    try:
        if cron.next_after(now) is None:
            return f"{cron.line!r} never fires again"
    except CronSimError as fault:
        return f"{cron.line!r} is not a cron line: {fault}; write minute hour day month weekday, such as '0 2 * * *'"
    return None


def plan(cron: Cron, missed: Missed, last_fire: int, now: int, covered: int | None = None) -> Plan | None:
    """What is due at `now`; None: nothing. `covered`: the end of the last run's window, if later ones were left out."""
    moments = cron.moments_before(now, last_fire, MISSED_MAX)[::-1]
    if not moments:
        return None
    newest = moments[-1]
    start = last_fire if covered is None else covered
    if missed is Missed.COALESCE:
        return Plan(newest, (Window(start, newest),), 0)
    windows = [Window(since, until) for since, until in zip((last_fire, *moments), moments, strict=False)]
    if missed is Missed.CATCH_UP:
        windows[0] = Window(start, moments[0])
        runs = tuple(windows[-CATCH_UP_MAX:])
        return Plan(newest, runs, len(windows) - len(runs))
    runs = tuple(windows[-1:] if now - newest <= LATE_US else ())
    return Plan(newest, runs, len(windows) - len(runs))


def _moment(at: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))


def _us(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
