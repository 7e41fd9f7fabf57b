"""Who is on call: a team's rota at a moment. Pure.

A shift begins at the handover's wall-clock time, so it is counted in days of the calendar of the rota's zone and turned
into a moment only then: across a change to summer time a shift is an hour shorter, and the handover stays at 09:00. A
handover in the hour that does not exist is as long after midnight as it would have been; of an hour that comes twice
the first counts (PEP 495, fold 0).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from protocol.directory import Override, Rota, Team
from protocol.times import SECOND_US, parse_rfc3339


class OnCall(NamedTuple):
    """Who, and until when (microseconds; None: nothing will change by itself). `user` None: nobody."""

    user: str | None
    until: int | None


def on_call(team: Team, now_us: int) -> OnCall:
    """Who of a team is on call now."""
    if team.rota is None:
        return OnCall(None, None)
    stands_in, change = _override(team.rota.overrides, now_us)
    if stands_in is not None:
        return OnCall(stands_in, change)
    regular = _regular(team.rota, now_us)
    ends = [moment for moment in (regular.until, change) if moment is not None]
    return OnCall(regular.user, min(ends, default=None))


def answering(team: Team, now_us: int) -> tuple[str, ...]:
    """Who of a team is told of something now: who is on call, else all members."""
    user = on_call(team, now_us).user
    return team.members if user is None else (user,)


def _override(overrides: tuple[Override, ...], now_us: int) -> tuple[str | None, int | None]:
    """Who stands in now, and the next moment at which that changes."""
    spans = [(parse_rfc3339(each.start), parse_rfc3339(each.end), each.user) for each in overrides]
    user = next((user for start, end, user in reversed(spans) if start <= now_us < end), None)
    edges = [edge for start, end, _ in spans for edge in (start, end) if start < end and edge > now_us]
    return user, min(edges, default=None)


def _regular(rota: Rota, now_us: int) -> OnCall:
    """Who is on call if nobody stands in."""
    zone = ZoneInfo(rota.zone)
    today = datetime.fromtimestamp(now_us / SECOND_US, zone).date()
    shift = (today - date.fromisoformat(rota.starts_on)).days // rota.every_days
    if now_us < _handover(rota, zone, shift):
        shift -= 1
    if shift < 0:
        return OnCall(None, _handover(rota, zone, 0))
    return OnCall(rota.order[shift % len(rota.order)], _handover(rota, zone, shift + 1))


def _handover(rota: Rota, zone: ZoneInfo, shift: int) -> int:
    """When a shift begins, in microseconds."""
    day = date.fromisoformat(rota.starts_on) + timedelta(days=shift * rota.every_days)
    local = datetime.combine(day, time.fromisoformat(rota.handover), zone)
    return round(local.astimezone(UTC).timestamp()) * SECOND_US
