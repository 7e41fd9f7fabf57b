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


def lasting(_: click.Context, __: click.Parameter, given: str | None) -> int | None:
    """A callback: how long (2h), in microseconds. Raises BadParameter."""
    lasts = None if given is None else _microseconds(given)
    if given is not None and lasts is None:
        raise click.BadParameter(f"{given!r:.40} is no time: write 90s, 30m, 2h, 7d")
    return lasts


def span(starts_at: str | None, lasts: int | None, ends_at: str | None) -> dict[str, str]:
    """From when until when: from now on unless said, so long or until then. Raises UsageError."""
    from protocol.times import parse_rfc3339, rfc3339

    if (lasts is None) is (ends_at is None):
        raise click.UsageError("say either --for (how long) or --until (a time)")
    start = now_us() if starts_at is None else parse_rfc3339(starts_at)
    return {"starts_at": rfc3339(start), "ends_at": ends_at or rfc3339(start + (lasts or 0))}


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
        use = "2026-01-31T12:00:00Z, or 90s, 30m, 2h, 7d"
        raise click.BadParameter(f"{given!r:.40} is no time: write {use}") from None


def _microseconds(given: str) -> int | None:
    from protocol.times import SECOND_US

    found = _DURATION.fullmatch(given)
    return int(found["count"]) * _UNITS_S[found["unit"]] * SECOND_US if found else None
