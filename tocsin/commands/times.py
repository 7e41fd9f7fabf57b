"""Times and durations as people type them: RFC 3339, or how long from now or ago (90s, 30m, 2h, 7d, 1w)."""

from __future__ import annotations

import re
import time

import click

_DURATION = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def past(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A callback: a time, or how long ago (2h). Raises BadParameter."""
    return None if given is None else _moment(given, -1)


def future(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A callback: a time, or how long from now on (2h). Raises BadParameter."""
    return None if given is None else _moment(given, +1)


def now_us() -> int:
    """This machine's clock."""
    return time.time_ns() // 1_000


def _moment(given: str, sign: int) -> str:
    from protocol.times import parse_rfc3339, rfc3339

    lasts = _microseconds(given)
    if lasts is not None:
        return rfc3339(now_us() + sign * lasts)
    try:
        return rfc3339(parse_rfc3339(given))
    except ValueError:
        use = "2026-01-31T12:00:00Z, or how long: 90s, 30m, 2h, 7d"
        raise click.BadParameter(f"{given!r:.40} is no time: write {use}") from None


def _microseconds(given: str) -> int | None:
    from protocol.times import SECOND_US

    found = _DURATION.fullmatch(given)
    return int(found["count"]) * _UNITS_S[found["unit"]] * SECOND_US if found else None
