"""Another time of day for a process (Debian's `faketime`)."""

from __future__ import annotations

from pathlib import Path


def library() -> str:
    """The library that does it."""
    (found, *_) = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found)


def another_time(by: str) -> dict[str, str]:
    """The variables with which a process starts whose wall clock is wrong by so much (`+1h`); its steady clock is
    right."""
    return {"LD_PRELOAD": library(), "FAKETIME": by, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def a_time_that_jumps(clock: Path) -> dict[str, str]:
    """As `another_time`, but a file says by how much, at any time."""
    faked = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    return {"LD_PRELOAD": library(), "FAKETIME_DONT_FAKE_MONOTONIC": "1", **faked}
