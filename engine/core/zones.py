"""Which names are time zones. Pure, but for the files of zones that the machine has.

Beside the names of the time zone database a machine's folder of zones has others that stand for whatever that machine
is set to, or for nothing: what is written with one of them would mean something else on the next machine.
"""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


@lru_cache(maxsize=1_000)
def is_zone(name: str) -> bool:
    """Whether there is such a time zone, the same everywhere."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return name not in _NO_ZONES
