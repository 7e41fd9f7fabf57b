"""What a check has found."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """OK; WARNING: it runs, but look at it; FAIL: it does not run, or must not."""

    OK = "OK"
    WARNING = "WARNING"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's: what was looked at, how it is, and what to do about it (empty if nothing)."""

    check: str
    level: Level
    text: str
    advice: str = ""
